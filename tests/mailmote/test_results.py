"""What is said of the results, and where: against scripted servers on loopback."""
import json
import os
import pty
import socket
import struct
import subprocess
import threading

from program import PROGRAM, SECRET, Case
from peer import A, AAAA, MX, Peer, a, mx, plain_server, question, record, zone

FROM = ("-f", "pump@example.net")


class NameServer:
    """Answers out of a zone, on loopback, where anybody may: port."""

    def __init__(self, records):
        self.answer = zone(records)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.asked = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while True:
            query, sender = self.socket.recvfrom(4096)
            if not query:
                return
            self.asked.append(question(query))
            for datagram in self.answer(query, 1):
                self.socket.sendto(datagram, sender)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join(5)
        self.socket.close()


def serve(replies=None, **more):
    return Peer("127.0.0.1", 0, plain_server(replies, **more))


class Lines(Case):
    """A plain line a recipient, with the server's words."""

    def send(self, peer, *words, **more):
        return self.run_program("send", *FROM, *words, options=self.relay(peer), **more)

    def test_accepted(self):
        with serve({"final": "250 2.0.0 queued as 123"}) as peer:
            result = self.send(peer, "ops@example.net", "boss@example.net")
        self.assertEqual(result, (0, "ops@example.net: accepted by 127.0.0.1 [127.0.0.1]: 250 2.0.0 queued as 123\n"
                                     "boss@example.net: accepted by 127.0.0.1 [127.0.0.1]: 250 2.0.0 queued as 123\n", ""))

    def test_each_its_own(self):
        def rcpt(_, line):
            return {b"n": "550 5.1.1 no such user", b"l": "450 4.2.0 greylisted"}.get(line[9:10], "250 ok")
        with serve({"RCPT": rcpt}) as peer:
            result = self.send(peer, "ops@example.net", "nobody@example.net", "later@example.net")
        self.assertEqual(result.code, 75)
        self.assertEqual([line.split(" at ")[0].split(" by ")[0] for line in result.out.splitlines()],
                         ["ops@example.net: accepted", "nobody@example.net: permanent, rcpt", "later@example.net: transient, rcpt"])
        self.assertIn(": 550 5.1.1 no such user\n", result.out)

    def test_the_same_twice(self):
        with serve() as peer:
            result = self.send(peer, "ops@example.net", "ops@EXAMPLE.net", "--json")
        lines = [json.loads(line) for line in result.out.splitlines()]
        self.assertEqual([line["verdict"] for line in lines], ["accepted", "accepted"])
        self.assertEqual(sum(line.startswith(b"RCPT") for line in peer.lines), 1)

    def test_quiet(self):
        with serve({"RCPT": lambda _, line: "550 5.1.1 nobody" if b"nobody" in line else None}) as peer:
            self.assertEqual(self.send(peer, "-q", "ops@example.net"), (0, "", ""))
            self.assertEqual(self.send(peer, "-q", "--json", "ops@example.net"), (0, "", ""))
            result = self.send(peer, "-q", "ops@example.net", "nobody@example.net")
        self.assertEqual((result.code, result.out.count("\n"), result.err), (67, 1, ""))

    def test_json(self):
        with serve({"RCPT": "550 5.1.1 \"no\" \\ \x1b user"}) as peer:
            result = self.send(peer, "--json", "ops@example.net", '"o\\"ps"@example.net')
        self.assertEqual((result.code, result.err), (67, ""))
        first, second = (json.loads(line) for line in result.out.splitlines())
        self.assertLess(first.pop("milliseconds"), 30000)
        self.assertEqual(first, {"address": "ops@example.net", "verdict": "permanent", "held": False, "stage": "rcpt",
                                 "host": "127.0.0.1", "ip": "127.0.0.1", "tls": "none", "code": 550, "enhanced": "5.1.1",
                                 "reason": first["reason"], "text": '"no" \\ ? user'})
        self.assertEqual(second["address"], '"o\\"ps"@example.net')

    def test_result_that_cannot_be_written(self):
        """The mail has left: the verdict stands, in the exit code, and whoever repeats by it does so rightly."""
        reader, writer = os.pipe()
        os.close(reader)
        for target in (os.open("/dev/full", os.O_WRONLY), writer):
            for replies, code in (({}, 0), ({"RCPT": "550 5.1.1 no"}, 67)):
                with serve(replies) as peer:
                    done = subprocess.run([PROGRAM, "send", "-C", "/dev/null", *FROM, "ops@example.net",
                                           *(w for o in self.relay(peer) for w in ("-o", o))], input=b"Subject: x\n\nx\n", stdout=target,
                                          stderr=subprocess.PIPE, timeout=30)
                self.assertEqual(done.returncode, code)
                self.assertIn(b"writing the result", done.stderr)
            os.close(target)

    def test_nothing_sent_and_the_result_cannot_be_written(self):
        """Then the result is all there was to do: 74."""
        key = self.write("key", "")
        os.unlink(key)
        with serve() as peer, NameServer({("d.example", MX): [mx("d.example", 1, "x.example")],
                                          ("x.example", A): [a("x.example", "192.0.2.5")], ("x.example", AAAA): []}) as names, open("/dev/full", "wb") as full:
            for words in (("check", "ops@example.net"), ("check", "--json", "ops@example.net"), ("resolve", "d.example"),
                          ("compose", *FROM, "--text", "x", "ops@example.net"), ("compose", *FROM, "--text", "x" * 20000, "ops@example.net"),
                          ("dkim-key",), ("--version",), ("--help",)):
                options = [*self.relay(peer), "dns_server=127.0.0.1:%d" % names.port, "dkim_domain=example.net", "dkim_selector=s",
                           "dkim_key_file=" + key] if words[0][0] != "-" else []
                with self.subTest(words=words[:3]):
                    if "compose" in words:
                        options = options[:3]
                    done = subprocess.run([PROGRAM, *words, *(w for o in options for w in ("-o", o))], stdout=full,
                                          stderr=subprocess.PIPE, timeout=60, env={"HOME": str(self.folder)})
                    if b"without mbedTLS" not in done.stderr:
                        self.assertEqual((done.returncode, done.stderr), (74, b"mailmote: writing the result: No space left on device\n"))

    def test_message_that_is_shorter_than_it_was(self):  # SMTP-56
        path = self.write("message", b"Subject: x\n\n" + b"a line of the message\n" * 100000)

        def cut(it, _line):
            os.truncate(path, 100000)
            it.say("354 go\n")
            it.hear_content()
        with serve({"DATA": cut}) as peer, open(path, "rb") as file:
            result = self.send(peer, "ops@example.net", stdin=file)
        self.assertNotEqual(result.code, 0)
        self.assertNotIn("accepted", result.out)
        self.assertEqual(peer.conversations[0].mails, [])

    def test_message_that_is_not_what_it_was(self):  # 5321 2.3.8: between the scan and the sending anybody may write to it
        line = b"a line of the message\r\n"
        path = self.write("message", b"Subject: x\r\n\r\n" + line * 20000)

        def change(it, _line):
            with open(path, "r+b") as file:
                file.seek(200000)
                file.write(b"x\n.\nMAIL FROM:<x@y.example>\ny\r\r\n")
            it.say("354 go\n")
            it.say("250 ok\n" if it.hear_content() else "")
        with serve({"DATA": change}) as peer, open(path, "rb") as file:
            self.send(peer, "ops@example.net", stdin=file)
        for heard in peer.conversations[0].lines:
            self.assertNotIn(b"\n", heard)
            self.assertNotIn(b"\r", heard)


