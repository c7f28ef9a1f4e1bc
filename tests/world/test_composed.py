"""Composed and signed messages travel through a real Postfix; two verifiers accept them where they arrive.

MSG-9, MSG-20, MSG-36, MSG-38, DKIM-1 to DKIM-8.
"""
import email
import email.policy
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

import world
from cases import W, send

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compose"))
import signing  # noqa: E402
from corpus import MAILS, words  # noqa: E402

PROGRAM = os.environ.get("MAILMOTE", str(world.TOP / "build/mailmote"))


def stored(marks):
    """Message-ID -> the message as Postfix has stored it, for all of these."""
    deadline = time.monotonic() + 60
    while True:
        found = {}
        for mail in W.stored("postfix"):
            match = re.search(rb"^Message-ID: (<[^>]*>)", mail, re.M)
            if match and match.group(1) in marks:
                found[match.group(1)] = mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if len(found) == len(marks) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


@unittest.skipUnless(signing.python_with_dkim() or signing.opendkim(), "no verifier is installed")
class Composed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = W.folder / "composed"
        cls.folder.mkdir()
        cls.record = signing.make_record(PROGRAM, cls.folder)

    def test_corpus_through_postfix(self):
        made = {}
        for mail in MAILS:
            done = subprocess.run([PROGRAM, "compose", "-C", "/dev/null", *signing.options(self.folder), *words(mail, self.folder)],
                                  input=(mail.text or "").encode(), capture_output=True, check=True)
            made[re.search(rb"^Message-ID: (<[^>]*>)", done.stdout, re.M).group(1)] = (mail.name, done.stdout)
            code, out, err = send(done.stdout, "ops@postfix.example")
            self.assertEqual((code, err), (0, ""), mail.name + out)
        arrived, paths = stored(set(made)), []
        self.assertEqual(len(arrived), len(made))
        for mark, (name, message) in made.items():
            self.assertTrue(arrived[mark].endswith(message), name)  # what stands before is the server's own
            paths.append(str(self.folder / (name + ".arrived")))
            pathlib.Path(paths[-1]).write_bytes(arrived[mark])
        self.assertEqual(signing.verify(self.record, self.folder, paths), "")

    def test_composed_signed_and_sent_at_once(self):
        """The size said in MAIL is the size sent, and who is in Bcc is in no field."""
        log = self.folder / "pump.log"
        log.write_bytes(b".\n..\nlog of the pump\n" * 1000)
        code, out, err = W.mailmote("send", "-f", "Pump 7 <pump@example.net>", "--subject", "Größe", "--text", "zu heiß\n.\n", "--attach", str(log),
                                    "--bcc", "dev@postfix.example", "Ops <ops@postfix.example>",
                                    options=[word for word in signing.options(self.folder) if word != "-o"])
        self.assertEqual((code, err), (0, ""), out)
        self.assertEqual(out.count("accepted"), 2)
        deadline, mails = time.monotonic() + 20, []
        while len(mails) < 2 and time.monotonic() < deadline:
            mails = [mail for user in ("ops", "dev") for mail in W.stored("postfix", user) if b"Ops <ops@postfix.example>" in mail]
            time.sleep(0.1)
        self.assertEqual(len(mails), 2)
        paths = []
        for index, mail in enumerate(mails):
            message = email.message_from_bytes(mail, policy=email.policy.default)
            self.assertEqual((message["Subject"], message["To"], message["Bcc"]), ("Größe", "Ops <ops@postfix.example>", None))
            self.assertNotIn(b"dev@postfix.example", mail[mail.index(b"\nDate:"):])
            self.assertEqual(message["Auto-Submitted"], "auto-generated")
            self.assertEqual(list(message.iter_attachments())[0].get_payload(decode=True), log.read_bytes())
            paths.append(str(self.folder / ("direct-%d" % index)))
            pathlib.Path(paths[-1]).write_bytes(mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        self.assertEqual(signing.verify(self.record, self.folder, paths), "")
