"""examples/alert, which users copy: what it says and what arrives. MSG-1 to MSG-9, MSG-20, MSG-21."""
import email
import email.policy
import email.utils
import os
import time
import unittest

import world
from cases import W
from peer import Peer, plain_server

ALERT = os.environ.get("ALERT", str(world.TOP / "build/examples/alert/alert"))


def run(*words):
    done = W.on_device(ALERT, *words)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Alert(unittest.TestCase):
    def test_by_mx_to_postfix(self):
        text = "Druck fällt: 4 °C\n.\nFrom 12:04 on\n"
        code, out, err = run("pump@example.net", "ops@postfix.example", text)
        self.assertEqual((code, err), (0, ""), out)
        self.assertTrue(out.startswith("ops@postfix.example: accepted (ok) 250 "), out)
        deadline = time.monotonic() + 15
        found = []
        while not found and time.monotonic() < deadline:
            time.sleep(0.05)
            found = [mail for mail in W.stored("postfix") if b"\nSubject: Alert\n" in mail.replace(b"\r\n", b"\n")]
        mail, = (email.message_from_bytes(mail, policy=email.policy.default) for mail in found)
        self.assertEqual([(name, mail[name]) for name in ("From", "To", "Subject", "Auto-Submitted", "Return-Path")],
                         [("From", "Pump 7 <pump@example.net>"), ("To", "Operations <ops@postfix.example>"), ("Subject", "Alert"),
                          ("Auto-Submitted", "auto-generated"), ("Return-Path", "<pump@example.net>")])
        self.assertLess(abs(email.utils.parsedate_to_datetime(mail["Date"]).timestamp() - time.time()), 60)
        self.assertTrue(mail["Message-ID"].endswith("@example.net>"))
        self.assertEqual(mail.get_content(), text)

    def test_through_a_relay(self):
        with Peer("192.0.2.13", 25, plain_server({"RCPT": "550 5.1.1 nobody"})) as peer:
            self.assertEqual(run("pump@example.net", "ops@far.example", "x", "script.example.net"),
                             (1, "ops@far.example: permanent (refused) 550 nobody\n", ""))
            self.assertIn(b"RCPT TO:<ops@far.example>", peer.lines)

    def test_refused_before_any_connection(self):
        for words, code, said in (((), 64, "usage"), (("pump", "ops@far.example", "x"), 65, "From: not a valid address"),
                                  (("pump@example.net", "ops", "x"), 65, "To: not a valid address"),
                                  (("pump@example.net", "ops@far.example", b"caf\xe9"), 65, "text: ")):
            with self.subTest(words=words):
                done = run(*words)
                self.assertEqual((done[0], done[1]), (code, ""))
                self.assertIn(said, done[2])
