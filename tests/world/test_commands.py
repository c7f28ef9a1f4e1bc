"""The commands beside send: check and resolve."""
import unittest

from cases import EXIM_587, W, secret
from peer import Peer, plain_server


class CheckAndResolve(unittest.TestCase):
    def test_check_sends_nothing(self):
        with Peer("192.0.2.13", 25, plain_server()) as peer:
            code, out, err = W.mailmote("check", "ops@script.example")
            self.assertEqual(code, 0, out + err)
            self.assertNotIn(b"DATA", peer.lines)
            self.assertEqual(peer.lines[-1], b"QUIT")

    def test_check_through_the_relay(self):
        code, out, err = W.mailmote("check", "ops@a.example", options=EXIM_587 + secret())
        self.assertEqual(code, 0, out + err)
        self.assertIn("verified for smtp.example.net", out)

    def test_check_all(self):
        with Peer("192.0.2.13", 25, plain_server()) as one, Peer("192.0.2.14", 25, plain_server()) as two:
            code, out, err = W.mailmote("check", "--all", "ops@scripts.example")
            self.assertEqual(code, 0, out + err)
            self.assertEqual([len(one.conversations), len(two.conversations)], [1, 1])

    def test_resolve(self):
        code, out, _ = W.mailmote("resolve", "refused.example")
        self.assertEqual((code, out), (0, "10 closed.refused.example 192.0.2.19\n"
                                          "20 mx.postfix.example 192.0.2.10 2001:db8::10\n"))

    def test_resolve_null_mx(self):
        self.assertEqual(W.mailmote("resolve", "null.example")[0], 68)

    def test_resolve_implicit(self):
        code, out, err = W.mailmote("resolve", "implicit.example")
        self.assertEqual((code, out), (0, "0 implicit.example 192.0.2.10\n"))
