"""Relays with TLS and a password: conformance 8 and 10."""
import unittest

import world
from cases import EXIM_465, EXIM_587, POSTFIX_465, POSTFIX_587, W, head, secret, send
from peer import Peer, plain_server


class Submission(unittest.TestCase):
    """A relay with TLS and a password: Exim, and a scripted one for its misdeeds. Conformance 8 and 10."""

    def test_login(self):  # AUTH-17
        code, out, err = send(head("login") + b"x\n", "ops@a.example", options=EXIM_587 + secret() + ["relay_auth=login"],
                              words=["-v"])
        self.assertEqual(code, 0, out + err)
        self.assertIn("C: AUTH LOGIN", err)

    def test_secrets_are_not_shown(self):  # SEC-8
        code, out, err = send(head("secret") + b"x\n", "ops@a.example", options=EXIM_465 + secret(), words=["-v"])
        self.assertEqual(code, 0, out + err)
        self.assertIn("AUTH PLAIN ***", err)
        self.assertIn("C: MAIL FROM:<pump@example.net>", err)  # in the same flight, and no secret
        for form in (world.PASSWORD, "dGFwICYg", "cHVtcEBleGFtcGxlLm5ldAB0YXAg"):
            self.assertNotIn(form, out + err)

    def test_wrong_password_is_held(self):  # AUTH-12
        code, out, err = send(head("wrong") + b"x\n", "ops@a.example", options=EXIM_587 + secret("wrong"))
        self.assertEqual(code, 77, out + err)
        self.assertIn("held", out)

    def test_no_credentials_is_held(self):  # AUTH-15
        code, out, _ = send(head("none") + b"x\n", "ops@a.example",
                            options=["relay=smtp.example.net:587", "ca_file=" + W.ca])
        self.assertEqual(code, 77, out)
        self.assertIn("530", out)

    def test_wrong_name_in_certificate(self):  # TLS-13, S2, S2v
        code, out, _ = send(head("name") + b"x\n", "ops@a.example",
                            options=["relay=other.example.net", "relay_user=" + world.USER] + secret())
        self.assertEqual(code, 75, out)
        self.assertIn("certificate", out)

    def test_unknown_ca(self):  # TLS-12
        options = [option for option in secret() if not option.startswith("ca_file")]
        code, out, _ = send(head("ca") + b"x\n", "ops@a.example",
                            options=EXIM_465 + options + ["ca_file=%s/stranger.pem" % W.certificates])
        self.assertEqual(code, 75, out)
        self.assertIn("certificate", out)

    def test_verification_overridden(self):
        code, out, _ = send(head("override") + b"x\n", "ops@a.example",
                            options=["relay=other.example.net", "relay_user=" + world.USER, "relay_tls_verify=no",
                                     "allow_plaintext_auth=yes"] + secret())
        self.assertEqual(code, 0, out)

    def relay(self, talk, code, more=(), port=587):
        with Peer("192.0.2.13", port, talk) as peer:
            got, out, err = send(head("script") + b"x\n", "ops@a.example",
                                 options=["relay=script.example.net:%d" % port, "relay_user=" + world.USER, *secret(), *more])
            self.assertEqual(got, code, out + err)
            return peer, out

    def test_expired_certificate(self):  # TLS-12
        old = W.make_certificate("old", "DNS:script.example.net", dates=("20200101000000Z", "20210101000000Z"))
        _, out = self.relay(plain_server(extensions=["STARTTLS", "AUTH PLAIN"], certificate=old), 75)
        self.assertIn("expired", out)

    def test_starttls_stripped(self):  # TLS-4
        peer, out = self.relay(plain_server(extensions=["PIPELINING", "AUTH PLAIN"]), 75)
        self.assertEqual([line.split(b" ")[0] for line in peer.lines], [b"EHLO", b"QUIT"])
        self.assertIn("TLS is required", out)

    def test_response_injected_behind_starttls(self):  # TLS-5
        def talk(it):
            it.say("220 hello\n")
            it.hear()
            it.say("250-script\n250 STARTTLS\n")
            it.hear()
            it.say("220 go\n250 injected\n")
            it.hear()
        peer, _ = self.relay(talk, 75)
        self.assertEqual(len(peer.lines), 2)

    def test_certificate_good_and_auth_lost(self):  # AUTH-3
        good = W.make_certificate("script", "DNS:script.example.net")
        peer, out = self.relay(plain_server(extensions=["STARTTLS"], certificate=good), 77)
        self.assertNotIn(b"MAIL", [line[:4] for line in peer.lines])

    def test_tls_cut_before_the_final_reply(self):  # TLS-28: in doubt
        good = W.make_certificate("script", "DNS:script.example.net")

        def vanish(it, line):
            it.say("354 go\n")
            it.hear_content()
            raise EOFError
        _, out = self.relay(plain_server({"DATA": vanish, "AUTH": "235 ok"}, ["STARTTLS", "AUTH PLAIN", "PIPELINING"], good), 75)
        self.assertIn("in doubt", out)
