"""DKIM-1 to DKIM-8: every message of the corpus, signed, is accepted by python3-dkim and by opendkim."""
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "mailmote"))
import signing  # noqa: E402
from corpus import MAILS, words  # noqa: E402
from program import PROGRAM, Case  # noqa: E402
from peer import Peer, plain_server  # noqa: E402  (program knows where it is)


@unittest.skipUnless(signing.python_with_dkim() or signing.opendkim(), "no verifier is installed")
class Signatures(Case):
    def setUp(self):
        super().setUp()
        self.record = signing.make_record(PROGRAM, self.folder)

    def compose(self, mail, *more):
        done = subprocess.run([PROGRAM, "compose", "-C", "/dev/null", *signing.options(self.folder), *more, *words(mail, self.folder)],
                              input=(mail.text or "").encode(), capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""), mail.name)
        return done.stdout

    def test_corpus(self):
        paths = []
        for mail in MAILS:
            path = self.folder / (mail.name + ".signed")
            path.write_bytes(self.compose(mail))
            paths.append(str(path))
        self.assertEqual(signing.verify(self.record, self.folder, paths), "")

    def test_the_verifiers_can_say_no(self):
        made = self.compose(MAILS[0])
        for name, changed in (("body", made[:-5] + b"x" + made[-4:]), ("subject", made.replace(b"Subject: ", b"Subject: x", 1)),
                              ("second-subject", made.replace(b"\r\nDate:", b"\r\nSubject: other\r\nDate:", 1))):
            path = self.folder / name
            path.write_bytes(changed)
            self.assertIn(name, signing.verify(self.record, self.folder, [str(path)]))

    def test_given_whole(self):
        """-t and --complete change the header: what is signed is what leaves, without Bcc, with what was put in front."""
        head = "From: Pump <pump@example.net>\r\nTo: ops@example.net\r\nBcc: boss@example.net,\r\n dev@example.net\r\nSubject: x\r\n"
        dated = "Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n"
        options = [option for option in signing.options(self.folder) if option != "-o"]
        paths = []
        for ends in ("\r\n", "\n"):
            for words, text in ((("-t",), head + dated), (("-t", "--complete"), head), (("--complete", "ops@example.net"),
                                                                                     "To: ops@example.net\r\nSubject: x\r\n")):
                with Peer("127.0.0.1", 0, plain_server()) as peer:
                    result = self.run_program("send", "-f", "pump@example.net", *words, options=self.relay(peer, *options),
                                              stdin=(text + "\r\nwords\r\n.\r\n \r\n\r\n").replace("\r\n", ends).encode())
                    self.assertEqual((result.code, result.err), (0, ""))
                    mail = peer.conversations[0].mails[0].replace(b"\r\n.", b"\r\n")  # undotted
                    self.assertEqual(sum(line.startswith(b"RCPT") for line in peer.lines), 3 if "-t" in words else 1)
                self.assertTrue(mail.startswith(b"DKIM-Signature: "), mail)
                self.assertNotIn(b"Bcc", mail)
                self.assertNotIn(b"boss", mail)
                paths.append(self.write("mail-%d" % len(paths), mail))
        self.assertEqual(signing.verify(self.record, self.folder, paths), "")

    def test_key_that_cannot_be_written(self):
        """Nothing is left that would be taken for the key the next time."""
        path = self.folder / "new.pem"
        words = [PROGRAM, "dkim-key", "-C", "/dev/null", "-o", "dkim_domain=example.net", "-o", "dkim_selector=s1", "-o", "dkim_key_file=%s" % path]
        done = subprocess.run(["sh", "-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh", *words], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (78, ""))
        self.assertIn("dkim_key_file: '%s': " % path, done.stderr)
        self.assertFalse(path.exists())
        self.assertEqual(subprocess.run(words, capture_output=True, timeout=60).returncode, 0)

    def test_key(self):
        """The record stays the same; the key is its owner's alone."""
        self.assertEqual(signing.make_record(PROGRAM, self.folder), self.record)
        key = self.folder / "dkim.pem"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        key.chmod(0o644)
        options = [option for option in signing.options(self.folder) if option != "-o"]
        good = ["-f", "pump@example.net", "--text", "x", "ops@example.net"]
        self.assert_refused(self.run_program("compose", *good, options=options), 78, "chmod 600")
        key.chmod(0o600)
        self.assertEqual(self.run_program("compose", *good, options=options).code, 0)
        key.write_bytes(b"no key")
        self.assert_refused(self.run_program("compose", *good, options=options), 78, "RSA")
        self.assert_refused(self.run_program("compose", *good, options=options[:2]), 78, "all three")
