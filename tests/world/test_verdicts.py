"""Each recipient its own verdict; what comes of each way a server can behave: conformance 5 and 7."""
import json
import time
import unittest

from cases import W, head, send, wait_for_mail
from peer import Peer, plain_server


def close(it, _line):
    raise EOFError


def reset(it, _line):
    it.reset()
    raise EOFError


def heard_some_then(end):
    """354, a part of the content, and then something else."""
    def data(it, line):
        it.say("354 go\n")
        it.hear()
        return end(it, line)
    return data


def slowly(text):
    def say(it, _line):
        for letter in text + "\n":
            it.say(letter)
            time.sleep(0.002)
        return ""
    return say


BIG = head("big") + b"a line of a mail that fills more than what any buffer between us holds\n" * 20000
LONG = "x" * 100000

# name, replies, exit code, words of the report
WAYS = [
    # what a greeting may be
    ("many lines of greeting", {"greeting": "220-script\n220-is\n220 here"}, 0, "accepted"),
    ("a bare code", {"greeting": "220", "MAIL": "250", "RCPT": "250", "DATA": "354", "final": "250"}, 0, "accepted"),
    ("a greeting of one octet at a time", {"greeting": slowly("220-script\n220 here")}, 0, "accepted"),
    ("closes at once", {"greeting": close}, 75, "transient"),
    ("resets at once", {"greeting": reset}, 75, "transient"),
    ("greets with 421", {"greeting": "421 4.3.2 closing"}, 75, "421 4.3.2 closing"),
    ("greets with 521", {"greeting": "521 no mail here"}, 75, "521 no mail here"),
    ("greets as HTTP", {"greeting": "HTTP/1.1 400 Bad Request"}, 75, "transient"),
    ("greets with 354", {"greeting": "354 go"}, 75, "transient"),
    ("a line of 100 kB", {"greeting": "220 " + LONG}, 75, "transient"),
    ("a greeting without end", {"greeting": "220-x\n" * 10000 + "220 x"}, 75, "transient"),
    # EHLO
    ("EHLO unknown", {"EHLO": "502 5.5.1 what"}, 0, "accepted"),
    ("EHLO refused", {"EHLO": "550 5.7.1 not you"}, 75, "transient"),
    ("a keyword as its name", {"EHLO": "250-STARTTLS\n250 8BITMIME"}, 0, "accepted"),
    ("unknown keywords", {"EHLO": "250-script\n250-X-FOO bar\n250-SIZEX 1\n250 8bitmime"}, 0, "accepted"),
    ("keywords without end", {"EHLO": "250-X\n" * 10000 + "250 8BITMIME"}, 75, "transient"),
    ("two codes in one reply", {"EHLO": "250-script\n550 no"}, 75, "transient"),
    ("EHLO then closes", {"EHLO": close}, 75, "transient"),
    # MAIL and RCPT
    ("MAIL later", {"MAIL": "451 4.3.0 later"}, 75, "451 4.3.0 later"),
    ("MAIL never", {"MAIL": "550 5.7.1 not from you"}, 69, "550 5.7.1 not from you"),
    ("MAIL with 354", {"MAIL": "354 go"}, 75, "transient"),
    ("MAIL with 150", {"MAIL": "150 hm"}, 75, "transient"),
    ("MAIL with 999", {"MAIL": "999 hm"}, 75, "transient"),
    ("MAIL with 421", {"MAIL": "421 4.3.2 closing"}, 75, "421 4.3.2 closing"),
    ("MAIL then resets", {"MAIL": reset}, 75, "transient"),
    ("RCPT with 251", {"RCPT": "251 will forward to <other@example.org>"}, 0, "accepted"),
    ("RCPT with 252", {"RCPT": "252 cannot tell"}, 0, "accepted"),
    ("RCPT with 259", {"RCPT": "259 what is this"}, 0, "accepted"),
    ("RCPT in many lines", {"RCPT": "250-well\n250-yes\n250 ok"}, 0, "accepted"),
    ("RCPT with 450", {"RCPT": "450 4.2.0 greylisted"}, 75, "450 4.2.0 greylisted"),
    ("RCPT with 499", {"RCPT": "499 what is this"}, 75, "499 what is this"),
    ("RCPT with 552 of full mailbox", {"RCPT": "552 5.2.2 mailbox full"}, 69, "552 5.2.2 mailbox full"),
    ("RCPT with 550, no enhanced code", {"RCPT": "550 nobody"}, 67, "550 nobody"),
    ("RCPT with 550 of policy", {"RCPT": "550 5.7.1 blocked"}, 69, "550 5.7.1 blocked"),
    ("RCPT with 421", {"RCPT": "421 4.3.2 closing"}, 75, "421 4.3.2 closing"),
    ("one reply too many", {"RCPT": "250 ok\n250 ok again\n250 and again\n250 and again"}, 75, "transient"),
    # DATA
    ("DATA later", {"DATA": "451 4.3.0 later"}, 75, "451 4.3.0 later"),
    ("DATA never", {"DATA": "554 5.7.1 no"}, 69, "554 5.7.1 no"),
    ("DATA with 250", {"DATA": "250 ok"}, 75, "transient"),
    ("DATA then closes", {"DATA": close}, 75, "transient"),
    # the end of data
    ("the end with 452", {"final": "452 4.3.1 disk full"}, 75, "452 4.3.1 disk full"),
    ("the end with 552", {"final": "552 5.3.4 too big"}, 69, "552 5.3.4 too big"),
    ("the end with 550", {"final": "550 5.1.1 nobody after all"}, 67, "550 5.1.1 nobody after all"),
    ("the end with 421", {"final": "421 4.3.2 closing"}, 75, "421 4.3.2 closing"),
    ("the end in many lines", {"final": "250-well\n250-yes\n250 2.0.0 ok"}, 0, "accepted"),
    ("the end with 354", {"final": "354 more"}, 75, "in doubt"),
    ("the end as nonsense", {"final": "fine, thanks"}, 75, "in doubt"),
    ("the end then closes", {"final": close}, 75, "in doubt"),
    ("the end then resets", {"final": reset}, 75, "in doubt"),
    # QUIT changes nothing
    ("QUIT with 500", {"QUIT": "500 no"}, 0, "accepted"),
    ("QUIT then resets", {"QUIT": reset}, 0, "accepted"),
    ("QUIT in silence", {"QUIT": lambda it, line: ""}, 0, "accepted"),
]


