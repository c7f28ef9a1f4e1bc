"""DKIM-1 to DKIM-8: every message of the corpus, signed, is accepted by python3-dkim and by opendkim."""
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "mailmote"))
import signing  # noqa: E402
from corpus import MAILS, words  # noqa: E402
from program import PROGRAM, Case  # noqa: E402


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
