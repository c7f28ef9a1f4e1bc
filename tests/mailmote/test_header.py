"""The header of a message given whole: what is refused, who is in it (-t), what is put in front of it (--complete)."""
import email.utils
import json
import re
import time

from peer import Peer, plain_server
from program import Case

SENDER = ("-f", "pump@example.net")
NOWHERE = ["relay=127.0.0.1:1", "relay_tls=none"]


class Header(Case):
    """MSG-39, SMTP-57: refused with line and reason, never repaired."""

    WRONG = [
        ("words alone\n", 1, "--text -"),
        ("From pump@example.net Tue Nov 24 15:00:00 2026\nSubject: x\n\nx\n", 1, "no field"),
        ("Subject: x\nwords\n\nx\n", 2, "no field"),
        ("Subject : x\n\nx\n", 1, "no field"),
        (": x\n\n", 1, "no field"),
        (" Subject: x\n\n", 1, "no field"),
        ("Subject: x\n \t\nTo: y\n\n", 2, "white space alone"),
        ("Subject: x\r\n \r\n\r\n", 2, "white space alone"),
        ("Subject: a\n folded\n line\nSubj\u00e9ct: y\n\n", 4, "ASCII"),
        ("Subject: Gr\u00f6\u00dfe\n\nx\n", 1, "RFC 2047"),
        ("Subject: x\n y\x1b[31m\n\nx\n", 2, "control character"),
        ("Subject: x\n\x7f: y\n\nx\n", 2, "control character"),
        ("Return-Path: <a@example.net>\nSubject: x\n\n", 1, "Return-Path"),
        ("Subject: x\nX: y\n z\nSUBJECT: x\n\nx\n", 4, "a second Subject; the first stands in line 1"),
        ("X: %s\n" % ("y " * 400) * 2000 + "\n", 1306, "more than a million"),
        *[("%s: a@example.net\nX: y\n%s: b@example.net\n\n" % (name, name.lower()), 3, "a second " + name)
          for name in ("Date", "From", "Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To", "References",
                       "MIME-Version")],
        ("Subject: x\nBcc: a@example.net\n\n", 2, "-t"),
        ("Resent-Bcc: a@example.net\n\n", 1, "-t"),
    ]

    def test_refused(self):
        for text, line, said in self.WRONG:
            with self.subTest(text=text[:40]):
                result = self.run_program("send", *SENDER, "ops@example.net", stdin=text.encode(), options=NOWHERE)
                self.assert_refused(result, 65, "message, line %d: " % line, said)

    def test_taken(self):
        """What is not ours to judge is sent as it is."""
        for text in (b"", b"\n", b"\nwords\n", b"Subject: x", b"Subject: x\r\n\r\n", b"Subject:\n\n", b"X:y\nX:z\n\nBcc: words\n",
                     b"Received: by a\nReceived: by b\nResent-To: c@example.net\n\n", b"From: \n\n", b"To: ;;;\n\n",
                     b"X: " + b"y" * 990 + b"\n" + b" z\n" * 20000 + b"\n\xc3\x9c\n"):
            with self.subTest(text=text[:40]), Peer("127.0.0.1", 0, plain_server()) as peer:
                result = self.run_program("send", *SENDER, "ops@example.net", stdin=text, options=self.relay(peer))
                self.assertEqual((result.code, result.err), (0, ""))
                expected = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
                expected += b"" if expected.endswith(b"\r\n") or not expected else b"\r\n"
                self.assertEqual(peer.conversations[0].mails, [expected])