class Reasons(Case):
    """What no server said stands where its words would."""

    def test_maildir(self):
        for name in ("ops", "file"):
            (self.folder / "box" / name).mkdir(parents=True)
        self.write("box/file/tmp", "x")
        for user, pattern, code, said in (("ops", "box/%u", 0, "accepted by the mailbox here"),
                                          ("nobody", "box/%u", 67, "permanent, mailbox: no such user (5.1.1)"),
                                          ("ops", "gone/%u", 75, "writing the mailbox failed: No such file or directory (4.3.0)"),
                                          ("file", "box/%u", 75, "writing the mailbox failed: Not a directory (4.3.0)")):
            with self.subTest(user=user, pattern=pattern):
                result = self.run_program("send", *FROM, user + "@here.example", options=[
                    "local_domain=here.example", "maildir=%s/%s" % (self.folder, pattern)])
                self.assertEqual((result.code, result.err), (code, ""))
                self.assertIn(said, result.out)
        result = self.run_program("send", "--json", *FROM, "ops@here.example", "file@here.example", "nobody@here.example", options=[
            "local_domain=here.example", "maildir=%s/box/%%u" % self.folder])
        self.assertEqual([json.loads(line)["text"] for line in result.out.splitlines()], ["", "Not a directory", ""])

    def test_no_auth_to_be_had(self):
        more = ["relay_user=pump", "relay_password_file=" + self.write("password", SECRET + "\n"), "allow_plaintext_auth=yes"]
        for extensions, options, said in (((), [], True), (["AUTH CRAM-MD5"], [], True), (["AUTH PLAIN"], ["relay_auth=login"], True),
                                          (["AUTH LOGIN PLAIN"], [], False)):
            with self.subTest(extensions=extensions), serve({"AUTH": "535 5.7.8 wrong"}, extensions=extensions) as peer:
                result = self.run_program("send", *FROM, "ops@example.net", options=self.relay(peer, *more, *options))
                self.assertEqual((result.code, result.err), (77, ""))
                self.assertEqual("authentication failed: the server offers no AUTH here that relay_auth allows (4.7.0)" in result.out, said)

    def test_no_domain_to_go_to(self):
        for address in ("ops@[192.0.2.1]", "postmaster"):
            with self.subTest(address=address):
                result = self.run_program("send", *FROM, address, options=["dns_server=127.0.0.1:1"])
                self.assertEqual((result.code, result.out), (69, "%s: permanent, route: not a valid address: "
                                                                 "without a relay mail goes to domains only (5.1.2)\n" % address))
                with serve() as peer:
                    self.assertEqual(self.run_program("send", *FROM, address, options=self.relay(peer)).code, 0)


