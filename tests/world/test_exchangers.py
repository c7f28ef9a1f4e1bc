"""The way by MX, with NSD behind Unbound: conformance 2 and 3; and TLS toward exchangers."""
import time
import unittest

from cases import W, head, send
from peer import Peer, plain_server


class TheWayByMx(unittest.TestCase):
    """Conformance 2 and 3, against NSD behind Unbound."""

    def check(self, domain, code, words, options=(), within=20):
        begun = time.monotonic()
        got, out, err = send(head("way") + b"x\n", "ops@" + domain, options=options)
        self.assertEqual((got, err), (code, ""), out)
        self.assertIn(words, out)
        self.assertLess(time.monotonic() - begun, within)
        return out

    def test_ipv6_host(self):  # MX-34
        self.check("6.postfix.example", 0, "[2001:db8::10]")

    def test_both_families(self):  # MX-14: the IPv4 address refuses
        self.check("two.example", 0, "[2001:db8::10]")

    def test_mx_that_is_an_alias(self):  # MX-18
        self.check("alias.example", 0, "accepted by mx.alias.example")

    def test_alias_at_the_domain(self):  # MX-2
        self.check("mail.moved.example", 0, "accepted by mx.postfix.example")

    def test_implicit_mx(self):  # MX-5
        self.check("implicit.example", 0, "accepted by implicit.example [192.0.2.10]")

    def test_null_mx(self):  # MX-8
        self.check("null.example", 68, "5.1.10")

    def test_no_such_domain(self):  # MX-3
        self.check("gone.example", 68, "no such domain")

    def test_mx_without_address_never_uses_the_domains_own(self):  # MX-7
        self.check("nothing.example", 68, "5.4.4")

    def test_domain_without_anything(self):  # MX-6
        self.check("bare.example", 68, "5.4.4")

    def test_mx_to_loopback(self):  # MX-21, MX-22
        self.check("loop.example", 68, "5.4.6")

    def test_mx_to_ourselves(self):  # MX-20: the preference of device.example.net and all worse ones are out
        self.check("self.example", 68, "5.4.6")

    def test_private_address(self):  # MX-23
        self.check("private.example", 68, "may not be connected to", ["refuse_private=yes"])

    def test_dead_host_then_backup(self):  # MX-14
        self.check("refused.example", 0, "accepted by mx.postfix.example")

    def test_host_without_address_then_backup(self):  # MX-16
        self.check("missing.example", 0, "accepted by mx.postfix.example")

    def test_unreachable_host_then_backup(self):
        self.check("backup.example", 0, "accepted by mx.postfix.example")

    def test_mx_set_over_tcp(self):  # DNS-34, MX-12
        self.check("large.example", 0, "accepted by mx.postfix.example")

    def test_authoritative_server_directly(self):
        self.check("postfix.example", 0, "accepted by mx.postfix.example", ["dns_server=192.0.2.53"])

    def test_all_exchangers_greet_with_554(self):  # S3: a block list passes, so it is transient
        with Peer("192.0.2.13", 25, plain_server({"greeting": "554 5.7.1 go away"})) as one, \
                Peer("192.0.2.14", 25, plain_server({"greeting": "554 5.7.1 go away"})) as two:
            self.check("scripts.example", 75, "554 5.7.1 go away")
            self.assertIn(b"QUIT", one.lines + two.lines)

    def test_second_exchanger_takes_it(self):  # MX-14
        with Peer("192.0.2.13", 25, plain_server({"greeting": "421 busy"})), \
                Peer("192.0.2.14", 25, plain_server()) as two:
            self.check("scripts.example", 0, "mx2.scripts.example")
            self.assertEqual(len(two.conversations[0].mails), 1)

    def test_refusal_does_not_go_on_to_the_next(self):  # table 7, note 5
        with Peer("192.0.2.13", 25, plain_server({"RCPT": "550 5.1.1 nobody"})), Peer("192.0.2.14", 25, plain_server()) as two:
            self.check("scripts.example", 67, "550 5.1.1 nobody")
            self.assertEqual(two.conversations, [])


class Opportunistic(unittest.TestCase):
    """TLS toward exchangers: taken where it works (RFC 7435). TLS-11, TLS-33."""

    def test_tls_is_used(self):
        code, out, err = W.mailmote("check", "ops@postfix.example")
        self.assertEqual(code, 0, out + err)
        self.assertIn("TLSv1.3", out)

    def test_broken_tls_is_left_once(self):
        def talk(it):
            it.say("220 hello\n")
            it.hear()
            it.say("250-script\n250 STARTTLS\n")
            line = it.hear()
            if line == b"STARTTLS":
                it.say("220 go\n")
                it.connection.recv(10)
                it.connection.sendall(b"this is no TLS record at all")
                return
            it.say("250 ok\n")
            it.hear()
            it.say("250 ok\n")
            it.hear()
            it.say("354 go\n")
            it.hear_content()
            it.say("250 took it\n")
            it.hear()
        with Peer("192.0.2.13", 25, talk) as peer:
            code, out, _ = send(head("broken") + b"x\n", "ops@script.example")
            self.assertEqual(code, 0, out)
            self.assertEqual(len(peer.conversations), 2)

    def test_required_never_goes_in_clear(self):  # TLS-10
        with Peer("192.0.2.13", 25, plain_server()) as peer:
            code, out, _ = send(head("required") + b"x\n", "ops@script.example", options=["mx_tls=required"])
            self.assertEqual(code, 75, out)
            self.assertNotIn(b"MAIL", [line[:4] for line in peer.lines])