class Recipients(Case):
    """-t: To, Cc and Bcc, and the operands before them. ADDR-12: what stands for the eye is never taken for an address."""

    def send(self, text, *words, peer=None, **more):
        return self.run_program("send", "-t", *SENDER, "--json", *words, stdin=text.encode(),
                                options=self.relay(peer) if peer else NOWHERE, **more)

    GOOD = [
        ("To: a@example.net", "a@example.net"),
        ("to:a@example.net,b@example.net", "a@example.net b@example.net"),
        ("To: A <a@example.net>\nCc: B\n <b@example.net>\nBcc: \"C\" <c@example.net>",
         "a@example.net b@example.net c@example.net"),
        ("To: a@example.net,\n\tb@example.net\n  ,c@example.net", "a@example.net b@example.net c@example.net"),
        ('To: "x@evil.example, " <a@example.net>', "a@example.net"),
        ('To: "x@evil.example"@example.net', '"x@evil.example"@example.net'),
        ('To: "a b"@example.net, "q\\"<x@y>\\\\" <b@example.net>', '"a b"@example.net b@example.net'),
        ('To: "folded\n name" <a@example.net>', "a@example.net"),
        ("To: (x@evil.example, (nested\\)) ) a (b) @ (c) example (d) . net (e)", "a@example.net"),
        ("To: <a . b @ example.net>", "a.b@example.net"),
        ("To: =?utf-8?Q?M=C3=BCller=2C_x=40evil?= <a@example.net>", "a@example.net"),
        ("To: J. R. Doe <a@example.net>", "a@example.net"),
        ("To: crew: a@example.net, B <b@example.net>;, c@example.net", "a@example.net b@example.net c@example.net"),
        ("To: undisclosed-recipients:;\nBcc: a@example.net", "a@example.net"),
        ("To: undisclosed-recipients: ;\nBcc: a@example.net\nX: y\nbcc: b@example.net", "a@example.net b@example.net"),
        ("To: , ,a@example.net,,\nCc:\nBcc: ", "a@example.net"),
        ("To: a@[192.0.2.1], b@[IPv6:2001:db8::1]", "a@[192.0.2.1] b@[IPv6:2001:db8::1]"),
        ("To: " + "x" * 900 + "\n <a@example.net>", "a@example.net"),
        ("Reply-To: r@example.net\nFrom: f@example.net\nSender: s@example.net\nX-To: x@example.net\nTo: a@example.net",
         "a@example.net"),
    ]

    def test_found(self):
        for header, addresses in self.GOOD:
            with self.subTest(header=header):
                result = self.send(header + "\n\nTo: nobody@example.net\n")
                self.assertEqual((result.code, result.err), (75, ""))
                self.assertEqual([json.loads(line)["address"] for line in result.out.splitlines()],
                                 re.findall(r'"[^"]*"@\S+|\S+', addresses))

    def test_beside_operands(self):
        result = self.send("To: a@example.net\n\n", "b@example.net", "c@example.net")
        self.assertEqual([json.loads(line)["address"][0] for line in result.out.splitlines()], ["b", "c", "a"])

    WRONG = [
        ("Subject: x", None, "no recipient"), ("To: undisclosed-recipients:;", None, "no recipient"),
        ("X: y\nTo: a", 2, "To: 'a': there is no @domain"), ("To: Doe, Joe <a@example.net>", 1, "'Doe': there is no @"),
        ("To: joe doe@example.net", 1, "'joe doe@example.net'"), ("To: a@example.net b@example.net", 1, "'a@example.net b@"),
        ("To: a@exam ple.net", 1, "'a@exam ple.net'"), ("To: <>", 1, "an empty address"),
        ("To: x@evil.example <a@example.net>", 1, "within quotes"),
        ("To: <a@example.net", 1, "'<' has no '>'"), ("To: a@example.net>", 1, "do not match"),
        ("To: <a@example.net> <b@example.net>", 1, "comma is missing"), ("To: <a@example.net> b", 1, "a comma is missing"),
        ("To: <a<b@example.net>>", 1, "do not match"), ('To: "a@example.net', 1, "quoted string has no end"),
        ("To: (a@example.net", 1, "a comment has no end"), ("To: (a@example.net\\)", 1, "a comment has no end"),
        ("To: a@[192.0.2.1", 1, "']'"), ("To: a@example.net; b@example.net", 1, "commas between"),
        ("To: g: a@example.net", 1, "a group has no ';'"), ("To: g: h: a@example.net;;", 1, "begins no group"),
        ("To: <a@example.net>: b@example.net;", 1, "begins no group"), ("To: g:; a@example.net", 1, "a comma is missing"),
        ("To: <@b.example,@c.example:a@example.net>", 1, "'@b.example,@c.example:a@example.net'"),
        ("To: " + "x" * 400 + "@example.net", 1, "too long"), ("To: " + "x" * 70 + "@example.net", 1, "too long"),
        ("To: a)@example.net", 1, "'a)@example.net'"), ("To: \\a@example.net", 1, "'\\a@example.net'"),
        ("Cc: a@example.net\nTo: a@localhost", 2, "full domain name"), ("To: a\nCc: b\nBcc: c", 3, "Bcc: 'c'"),
        ("To: a\nCc: b\nBcc: c", 1, "To: 'a'"), ("Resent-To: a@example.net", 1, "not clear"),
        ("To: a@example.net\nResent-Bcc: b@example.net", 2, "not clear"),
    ]

    def test_refused(self):
        for header, line, said in self.WRONG:
            with self.subTest(header=header[:60]):
                self.assert_refused(self.send(header + "\n\nx\n"), 65, "message, line %d:" % line if line else "message:", said)

    def test_operands_are_checked_too(self):
        self.assert_refused(self.send("To: a@example.net\n\n", "ops"), 65, "recipient 'ops'")

    def test_too_many(self):
        self.assert_refused(self.send("To: " + "a@b.example,\n " * 33000 + "x@b.example\nCc: " + "a@b.example,\n " * 33000 + "x@b.example\n\n"),
                            65, "message, line 33002: Cc: too many recipients")

    def test_bcc_does_not_leave(self):  # MSG-9
        for ends in ("\n", "\r\n"):
            text = ("Bcc: x@example.net\nSubject: x\nTo: a@example.net\nBCC:\n y@example.net,\n\tz@example.net\nX: y\nbcc:\n\n"
                    ".\nBcc: words\n")
            with self.subTest(ends=ends), Peer("127.0.0.1", 0, plain_server()) as peer:
                result = self.send(text.replace("\n", ends), peer=peer)
                self.assertEqual((result.code, result.err), (0, ""))
                self.assertEqual([line for line in peer.lines if line.startswith(b"RCPT")],
                                 [b"RCPT TO:<%c@example.net>" % c for c in b"xayz"])
                left = b"Subject: x\r\nTo: a@example.net\r\nX: y\r\n\r\n..\r\nBcc: words\r\n"
                self.assertEqual(peer.conversations[0].mails, [left])
                sizes = [re.search(rb"SIZE=(\d+)", line) for line in peer.lines if line.startswith(b"MAIL")]
                self.assertEqual([int(size.group(1)) for size in sizes], [len(left) - 1])  # the doubled dot is not counted

    def test_bcc_alone(self):
        for text in ("Bcc: a@example.net", "Bcc: a@example.net\n", "Bcc: a@example.net\n\n", "Bcc: a@example.net\r\n\r\nwords"):
            with self.subTest(text=text), Peer("127.0.0.1", 0, plain_server()) as peer:
                self.assertEqual(self.send(text, peer=peer).code, 0)
                self.assertNotIn(b"example.net", peer.conversations[0].mails[0])

    def test_large(self):
        body = b"".join(b"line %d of a large mail\r\n" % i for i in range(50000))
        path = self.write("large", b"To: a@example.net\nBcc: b@example.net\n\n" + body)
        for is_file in (True, False):
            with self.subTest(is_file=is_file), Peer("127.0.0.1", 0, plain_server()) as peer, open(path, "rb") as file:
                result = self.run_program("send", "-t", *SENDER, stdin=file if is_file else file.read(), options=self.relay(peer))
                self.assertEqual((result.code, result.err), (0, ""))
                self.assertEqual(peer.conversations[0].mails, [b"To: a@example.net\r\n\r\n" + body])

    def test_usage(self):
        for words in (("send", "-t", *SENDER, "--subject", "x", "--text", "y", "a@example.net"),
                      ("send", "--complete", *SENDER, "--text", "y", "a@example.net"),
                      ("check", "-t", "a@example.net"), ("compose", "-t", *SENDER, "--text", "y", "a@example.net"),
                      ("resolve", "--complete", "example.net")):
            with self.subTest(words=words):
                self.assert_refused(self.run_program(*words, options=NOWHERE), 64, "--complete" if "resolve" in words else "-t")