class Ways(unittest.TestCase):
    """What a server can do, and what comes of it: conformance table 7."""

    def test_ways(self):
        for name, replies, code, words in WAYS:
            with self.subTest(name), Peer("192.0.2.13", 25, plain_server(replies)) as peer:
                got, out, err = send(head("way") + b"x\n", "ops@script.example")
                self.assertEqual((got, err), (code, ""), out)
                self.assertIn(words, out)
                self.assertLess(len(out), 1000)
                taken = [mail for conversation in peer.conversations for mail in conversation.mails if mail]
                if "final" not in replies:
                    self.assertEqual(len(taken), 1 if code == 0 else 0)

    def test_content_that_is_interrupted(self):  # SMTP-55: nothing is in doubt, since the end never left
        for name, data, code, words in (("closes", heard_some_then(close), 75, "transient"),
                                        ("resets", heard_some_then(reset), 75, "transient"),
                                        ("552", heard_some_then(lambda it, line: "552 5.3.4 enough"), 69, "552 5.3.4 enough"),
                                        ("451", heard_some_then(lambda it, line: "451 4.3.0 enough"), 75, "451 4.3.0 enough")):
            def then_close(it, line, data=data):
                answer = data(it, line)
                it.say(answer + "\n")
                time.sleep(0.3)
                raise EOFError
            with self.subTest(name), Peer("192.0.2.13", 25, plain_server({"DATA": then_close})):
                got, out, err = send(BIG, "ops@script.example")
                self.assertEqual((got, err), (code, ""), out)
                self.assertIn(words, out)

    def test_server_that_says_nothing(self):  # SMTP-58
        for verb in ("greeting", "EHLO", "MAIL", "RCPT", "DATA"):
            with self.subTest(verb), Peer("192.0.2.13", 25, plain_server({verb: lambda it, line: time.sleep(3) or ""})):
                begun = time.monotonic()
                got, out, _ = send(head("silent") + b"x\n", "ops@script.example", options=["command_timeout=1"])
                self.assertEqual(got, 75, out)
                self.assertIn("transient", out)
                self.assertLess(time.monotonic() - begun, 2.5)