class ExitCodes(Case):
    """The first that holds: 75, 77, then the first refusal's 68, 67 or 69."""

    def test_order(self):
        words = {"ok": "250 ok", "nobody": "550 5.1.1 nobody", "bare": "550 nobody", "bare3": "553 nobody", "bare4": "554 no",
                 "sender": "550 5.1.8 sender's domain not found", "syntax": "553 5.1.7 sender's syntax",
                 "policy": "550 5.7.1 no", "full": "552 5.2.2 full", "later": "450 4.2.0 later", "busy": "451 busy"}

        def rcpt(_, line):
            return words[line[9:].split(b"@")[0].decode()]
        with serve({"RCPT": rcpt}) as peer:
            for names, code in (("ok", 0), ("nobody", 67), ("bare", 67), ("bare3", 67), ("bare4", 69), ("policy", 69), ("sender", 69), ("syntax", 69), ("full", 69),
                                ("later", 75), ("busy", 75), ("ok nobody", 67), ("ok nobody later", 75), ("policy nobody", 69),
                                ("nobody policy", 67)):
                with self.subTest(names=names):
                    result = self.run_program("send", *FROM, *(name + "@example.net" for name in names.split()),
                                              options=self.relay(peer))
                    self.assertEqual((result.code, result.err), (code, ""), result.out)

    def test_sender_refused(self):
        for words, code in (("550 5.1.0 sender rejected", 69), ("550 5.1.8 no such domain", 69), ("450 4.1.8 no such domain", 75)):
            with self.subTest(words), serve({"MAIL": words}) as peer:
                self.assertEqual(self.run_program("send", *FROM, "ops@example.net", options=self.relay(peer)).code, code)

    def test_held(self):
        password = self.write("password", SECRET + "\n")
        more = ["relay_user=pump", "relay_password_file=" + password, "allow_plaintext_auth=yes"]
        with serve({"AUTH": "535 5.7.8 wrong"}, extensions=["AUTH PLAIN"]) as peer:
            result = self.run_program("send", *FROM, "ops@example.net", options=self.relay(peer, *more))
        self.assertEqual((result.code, result.err), (77, ""))
        self.assertIn("transient and held, auth", result.out)
        self.assertIn("535 5.7.8 wrong", result.out)

    def test_domains(self):
        zones = {("null.example", MX): [mx("null.example", 0, "")], ("broken.example", MX): 2,
                 ("hostless.example", MX): [mx("hostless.example", 10, "gone.example")]}
        with NameServer(zones) as names:
            for domain, code in (("none.example", 68), ("null.example", 68), ("broken.example", 75)):
                with self.subTest(domain):
                    result = self.run_program("send", *FROM, "ops@" + domain,
                                              options=["dns_server=127.0.0.1:%d" % names.port, "total_timeout=10"])
                    self.assertEqual((result.code, result.err), (code, ""), result.out)