class Complete(Case):
    """--complete: Date, From and Message-ID, where they are missing; nothing else is touched."""

    def send(self, text, *words, sender="Pump 7 <pump@example.net>", code=0):
        with Peer("127.0.0.1", 0, plain_server()) as peer:
            result = self.run_program("send", "--complete", "-f", sender, *words, "ops@example.net", stdin=text,
                                      options=self.relay(peer))
            self.assertEqual(result.code, code, result.err)
            return peer.conversations[0].mails[0] if code == 0 else result

    def test_all_of_them(self):  # MSG-1, MSG-7
        for text in (b"Subject: x\n\nwords\n", b"Subject: x\r\n\r\nwords\r\n"):
            mail = self.send(text)
            match = re.fullmatch(rb"Date: (.*)\r\nFrom: Pump 7 <pump@example\.net>\r\nMessage-ID: <[0-9a-f]{32}@example\.net>\r\n"
                                 rb"Subject: x\r\n\r\nwords\r\n", mail)
            self.assertTrue(match, mail)
            self.assertLess(abs(email.utils.parsedate_to_datetime(match.group(1).decode()).timestamp() - time.time()), 60)
            self.assertNotEqual(self.send(text), mail)

    def test_what_is_there_stays(self):
        for text in (b"date: x\nMESSAGE-ID: <a@b>\nFrom:\n (x) b@example.org\n\n.\n",):
            self.assertEqual(self.send(text), text.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n"))
        mail = self.send(b"From: B <b@example.org>\nDate: x\n\n")
        self.assertRegex(mail, rb"^Message-ID: <[0-9a-f]{32}@example\.org>\r\nFrom: B <b@example\.org>\r\nDate: x\r\n\r\n$")
        self.assertRegex(self.send(b"From: B <b@example.org>\nDate: x\n\n", sender=""), rb"@example\.org>\r\nFrom")
        self.assertRegex(self.send(b"", sender="pump@example.net"), rb"^Date: .*\r\nFrom: pump@example\.net\r\nMessage-ID: .*\r\n$")

    def test_with_recipients(self):
        mail = self.send(b"Bcc: a@example.net\nTo: b@example.net\n\nx\n", "-t")
        self.assertRegex(mail, rb"^Date: .*\r\nFrom: .*\r\nMessage-ID: .*\r\nTo: b@example\.net\r\n\r\nx\r\n$")

    def test_refused(self):
        self.assertIn("no From", self.send(b"Subject: x\n\n", sender="", code=65).err)
        self.assertIn("no address in From", self.send(b"From: x\n\n", code=65).err)
        self.assertIn("too long", self.send(b"Subject: x\n\n", sender="x" * 3000 + " <a@example.net>", code=65).err)
