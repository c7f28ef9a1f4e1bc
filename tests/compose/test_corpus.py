"""What is composed is read by others as what was given: Python's email package and notmuch (GMime).

MSG-1, MSG-5 to MSG-8, MSG-11 to MSG-17, MSG-19, MSG-22 to MSG-35.
"""
import email
import email.header
import email.policy
import email.utils
import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "mailmote"))
from corpus import MAILS, split, words  # noqa: E402
from program import Case  # noqa: E402


def lf(text):
    return text.replace("\r\n", "\n")


def text_of(mail, arrived, given):
    """A text as it arrives: LF, and where it stands alone its last line has an end."""
    given = lf(given)
    is_alone = sum(part is not None for part in (mail.text, mail.html)) + len(mail.inlines) + len(mail.attachments) == 1
    return given + "\n" if is_alone and given and not given.endswith("\n") else given


def decode(words):
    return str(email.header.make_header(email.header.decode_header(words.replace("\r\n", ""))))


def leaves(message):
    return [part for part in message.walk() if not part.is_multipart()]


class Corpus(Case):
    made = {}  # composed once for all tests

    def setUp(self):
        super().setUp()
        for mail in MAILS if not self.made else ():
            options = words(mail, self.folder)
            result = subprocess.run([self.program(), "compose", "-C", "/dev/null", *options], input=(mail.text or "").encode(),
                                    capture_output=True, timeout=60)
            self.assertEqual((result.returncode, result.stderr), (0, b""), mail.name)
            self.made[mail.name] = result.stdout

    @staticmethod
    def program():
        import program
        return program.PROGRAM

    def test_lines(self):
        """7-bit, CRLF, no NUL; 78 octets a line, and more only where there is a single word that nothing can fold."""
        for mail in MAILS:
            with self.subTest(mail=mail.name):
                made = self.made[mail.name]
                self.assertTrue(made.endswith(b"\r\n"))
                self.assertNotRegex(made[:1_000_000], rb"[\x80-\xff\0]")
                for line in made[:-2].split(b"\r\n"):
                    self.assertFalse(b"\r" in line or b"\n" in line)
                    self.assertTrue(len(line) <= 78 or (len(line) <= 998 and b" " not in line.strip(b" ")), line)

    def test_python(self):
        for mail in MAILS:
            with self.subTest(mail=mail.name):
                message = email.message_from_bytes(self.made[mail.name], policy=email.policy.default)
                legacy = email.message_from_bytes(self.made[mail.name])  # the new policy puts spaces between encoded-words of names
                self.assertEqual([d for part in message.walk() for d in part.defects], [])
                self.assertEqual(message["Subject"], mail.subject)
                self.assertEqual(message["Subject"].defects, ())
                for name, people in (("From", [mail.sender]), ("To", mail.to), ("Cc", mail.cc)):
                    if "=?" in legacy.get(name, ""):
                        got = [(decode(n), a) for n, a in email.utils.getaddresses([legacy[name]])]
                    else:
                        got = [(a.display_name, a.addr_spec) for a in message[name].addresses] if message[name] else []
                    self.assertEqual(got, [split(person) for person in people])
                for name in set(message.keys()):
                    self.assertEqual(len(message.get_all(name)), 1, name)
                self.assertLess(abs(message["Date"].datetime.timestamp() - __import__("time").time()), 100)
                self.assertEqual(message["Auto-Submitted"], "auto-generated")
                for field in mail.fields:
                    name, value = field.split(": ", 1)
                    self.assertEqual(message[name], value)
                if mail.thread:
                    self.assertEqual(message["References"], message["In-Reply-To"])
                    self.assertIn(mail.thread.strip("<>"), message["References"])
                parts = leaves(message)
                for subtype, given in (("plain", mail.text), ("html", mail.html)):
                    if given is None:
                        continue
                    part = parts.pop(0)
                    self.assertEqual(part.get_content_type(), "text/" + subtype)
                    self.assertEqual(lf(part.get_payload(decode=True).decode(part.get_content_charset())), text_of(mail, part, given))
                    self.assertEqual(part.get_content_charset() == "us-ascii", given.isascii())
                for disposition, files in (("inline", mail.inlines), ("attachment", mail.attachments)):
                    for name, content in files:
                        part = parts.pop(0)
                        self.assertEqual(part.get_content_disposition(), disposition)
                        self.assertEqual(part.get_filename(), name)
                        self.assertEqual(part.get_payload(decode=True), content)
                        if disposition == "inline":
                            self.assertEqual(part["Content-ID"], "<%s>" % name)
                self.assertEqual(parts, [])

    def notmuch(self, *words):
        done = subprocess.run(["notmuch", "--config=" + str(self.folder / "notmuch"), *words], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @unittest.skipUnless(shutil.which("notmuch"), "notmuch is not installed")
    def test_notmuch(self):
        box = self.folder / "box"
        for name in ("cur", "new", "tmp"):
            (box / name).mkdir(parents=True)
        for mail in MAILS:
            (box / "cur" / (mail.name + ":2,")).write_bytes(self.made[mail.name].replace(b"\r\n", b"\n"))
        (self.folder / "notmuch").write_text("[database]\npath=%s\n[user]\nname=x\nprimary_email=x@example.net\n[search]\nexclude_tags=\n" % box)
        self.notmuch("new")
        for mail in MAILS:
            with self.subTest(mail=mail.name):
                mark = re.search(rb"^Message-ID: <([^>]*)>", self.made[mail.name], re.M).group(1).decode()
                shown = json.loads(self.notmuch("show", "--format=json", "--include-html", "--entire-thread=false", "id:" + mark))
                while isinstance(shown, list):
                    shown = next(item for item in shown if item)
                self.assertEqual(shown["headers"]["Subject"].strip(), mail.subject.strip())
                self.assertEqual([a for _, a in email.utils.getaddresses([shown["headers"]["To"]])], [split(p)[1] for p in mail.to])
                flat, left = [], list(shown["body"])
                while left:
                    part = left.pop(0)
                    if part["content-type"].startswith("multipart/"):
                        left = part["content"] + left
                    else:
                        flat.append(part)
                for given in (mail.text, mail.html):
                    if given is not None:
                        raw = self.notmuch("show", "--format=raw", "--part=%d" % flat.pop(0)["id"], "id:" + mark)
                        self.assertEqual(lf(raw.decode()), text_of(mail, None, given))
                for name, content in (*mail.inlines, *mail.attachments):
                    part = flat.pop(0)
                    self.assertEqual(part["filename"], name)
                    self.assertEqual(self.notmuch("show", "--format=raw", "--part=%d" % part["id"], "id:" + mark), content)
                self.assertEqual(flat, [])


class Refusals(Case):
    """MSG-11, MSG-17, MSG-35: each with the name of the field, or the option as it was given."""

    def test_refused(self):
        good = ["-f", "pump@example.net", "--text", "x"]
        latin = self.write("latin.txt", b"caf\xe9\n")
        for words_, said in (
                (["--subject", "a\nBcc: x@example.net"], "Subject"), (["--subject", "a\rb"], "Subject"), (["--subject", b"caf\xe9"], "Subject"),
                (["--cc", "A\nB <x@example.net>"], "Cc"), (["--cc", "no address"], "Cc"), (["--header", "X: a\n b"], "--header 'X: a? b'"),
                (["--header", "Bcc: x@example.net"], "field"), (["--header", "Content-Type: x"], "field"), (["--header", "X Y: z"], "field"),
                (["--thread", "a b"], "--thread 'a b'"), (["--html", latin], "HTML")):
            with self.subTest(words=words_):
                self.assert_refused(self.run_program("compose", *good, *words_, "ops@example.net"), 65, said)
                self.assert_refused(self.run_program("send", *good, *words_, "ops@example.net", options=["relay=127.0.0.1:1"]), 65, said)
        self.assert_refused(self.run_program("compose", *good, "ops"), 65, "To")
        self.assert_refused(self.run_program("compose", *good, "--attach", "/nonexistent", "ops@example.net"), 66, "/nonexistent")
        self.assert_refused(self.run_program("compose", *good, "--attach", "/", "ops@example.net"), 66, "directory")
        self.assert_refused(self.run_program("compose", "-f", "pump@example.net", "--subject", "x", "ops@example.net"), 64, "--text")
        self.assert_refused(self.run_program("compose", *good), 64, "no recipient")
        self.assert_refused(self.run_program("check", "--subject", "x", "ops@example.net"), 64, "--subject")