class Dialogue(Case):
    def test_verbose(self):  # SEC-7, SEC-8
        password = self.write("password", SECRET + "\n")
        more = ["relay_user=pump", "relay_password_file=" + password, "allow_plaintext_auth=yes"]
        with serve({"AUTH": "235 2.7.0 welcome", "QUIT": "221 \x1b[31mbye"}, extensions=["PIPELINING", "AUTH PLAIN"]) as peer:
            result = self.run_program("send", *FROM, "-v", "ops@example.net", options=self.relay(peer, *more))
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(result.out.count("\n"), 1)
        for line in ("S: 220 script.example.net ready", "C: EHLO pump.example.net", "S: 250 AUTH PLAIN", "C: AUTH PLAIN ***",
                     "S: 235 2.7.0 welcome", "C: MAIL FROM:<pump@example.net>", "C: RCPT TO:<ops@example.net>", "S: 354 go",
                     "S: 221 ?[31mbye"):
            self.assertIn(line + "\n", result.err)
        auth = [line.split()[-1].decode() for line in peer.lines if line.startswith(b"AUTH")][0]
        self.assertGreater(len(auth), 10)
        for secret in (auth, SECRET):
            self.assertNotIn(secret, result.err + result.out)


class ClosedStreams(Case):
    """Started without stdin, stdout or stderr, as some daemons do it: what is told there never goes to a server."""

    def test_nothing_is_told_to_the_server(self):
        heard = {}
        for closed in ("", "1", "2", "12"):
            for command in ("send", "check"):
                words = [PROGRAM, command, "-v", "-C", "/dev/null", *FROM, "ops@example.net"]
                with serve() as peer, open(self.write("message", "Subject: x\n\nx\n"), "rb") as message:
                    subprocess.run(["sh", "-c", 'exec "$@"' + "".join(" %s>&-" % stream for stream in closed), "sh", *words,
                                    *(w for o in self.relay(peer) for w in ("-o", o))], stdin=message,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=False)
                    heard[command, closed] = peer.lines, peer.conversations[0].mails
        for (command, closed), what in heard.items():
            self.assertEqual(what, heard[command, ""], (command, closed))

    def test_no_message(self):
        with serve() as peer:
            done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", PROGRAM, "send", "-C", "/dev/null", *FROM, "ops@example.net",
                                   *(w for o in self.relay(peer) for w in ("-o", o))], timeout=30, capture_output=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(peer.conversations, [])


