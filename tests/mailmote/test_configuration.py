"""The configuration: where it is looked for, what it may say, what is wrong with it. Exit code 78."""
import os

from program import SECRET, Case

SEND = ("send", "-f", "pump@example.net", "ops@example.net")
USER = "relay = 127.0.0.1:1\nrelay_tls = none\nallow_plaintext_auth = yes\nrelay_user = pump\n"


class Places(Case):
    """Looked for in this order: -C, $MAILMOTE_CONFIG, ~/.config/mailmote.conf, /etc/mailmote.conf."""

    def ask(self, config=None, env=()):
        return self.run_program(*SEND, config=config, env=env)

    def test_order(self):
        named, variable = self.write("named", "named = 1\n"), self.write("variable", "variable = 1\n")
        self.write(".config/mailmote.conf", "home = 1\n")
        self.assert_refused(self.ask(named, {"MAILMOTE_CONFIG": variable}), 78, "named:1: named: there is no such key")
        self.assert_refused(self.ask(None, {"MAILMOTE_CONFIG": variable}), 78, "variable:1: variable:")
        self.assert_refused(self.ask(None, {"MAILMOTE_CONFIG": ""}), 78, ".config/mailmote.conf:1: home:")
        self.assert_refused(self.ask(), 78, ".config/mailmote.conf:1: home:")

    def test_a_default_file_may_be_missing(self):
        if not os.path.exists("/etc/mailmote.conf"):
            self.assert_refused(self.run_program("send", "ops@example.net", config=None), 64, "no sender")

    def test_a_named_file_may_not(self):
        self.assert_refused(self.ask(str(self.folder / "none")), 78, "none: No such file")
        self.assert_refused(self.ask(None, {"MAILMOTE_CONFIG": str(self.folder / "none")}), 78, "none: No such file")
        self.assert_refused(self.ask(str(self.folder)), 78, "Is a directory")
        self.assert_refused(self.ask("x" * 5000), 78, "File name too long")

    def test_a_default_file_that_cannot_be_read_is_told(self):
        (self.folder / ".config/mailmote.conf").mkdir(parents=True)
        self.assert_refused(self.ask(), 78, "mailmote.conf: Is a directory")


