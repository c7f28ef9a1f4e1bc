"""Runs the program, and tells what came of it."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "world"))

PROGRAM = os.environ["MAILMOTE"]
SECRET = "tap & \"drum\" 9"


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Case(unittest.TestCase):
    """A folder of its own, which is also the user's home; no configuration but what a test writes."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mailmote-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text, mode=0o600):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return str(path)

    def run_program(self, *words, stdin=b"Subject: x\n\nx\n", options=(), config="/dev/null", env=()):
        """config None: none is named, and the default places are looked at."""
        words = [PROGRAM, *words[:1], *(["-C", config] if config else []), *(w for o in options for w in ("-o", o)), *words[1:]]
        environment = {name: value for name, value in os.environ.items() if name not in ("MAILMOTE_CONFIG", "POSIXLY_CORRECT")}
        environment.update({"HOME": str(self.folder), "LC_ALL": "C"}, **dict(env))
        done = subprocess.run(words, capture_output=True, timeout=30, env=environment,
                              **({"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}))
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def assert_refused(self, result, code, *words):
        """Refused before anything was done: nothing on stdout, and the words on stderr."""
        self.assertEqual((result.code, result.out), (code, ""), result.err)
        for word in words:
            self.assertIn(word, result.err)

    def relay(self, peer, *more):
        return ["relay=127.0.0.1:%d" % peer.socket.getsockname()[1], "relay_tls=none", "hello_name=pump.example.net", *more]