class Check(Case):
    def test_steps(self):
        with serve({"RCPT": "250 2.1.5 would do"}) as peer:
            result = self.run_program("check", "ops@example.net", options=self.relay(peer))
        self.assertEqual((result.code, result.err), (0, ""))
        steps = [line.split(" ms  ", 1)[1] for line in result.out.splitlines() if " ms  " in line]
        for step in ("connected to 127.0.0.1", "greeting: 220 script.example.net ready", "EHLO pump.example.net: 250 ",
                     "MAIL FROM:<>", "RCPT TO:<ops@example.net>: 250 2.1.5 would do", "QUIT: 221 bye"):
            self.assertTrue(any(step in one for one in steps), (step, result.out))
        self.assertEqual(result.out.splitlines()[-1],
                         "ops@example.net: accepted by 127.0.0.1 [127.0.0.1]: 250 2.1.5 would do")
        self.assertNotIn(b"DATA", peer.lines)

    def test_sender(self):
        """The null sender, unless -f says another one: `from` is the sender of send."""
        for words, said in (((), b"MAIL FROM:<>"), (FROM, b"MAIL FROM:<pump@example.net>")):
            with serve() as peer:
                options = self.relay(peer, "from=other@example.net")
                self.assertEqual(self.run_program("check", *words, "ops@example.net", options=options).code, 0)
                self.assertEqual([line for line in peer.lines if line.startswith(b"MAIL")], [said])

    def test_exit_code_as_send(self):
        with serve({"RCPT": "550 5.1.1 nobody"}) as peer:
            self.assertEqual(self.run_program("check", "ops@example.net", options=self.relay(peer)).code, 67)

    def test_json(self):
        with serve() as peer:
            result = self.run_program("check", "--json", "ops@example.net", options=self.relay(peer))
        self.assertEqual((json.loads(result.out)["verdict"], result.err), ("accepted", ""))