class Values(Case):
    def refuse(self, text, *words):
        path = self.write("a.conf", text)
        result = self.run_program(*SEND, config=path)
        self.assert_refused(result, 78, *words)
        self.assertNotIn(SECRET, result.err)

    def test_lines(self):
        for text, said in (("from pump@example.net\n", "a.conf:1: line: it is neither"),
                           ("# fine\n\n[relay]\n", "a.conf:3: line: it is neither"),
                           ("from = a@example.net\nfrom = b@example.net\n", "a.conf:2: from: given before, in line 1"),
                           ("\n\nrelay_passwort = %s\n" % SECRET, "a.conf:3: relay_passwort: there is no such key"),
                           ("relay_password: %s\n" % SECRET, "a.conf:1: line: it is neither"),
                           ("from = a@example.net ; a comment\n", "a.conf:1: from: 'a@example.net ; a comment'"),
                           ("from = a@example.net # a comment\n", "a.conf:1: from:"),
                           ("From = a@example.net\n", "a.conf:1: From: there is no such key"),
                           ("from = a\0@example.net\n", "NUL"),
                           (" = x\n", "a.conf:1:"),
                           ("#\n" * 600000, "too large")):
            with self.subTest(text=text[:40]):
                self.refuse(text, said)

    BAD = {"from": ["ops", "<a@example.net>"], "hello_name": ["", "pump", "192.0.2.1", "a b.example.net", "pump_1.example.net"],
           "dns_server": ["", "ns.example.net", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:", "192.0.2.1:x", "[::1", "[::1]53"],
           "relay": ["", "smtp", "smtp.example.net:", "smtp.example.net:0", "smtp.example.net:99999", "2001:db8::1:25:x:y:z:a:b",
                     "[2001:db8::1", "smtp.example.net:25:25", "a b.example.net"],
           "relay_tls": ["", "yes", "required", "STARTTLS"], "relay_tls_verify": ["", "true", "0"],
           "relay_user": [""], "relay_password": [""], "relay_password_file": ["/nonexistent"], "relay_auth": ["cram-md5", ""],
           "allow_plaintext_auth": ["maybe"], "local_domain": ["", "localhost", ".example.net"],
           "maildir": ["", "relative/%u", "/var/mail/%x", "/var/mail/%"], "mx_port": ["0", "-1", "x", "65536", "25x"],
           "mx_tls": ["starttls", "verified"], "own_name": ["x", ""], "own_address": ["pump.example.net", ""],
           "refuse_private": ["on"], "ca_file": ["", "/nonexistent"], "allow_loopback": [""], "connect_timeout": ["0", "-5", "1.5"],
           "command_timeout": ["x", "65536"], "total_timeout": ["", "1h"],
           "dkim_domain": ["", "localhost"], "dkim_selector": ["", "a b", "a\x1b[31m", ".", "a..b", "a.", "s" * 64, "s\u00fc"]}

    def test_every_key_refuses_what_it_cannot_be(self):
        for key, values in self.BAD.items():
            for value in values:
                with self.subTest(key=key, value=value):
                    self.refuse("# first\n%s = %s\n" % (key, value), "a.conf:2: %s: " % key)
                    if key != "relay_password":
                        self.assert_refused(self.run_program(*SEND, options=["%s=%s" % (key, value)]), 78, "-o: %s: " % key)

    def test_ca_file_without_a_certificate(self):
        path = self.write("ca.pem", "nothing of use\n")
        if "without TLS" not in self.run_program("--version", config=None).out:
            self.refuse("relay = smtp.example.net\nca_file = %s\n" % path, "a.conf:2: ca_file: ", "no certificate")
            self.assert_refused(self.run_program(*SEND, options=["ca_file=" + path]), 78, "-o: ca_file: ", "no certificate")

    def test_every_key_takes_what_it_can_be(self):
        """All of it at once: then the way is tried, and nobody listens there."""
        password = self.write("password", "x\nsecond line\n")
        path = self.write("a.conf", "\r\n".join([
            "# a comment", "from = pump@example.net", "hello_name=pump.example.net", "dns_server = 127.0.0.1:5353",
            "dns_server = [::1]:5353", "dns_server = ::1", "  relay   =   127.0.0.1:1   ", "relay_tls = opportunistic",
            "relay_tls_verify = no", "relay_user = pump; # = \"", "relay_password_file = " + password, "relay_auth = login",
            "allow_plaintext_auth = yes", "local_domain = pump.example", "local_domain = pump2.example",
            "maildir = %s/%%d/%%u" % self.folder, "mx_port = 2525", "mx_tls = required", "own_name = a.example.net",
            "own_name = b.example.net", "own_address = 192.0.2.7", "own_address = 2001:db8::7", "refuse_private = yes",
            "allow_loopback = yes", "connect_timeout = 5", "command_timeout = 5", "total_timeout = 5"]))
        result = self.run_program("send", "ops@example.net", "ops@pump.example", config=path)
        self.assertEqual((result.code, result.err), (75, ""))
        self.assertEqual(result.out.splitlines()[0],
                         "ops@example.net: transient, connect at 127.0.0.1 [127.0.0.1]: connection refused (4.4.1)")
        self.assertIn("ops@pump.example: permanent, mailbox: no such user", result.out)

    def test_options_replace_all_values_of_their_key(self):
        path = self.write("a.conf", "relay = nonsense of a file\nrelay_tls = none\n")
        result = self.run_program(*SEND, config=path, options=["relay=127.0.0.1:1"])
        self.assertEqual((result.code, result.err), (75, ""))

    def test_options_are_checked(self):
        for option, said in (("relay", "-o: relay: it is not KEY=VALUE"), ("frob=1", "-o: frob: there is no such key"),
                             ("=x", "no such key")):
            with self.subTest(option=option):
                self.assert_refused(self.run_program(*SEND, options=[option]), 78, said)


class Passwords(Case):
    def refuse(self, text, *words, mode=0o600):
        result = self.run_program(*SEND, config=self.write("a.conf", text, mode))
        self.assert_refused(result, 78, *words)
        self.assertNotIn(SECRET, result.err)

    def accept(self, text, mode=0o600):
        result = self.run_program(*SEND, config=self.write("a.conf", text, mode))
        self.assertEqual((result.code, result.err), (75, ""))

    def test_not_on_the_command_line(self):
        for option in ("relay_password=" + SECRET, " relay_password = " + SECRET):
            result = self.run_program(*SEND, options=[option])
            self.assert_refused(result, 78, "-o: relay_password: a password on the command line")
            self.assertNotIn(SECRET, result.err)

    def test_a_file_that_holds_one_is_its_owner_s(self):
        text = USER + "relay_password = %s\n" % SECRET
        for mode in (0o644, 0o640, 0o604, 0o620, 0o602, 0o666):
            with self.subTest(mode=oct(mode)):
                self.refuse(text, "a.conf:5: relay_password:", "chmod", mode=mode)
        self.accept(text)
        self.accept(text, 0o400)
        self.accept("relay = 127.0.0.1:1\nrelay_tls = none\n", 0o644)

    def test_overridden_it_is_still_in_the_file(self):
        password = self.write("password", "x\n")
        path = self.write("a.conf", USER + "relay_password = %s\n" % SECRET, 0o644)
        result = self.run_program(*SEND, config=path, options=["relay_password_file=" + password])
        self.assert_refused(result, 78, "relay_password:")

    def test_password_file(self):
        """A group may read it: so a service shares one with its programs. Others may not."""
        for mode, is_good in ((0o600, True), (0o400, True), (0o640, True), (0o644, False), (0o604, False), (0o602, False)):
            with self.subTest(mode=oct(mode)):
                path = self.write("password", SECRET + "\n", mode)
                text = USER + "relay_password_file = %s\n" % path
                self.accept(text, 0o644) if is_good else self.refuse(text, "a.conf:5: relay_password_file:", "chmod")

    def test_first_line_of_the_password_file(self):
        for text, said in (("", "empty"), ("\nsecret\n", "empty"), ("a\rb\n", "CR"), ("a\0b\n", "NUL"), ("x" * 5000 + "\n", "long")):
            with self.subTest(text=text[:9]):
                path = self.write("password", text)
                self.refuse(USER + "relay_password_file = %s\n" % path, "a.conf:5: relay_password_file:", said)
        for text in ("x", "x\n", "x\r\n", " x \nmore\0", "\u00fc\n", "x" * 1000 + "\n"):
            with self.subTest(text=text[:9]):
                self.accept(USER + "relay_password_file = %s\n" % self.write("password", text))

    def test_octets_that_cannot_travel(self):
        self.refuse(USER + "relay_password = a\rb\n", "a.conf:5: relay_password:", "CR")
        self.refuse(USER.replace("= pump", "= pu\rmp") + "relay_password = x\n", "a.conf:4: relay_user:", "CR")

    def test_what_belongs_together(self):
        for text, said in ((USER, "needs relay_password"), ("relay = smtp.example.net\nrelay_password = x\n", "needs relay_user"),
                           ("relay_user = pump\nrelay_password = x\n", "needs relay"),
                           (USER.replace("allow", "# allow") + "relay_password = x\n", "outside verified TLS"),
                           (USER + "relay_password = x\nrelay_password_file = /nonexistent\n", "relay_password"),
                           ("local_domain = example.net\n", "needs maildir")):
            with self.subTest(text=text):
                self.refuse(text, said)
        for value in ("relay_tls=none", "relay_tls=opportunistic", "relay_tls_verify=no"):
            path = self.write("a.conf", "relay = smtp.example.net\nrelay_user = pump\nrelay_password = x\n")
            self.assert_refused(self.run_program(*SEND, config=path, options=[value]), 78, "outside verified TLS")
