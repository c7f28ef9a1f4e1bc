"""What may be said on the command line, and what is wrong with it: exit codes 64 and 65."""
import os
import pty
import subprocess

from program import PROGRAM, Case

SENDER = ("-f", "pump@example.net")
NOWHERE = ["relay=127.0.0.1:1", "relay_tls=none"]  # nothing listens there


class Arguments(Case):
    def test_help_and_version(self):
        for words in (("--help",), ("send", "--help"), ("check", "--help"), ("resolve", "-C", "/dev/null", "--help")):
            with self.subTest(words=words):
                result = self.run_program(*words, config=None)
                self.assertEqual((result.code, result.err), (0, ""))
                self.assertIn("mailmote send", result.out)
        result = self.run_program("--version", config=None)
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertRegex(result.out, r"^mailmote \d+\.\d+\.\d+ ")

    def test_usage(self):
        for words, said in (((), "usage"),
                            (("deliver",), "no such command: deliver"),
                            (("send", *SENDER), "no recipient"),
                            (("send", "ops@example.net"), "no sender"),  # MSG-21: never the null one by itself
                            (("send", "-t"), "no sender"),
                            (("send", *SENDER, "--frobnicate", "ops@example.net"), "--frobnicate"),
                            (("send", *SENDER, "-z", "ops@example.net"), "'z'"),
                            (("send", "ops@example.net", "-f"), "'f'"),
                            (("send", *SENDER, "--all", "ops@example.net"), "--all"),
                            (("check",), "one address"),
                            (("check", "a@example.net", "b@example.net"), "one address"),
                            (("check", "-q", "a@example.net"), "-q"),
                            (("resolve",), "one domain"),
                            (("resolve", "example.net", "example.org"), "one domain"),
                            (("resolve", "--json", "example.net"), "--json"),
                            (("resolve", "-v", "example.net"), "-v"),
                            (("resolve", *SENDER, "example.net"), "-f"),
                            (("resolve", "-q", "example.net"), "-q")):
            with self.subTest(words=words):
                result = self.run_program(*words, options=NOWHERE if words else (), config="/dev/null" if words else None)
                self.assert_refused(result, 64, said)

    def test_words_and_letters(self):
        """Long options, options behind the operands, and -- before an address that begins with a hyphen."""
        path = self.write("a.conf", "relay = 127.0.0.1:1\nrelay_tls = none\nfrom = pump@example.net\n")
        for words in (("send", "--config", path, "ops@example.net"),
                      ("send", "--config=" + path, "--from=pump@example.net", "ops@example.net"),
                      ("send", "ops@example.net", "-C", path),
                      ("send", "--set", "total_timeout=5", "-C" + path, "--", "-ops@example.net")):
            with self.subTest(words=words):
                result = self.run_program(*words, config=None)
                self.assertEqual((result.code, result.err), (75, ""))
                self.assertIn("connection refused", result.out)

    def test_null_sender(self):
        result = self.run_program("send", "-f", "", "ops@example.net", options=NOWHERE)
        self.assertEqual((result.code, result.err), (75, ""))


class Addresses(Case):
    """Refused before a connection is made, and before the message is read."""

    WRONG = [("ops", "no @"), ("ops@", "full domain name"), ("ops@localhost", "full domain name"), ("@example.net", "not"),
             ("ops@example.net.", "full domain name"), ("<ops@example.net>", "angle brackets"), ("Operations <ops@example.net>", "without a name"),
             ("ops@example.net\r\nRCPT TO:<x@example.net>", "control character"), ("o ps@example.net", "not"), ("", "empty"),
             ("\u00fc@example.net", "SMTPUTF8"), ("\u00fc@b\u00fccher.example", "SMTPUTF8"), ("x" * 65 + "@example.net", "too long"),
             ("ops@[192.0.2.999]", "[192.0.2.999]"), ("ops@" + "a." * 130 + "net", "too long")]

    def test_recipients(self):
        for address, said in self.WRONG:
            with self.subTest(address=address):
                self.assert_refused(self.run_program("send", *SENDER, "--", "good@example.net", address, options=NOWHERE), 65,
                                    "recipient", said)

    def test_senders(self):
        for address, said in self.WRONG + [("postmaster", "no @")]:
            if address:
                with self.subTest(address=address):
                    self.assert_refused(self.run_program("send", "-f", address, "ops@example.net", options=NOWHERE), 65,
                                        "sender", said)

    def test_every_wrong_one_is_named(self):
        result = self.run_program("send", *SENDER, "one", "ops@example.net", "two", options=NOWHERE)
        self.assert_refused(result, 65, "'one'", "'two'")
        self.assertNotIn("ops@example.net", result.err)

    def test_check(self):
        self.assert_refused(self.run_program("check", "ops", options=NOWHERE), 65, "'ops'")
        self.assert_refused(self.run_program("check", "-f", "pump", "ops@example.net", options=NOWHERE), 65, "'pump'")

    def test_resolve(self):
        """Nothing is asked for that mail could not have: no search list, no address, no dot at the end."""
        for domain in ("no domain", "localhost", "example.net.", "[192.0.2.1]", "192.0.2.1", "", "."):
            with self.subTest(domain=domain):
                self.assert_refused(self.run_program("resolve", domain, options=["dns_server=127.0.0.1:1"]), 65,
                                    "'%s': no full domain name" % domain)

    def test_before_the_message_is_read(self):
        ours, theirs = os.pipe()
        with open(ours, "rb") as silent, open(theirs, "wb"):
            self.assert_refused(self.run_program("send", *SENDER, "ops", stdin=silent, options=NOWHERE), 65, "'ops'")

    def test_lists(self):
        for words in (("send",), ("send", "--text", "x"), ("compose", "--text", "x", "c@example.net", "--cc")):
            with self.subTest(words=words):
                self.assert_refused(self.run_program(words[0], *SENDER, *words[1:], "a@example.net, b@example.net", options=NOWHERE), 65,
                                    "'a@example.net, b@example.net': one address at a time")

    def test_terminal_is_not_steered(self):  # SEC-7
        result = self.run_program("send", *SENDER, "\x1b[31m\n@example.net", options=NOWHERE)
        self.assert_refused(result, 65, "?[31m?@example.net")