class ByName(Case):
    """MX hosts on loopback, as allow_loopback lets a test have them."""

    def test_loopback_only_where_it_is_allowed(self):  # MX-22
        with serve() as peer:
            port = peer.socket.getsockname()[1]
            zones = {("a.example", MX): [mx("a.example", 10, "mx.example")], ("mx.example", A): [a("mx.example", "127.0.0.1")],
                     ("mx.example", AAAA): []}
            with NameServer(zones) as names:
                options = ["dns_server=127.0.0.1:%d" % names.port, "mx_port=%d" % port, "hello_name=pump.example.net"]
                result = self.run_program("send", *FROM, "ops@a.example", options=options)
                self.assertNotIn(result.code, (0,))
                self.assertEqual(peer.conversations, [])
                result = self.run_program("send", *FROM, "ops@a.example", options=[*options, "allow_loopback=yes"])
                self.assertEqual(result, (0, "ops@a.example: accepted by mx.example [127.0.0.1]: 250 2.0.0 queued\n", ""))

    def test_check_all(self):
        """The first verdict stands, and all that is said of it; what fails behind it is told as such."""
        hosts = {"one": 1, "two": 2, "closed": 3}
        zones = {("a.example", MX): [mx("a.example", 10, "one.example"), mx("a.example", 20, "two.example"),
                                     mx("a.example", 30, "closed.example"), mx("a.example", 40, "gone.example")]}
        for host, number in hosts.items():
            zones[host + ".example", A] = [a(host + ".example", "127.0.0.%d" % number)]
            zones[host + ".example", AAAA] = []
        with serve() as one:
            port = one.socket.getsockname()[1]
            with Peer("127.0.0.2", port, plain_server({"RCPT": "550 5.1.1 nobody"})) as two, NameServer(zones) as names:
                options = ["dns_server=127.0.0.1:%d" % names.port, "mx_port=%d" % port, "hello_name=pump.example.net",
                           "allow_loopback=yes"]
                result = self.run_program("check", "--all", "ops@a.example", options=options)
        self.assertEqual((result.code, result.err, len(one.conversations), len(two.conversations)), (0, "", 1, 1), result.out)
        self.assertEqual(result.out.splitlines()[-1], "ops@a.example: accepted by one.example [127.0.0.1]: 250 2.1.5 ok")
        self.assertIn("RCPT TO:<ops@a.example>: 550 5.1.1 nobody\n", result.out)
        self.assertEqual([line.split("given up: ")[1] for line in result.out.splitlines() if "given up" in line],
                         ["no connection", "no address that could be tried"])

    def test_resolve(self):
        zones = {("a.example", MX): [mx("a.example", 20, "b.example"), mx("a.example", 10, "c.example"),
                                     mx("a.example", 30, "none.example")],
                 ("b.example", A): [a("b.example", "192.0.2.2")], ("b.example", AAAA): [],
                 ("c.example", A): [a("c.example", "192.0.2.3"), a("c.example", "192.0.2.4")],
                 ("c.example", AAAA): [record("c.example", AAAA, socket.inet_pton(socket.AF_INET6, "2001:db8::3"))],
                 ("null.example", MX): [mx("null.example", 0, "")], ("broken.example", MX): 2,
                 ("d.example", MX): [], ("d.example", A): [a("d.example", "192.0.2.5")], ("d.example", AAAA): []}
        with NameServer(zones) as names:
            def resolve(domain):
                return self.run_program("resolve", domain, options=["dns_server=127.0.0.1:%d" % names.port])
            result = resolve("a.example")
            self.assertEqual((result.code, result.err), (0, ""))
            self.assertEqual([sorted(line.split()) for line in result.out.splitlines()[:2]],
                             [sorted("10 c.example 192.0.2.3 192.0.2.4 2001:db8::3".split()), sorted("20 b.example 192.0.2.2".split())])
            self.assertTrue(result.out.splitlines()[2].startswith("30 none.example ("), result.out)
            result = resolve("d.example")
            self.assertEqual((result.code, result.out), (0, "0 d.example 192.0.2.5\n"))
            for domain, code in (("null.example", 68), ("none.example", 68), ("broken.example", 75)):
                with self.subTest(domain):
                    self.assert_refused(resolve(domain), code, domain + ": ")


    def test_resolve_without_end(self):
        with NameServer({}) as names:
            def answer(query, number):  # always one more, behind all the others
                count = len(names.asked)
                return zone({("a.example", MX): [mx("a.example", count, "mx%d.example" % count)]})(query, number)
            names.answer = answer
            result = self.run_program("resolve", "a.example", options=["dns_server=127.0.0.1:%d" % names.port])
        self.assertEqual((result.code, len(result.out.splitlines())), (68, 100))
        self.assertIn("more than 100 mail exchangers", result.err)


class Progress(Case):
    """On a terminal, for messages over 1 MB."""

    def on_a_terminal(self, message, *words):
        path = self.write("message", message)
        ours, theirs = pty.openpty()
        with serve() as peer, open(path, "rb") as file:
            done = subprocess.run([PROGRAM, "send", "-C", "/dev/null", *FROM, *words, "ops@example.net",
                                   *(w for o in self.relay(peer) for w in ("-o", o))], stdin=file, stdout=subprocess.PIPE,
                                  stderr=theirs, timeout=30)
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:
            pass  # the terminal's other end is closed
        os.close(ours)
        self.assertEqual(done.returncode, 0)
        return said

    def test_progress(self):
        large = b"Subject: x\n\n" + b"a line of a large message\n" * 60000
        said = self.on_a_terminal(large)
        self.assertIn(b"\rsending:   ", said)
        self.assertTrue(said.endswith(b"\rsending: 100 %\r\n"), said[-60:])
        self.assertEqual(self.on_a_terminal(large, "-q"), b"")
        self.assertEqual(self.on_a_terminal(large[:900000]), b"")
