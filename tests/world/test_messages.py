"""Every message arrives byte for byte: SMTP-48 to SMTP-54, SEC-1."""
import unittest

import world
from cases import EXIM_465, EXIM_587, POSTFIX_465, POSTFIX_587, W, head, secret, send, wait_for_mail, wire_form
from peer import Peer, plain_server

MESSAGES = {
    "plain": b"A pump reports a fault.\n",
    "dots": b".\n..\n...\n.leading\nmiddle.\n\n.\n",
    "lone-dot-at-end": b"text\n.\n",
    "no-final-newline": b"last line without an end",
    "only-a-dot": b".",
    "crlf": b"already\r\nCRLF\r\n.dot\r\n",
    "mixed-line-ends": b"a\n.\r\nb\r\n.\nMAIL FROM:<evil@example.net>\n.\r\n",
    "8bit": "Temperatur 40 °C, Füllstand hoch\n".encode() + bytes(range(0x80, 0x100)) + b"\n",
    "empty-lines": b"\n\n\nend\n\n\n",
    "no-body": b"",
    "longest-line": b"x" * 998 + b"\n" + b"." + b"y" * 997 + b"\n",
    "large": b"".join(b"line %06d of a large mail, with some words in it.\n" % i for i in range(21000)),
}
BY_MX = {"postfix": (), "exim": (), "opensmtpd": ("mx_tls=none",)}  # Debian 12's OpenSMTPD cannot finish a handshake


class EveryMessageArrives(unittest.TestCase):
    def deliver(self, server, domain, options=(), names=MESSAGES):
        for name in names:
            with self.subTest(to=domain, message=name):
                mark = "%s-%s" % (self.id().split(".")[-1], name)
                message = head(mark) + MESSAGES[name]
                code, out, err = send(message, "ops@" + domain, options=options)
                self.assertEqual((code, err), (0, ""), out)
                self.assertIn("accepted", out)
                self.assertEqual(wait_for_mail(server, mark), [wire_form(message)])

    def test_by_mx_over_ipv4_to_postfix(self):
        self.deliver("postfix", "4.postfix.example", BY_MX["postfix"])

    def test_by_mx_over_ipv6_to_postfix(self):
        self.deliver("postfix", "6.postfix.example", BY_MX["postfix"])

    def test_by_mx_over_ipv4_to_exim(self):
        self.deliver("exim", "4.exim.example", BY_MX["exim"])

    def test_by_mx_over_ipv6_to_exim(self):
        self.deliver("exim", "6.exim.example", BY_MX["exim"])

    def test_by_mx_over_ipv4_to_opensmtpd(self):
        self.deliver("opensmtpd", "4.opensmtpd.example", BY_MX["opensmtpd"])

    def test_by_mx_over_ipv6_to_opensmtpd(self):
        self.deliver("opensmtpd", "6.opensmtpd.example", BY_MX["opensmtpd"])

    def test_in_clear(self):
        self.deliver("postfix", "postfix.example", ["mx_tls=none"])

    def test_by_relay_with_starttls_to_postfix(self):
        self.deliver("postfix", "far.example", POSTFIX_587 + secret())

    def test_by_relay_with_implicit_tls_to_postfix(self):
        self.deliver("postfix", "far.example", POSTFIX_465 + secret())

    def test_by_relay_with_starttls_to_exim(self):
        self.deliver("exim", "far.example", EXIM_587 + secret())

    def test_by_relay_with_implicit_tls_to_exim(self):
        self.deliver("exim", "far.example", EXIM_465 + secret())

    def test_through_the_relay_and_on_by_mx(self):
        """The whole path of a mail: the device, its provider's server, the recipient's exchanger."""
        self.deliver("exim", "exim.example", POSTFIX_587 + secret(), ["plain", "dots", "8bit", "large"])


class OnTheWire(unittest.TestCase):
    """What a server hears, octet by octet; real ones would forgive a lone LF."""

    def test_content(self):
        for name, text in MESSAGES.items():
            with self.subTest(message=name), Peer("192.0.2.13", 25, plain_server()) as peer:
                message = head(name) + text
                code, out, err = send(message, "ops@script.example")
                self.assertEqual(code, 0, out + err)
                lines = wire_form(message).split(b"\r\n")[:-1]
                doubled = [b"." + line if line.startswith(b".") else line for line in lines]
                self.assertEqual(peer.conversations[0].mails, [b"".join(line + b"\r\n" for line in doubled)])

    def test_message_without_anything(self):
        with Peer("192.0.2.13", 25, plain_server()) as peer:
            self.assertEqual(send(b"", "ops@script.example")[0], 0)
            self.assertEqual(peer.conversations[0].mails, [b""])

    def test_what_cannot_travel_is_refused_before_any_connection(self):  # SMTP-50, SMTP-51, SMTP-52
        with Peer("192.0.2.13", 25, plain_server()) as peer:
            for text in (b"a\rb\n", b"a\r", b"\r\r\n", b"a\0b\n", b"x" * 999 + b"\n", b"." * 999):
                with self.subTest(text=text[:20]):
                    code, out, err = send(head("refused") + text, "ops@script.example")
                    self.assertEqual((code, out), (65, ""), err)
                    self.assertIn("message, line 11", err)
            self.assertEqual(peer.conversations, [])

    def test_envelope(self):  # SMTP-31, SMTP-33, ADDR: what a mailbox may be
        for sender, said in (("", b"MAIL FROM:<>"), ("pump@example.net", b"MAIL FROM:<pump@example.net>"),
                             ('"a b"@example.net', b'MAIL FROM:<"a b"@example.net>')):
            with self.subTest(sender=sender), Peer("192.0.2.13", 25, plain_server()) as peer:
                code, out, err = send(head("envelope") + b"x\n", '"o>ps"@script.example', sender=sender)
                self.assertEqual(code, 0, out + err)
                mail, rcpt = [line for line in peer.lines if line[:4] in (b"MAIL", b"RCPT")]
                self.assertEqual(mail.split(b" SIZE")[0].split(b" BODY")[0], said)
                self.assertEqual(rcpt, b'RCPT TO:<"o>ps"@script.example>')

    def test_round_trips(self):  # 17b to 17d with PIPELINING: SYN and greeting stand before what is heard
        good = W.make_certificate("script", "DNS:script.example.net")
        relay = ["relay_user=" + world.USER, *secret()]
        auth = {"AUTH": "235 2.7.0 welcome"}
        offers = ["PIPELINING", "AUTH PLAIN", "8BITMIME"]
        for port, server, options, heard in (
                (25, plain_server(), [], ["EHLO", "MAIL RCPT DATA", "content QUIT"]),
                (587, plain_server(auth, [*offers, "STARTTLS"], good), ["relay=script.example.net:587", *relay],
                 ["EHLO", "STARTTLS", "EHLO", "AUTH MAIL RCPT DATA", "content QUIT"]),
                (465, plain_server(auth, offers, good, is_implicit=True), ["relay=script.example.net", *relay],
                 ["EHLO", "AUTH MAIL RCPT DATA", "content QUIT"])):
            with self.subTest(port=port), Peer("192.0.2.13", port, server) as peer:
                code, out, err = send(head("flights") + b"x\n", "ops@script.example", options=options)
                self.assertEqual(code, 0, out + err)
                self.assertEqual(peer.conversations[0].flight_count, len(heard), peer.lines)