class Verdicts(unittest.TestCase):
    """Each recipient its own; what came of each way a server can behave."""

    def test_mixed_recipients(self):  # SMTP-36
        code, out, _ = send(head("mixed") + b"x\n", "ops@exim.example", "nobody@exim.example", "later@exim.example",
                            "ops@null.example", words=["--json"])
        self.assertEqual(code, 75, out)
        verdicts = [json.loads(line)["verdict"] for line in out.splitlines()]
        self.assertEqual(verdicts, ["accepted", "permanent", "transient", "permanent"])
        self.assertEqual(len(wait_for_mail("exim", "mixed")), 1)

    def test_no_such_user(self):
        code, out, _ = send(head("user") + b"x\n", "nobody@exim.example")
        self.assertEqual(code, 67, out)
        self.assertIn("550 5.1.1 No such user here", out)

    def test_several_domains(self):
        code, out, _ = send(head("several") + b"x\n", "ops@exim.example", "ops@postfix.example", "ops@EXIM.example")
        self.assertEqual(code, 0, out)
        self.assertEqual(out.count("accepted"), 3)
        wait_for_mail("postfix", "several")
        time.sleep(0.3)
        self.assertEqual(len(wait_for_mail("exim", "several")), 1)  # MX-31: one copy

    def peer(self, replies, code, words, recipients=("ops@script.example",), **more):
        with Peer("192.0.2.13", 25, plain_server(replies, **more)) as peer:
            got, out, _ = send(head("peer") + b"x\n", *recipients)
            self.assertEqual(got, code, out)
            self.assertIn(words, out)
            return peer

    def test_takes_the_mail_and_closes(self):  # SMTP-45
        def take(it, line):
            it.say("354 go\n")
            it.hear_content()
            raise EOFError
        self.peer({"DATA": take}, 75, "in doubt")

    def test_takes_the_mail_and_resets(self):
        def take(it, line):
            it.say("354 go\n")
            it.hear_content()
            it.reset()
            raise EOFError
        self.peer({"DATA": take}, 75, "in doubt")

    def test_greylisting(self):
        self.peer({"RCPT": "450 4.2.0 later"}, 75, "450 4.2.0 later")

    def test_final_refusal(self):  # SMTP-44
        self.peer({"final": "554 5.7.1 spam"}, 69, "554 5.7.1 spam")

    def test_too_large_for_the_server(self):  # EXT-9
        peer = self.peer({}, 69, "too large", extensions=["SIZE 20"])
        self.assertNotIn(b"MAIL", [line[:4] for line in peer.lines])

    def test_no_8bitmime(self):  # SMTP-53
        with Peer("192.0.2.13", 25, plain_server(extensions=[])) as peer:
            code, out, _ = send("Subject: x\n\nGröße\n".encode(), "ops@script.example")
            self.assertEqual(code, 69, out)
            self.assertNotIn(b"MAIL", [line[:4] for line in peer.lines])

    def test_not_smtp_at_all(self):  # SEC-11
        def talk(it):
            it.say("SSH-2.0-OpenSSH_9.2\n")
            it.hear()
        with Peer("192.0.2.13", 25, talk) as peer:
            code, out, _ = send(head("ssh") + b"x\n", "ops@script.example")
            self.assertEqual(code, 75, out)
            self.assertEqual(peer.lines, [])

    def test_control_octets_in_replies(self):  # SEC-7
        self.peer({"RCPT": "550 5.1.1 \x1b[31mred %n"}, 67, "550 5.1.1 ?[31mred %n")

    def test_452_leaves_some_over(self):  # SMTP-39
        counts = []

        def rcpt(it, line):
            counts.append(line)
            return "452 4.5.3 too many" if len(counts) in (3, 4) else "250 ok"
        peer = self.peer({"RCPT": rcpt}, 0, "accepted", recipients=["r%d@script.example" % i for i in range(4)])
        self.assertEqual(len(peer.conversations), 1)
        self.assertEqual(len(peer.conversations[0].mails), 2)

    def test_tarpit_ends_in_time(self):  # SMTP-59
        def talk(it):
            it.say("220-slow\n")
            for _ in range(100):
                it.say("220-slower\n")
                time.sleep(0.5)
        with Peer("192.0.2.13", 25, talk):
            begun = time.monotonic()
            code, out, _ = send(head("tar") + b"x\n", "ops@script.example", options=["command_timeout=2"])
            self.assertEqual(code, 75, out)
            self.assertLess(time.monotonic() - begun, 6)

    def test_total_timeout(self):
        def talk(it):
            time.sleep(10)
        with Peer("192.0.2.13", 25, talk):
            begun = time.monotonic()
            code, out, _ = send(head("total") + b"x\n", "ops@script.example", options=["total_timeout=2"])
            self.assertEqual(code, 75, out)
            self.assertLess(time.monotonic() - begun, 4)