class Composing(Case):
    """What cannot be in a message is called by the name under which it was given."""

    def test_refused(self):
        spaced, empty = self.write("a plan.png", "x"), self.write("plan.png", "x")
        with open(os.fsencode(self.folder) + b"/\xff.txt", "w", encoding="ascii"):
            pass
        for words, code, said in (
                (("--header", "Subject: x"), 65, "--header 'Subject: x': no name of a field, or that of one which is made here"),
                (("--header", "X-A: b", "--header", "X B: c"), 65, "--header 'X B: c': no name"),
                (("--header", "X-A: b", "--header", "X-B: c\nd"), 65, "--header 'X-B: c?d': it holds a control character"),
                (("--header", "X-A"), 64, "--header 'X-A': it is not 'Name: value'"),
                (("--thread", "pump 7"), 65, "--thread 'pump 7': not one word"), (("--thread", ""), 65, "--thread ''"),
                (("--thread", "\u00fc"), 65, "--thread '??'"), (("--thread", "x" * 400), 65, "too long"),
                (("--inline", empty, "--inline", spaced), 65, "a plan.png': HTML cannot call it"),
                (("--attach", empty, "--attach", os.fsencode(self.folder) + b"/\xff.txt"), 65, "?.txt': its name holds"),
                (("--attach", str(self.folder)), 66, "Is a directory"), (("--attach", "/nonexistent"), 66, "No such file"),
                (("--subject", "a\nb"), 65, "Subject: it holds a control character")):
            with self.subTest(words=words):
                self.assert_refused(self.run_program("compose", *SENDER, "--text", "x", *words, "ops@example.net"), code, said)
        self.assertEqual(self.run_program("compose", *SENDER, "--text", "x", "--attach", spaced, "ops@example.net").code, 0)

    def test_thread_of_a_sender_at_an_address(self):
        result = self.run_program("compose", "-f", "pump@[192.0.2.1]", "--text", "x", "--thread", "7", "ops@example.net")
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertIn("\nIn-Reply-To: <7@[192.0.2.1]>", result.out)


class Messages(Case):
    """What cannot travel is refused with its line and its reason: SMTP-50, SMTP-51, SMTP-52."""

    WRONG = [(b"a\rb\n", 1, "CR"), (b"a\n\nb\r", 3, "CR"), (b"a\r\r\n", 1, "CR"), (b"a\nb\0c\n", 2, "NUL"),
             (b"a\n" + b"x" * 999 + b"\n", 2, "998"), (b"x" * 999, 1, "998"), (b"a\r\n" * 9999 + b"\0", 10000, "NUL"),
             (b"x" * 998 + b"\r\n" + b"y" * 999 + b"\r\n", 2, "998"), (b"x" * 2000 + b"\0", 1, "998"),
             (b"x" * 990 + b"\0" + b"x" * 2000, 1, "NUL")]

    def test_refused(self):
        for text, line, said in self.WRONG:
            for is_file in (False, True):
                with self.subTest(text=text[:30], is_file=is_file):
                    path = self.write("message", text)
                    with open(path, "rb") as file:
                        result = self.run_program("send", *SENDER, "ops@example.net", stdin=file if is_file else text,
                                                  options=NOWHERE)
                    self.assert_refused(result, 65, "line %d:" % line, said)

    def test_unreadable(self):
        folder = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        result = self.run_program("send", *SENDER, "ops@example.net", stdin=folder, options=NOWHERE)
        self.assert_refused(result, 74, "reading the message: Is a directory")

    def test_no_room_for_a_copy(self):
        """What is no file is kept in one: the words say where."""
        for words in ((), ("--text", "-")):
            result = self.run_program("send", *SENDER, *words, "ops@example.net", options=NOWHERE, env={"TMPDIR": "/nonexistent"})
            self.assert_refused(result, 66 if words else 74, "copy", "$TMPDIR (else /tmp)", "No such file")

    def test_from_a_terminal(self):
        ours, theirs = pty.openpty()
        process = subprocess.Popen([PROGRAM, "send", "-C", "/dev/null", *SENDER, "ops@example.net", "-o", "relay=127.0.0.1:1", "-o",
                                    "relay_tls=none"], stdin=theirs, stderr=theirs, stdout=subprocess.PIPE)
        os.close(theirs)
        said = os.read(ours, 1000)
        os.write(ours, b"Subject: x\n\nx\n\x04")
        out = process.communicate(timeout=30)[0]
        os.close(ours)
        self.assertIn(b"reading from this terminal, until a line that is Ctrl-D alone", said)
        self.assertEqual((process.returncode, b"connection refused" in out), (75, True))
