"""A key, its record, and other people's verifiers: python3-dkim and opendkim."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
UNPACKED = HERE.parent.parent / "build/world/root/opendkim"  # by scripts/setup --world


def options(folder):
    return ["-o", "dkim_domain=example.net", "-o", "dkim_selector=s1", "-o", "dkim_key_file=%s" % (folder / "dkim.pem")]


def make_record(program, folder):
    """Makes the key, the first time; gives the text of its TXT record."""
    out = subprocess.run([program, "dkim-key", "-C", "/dev/null", *options(folder)], check=True, capture_output=True, text=True).stdout
    assert out.startswith("s1._domainkey.example.net. IN TXT ("), out
    return "".join(re.findall(r'"([^"]*)"', out))


def python_with_dkim():
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import dkim"], capture_output=True).returncode == 0:
            return python
    return None


def opendkim():
    """The command and its environment, or None."""
    if (UNPACKED / "usr/sbin/opendkim").exists():
        folders = [str(UNPACKED / "usr/lib"), *map(str, (UNPACKED / "usr/lib").glob("*-linux-gnu"))]
        return str(UNPACKED / "usr/sbin/opendkim"), dict(os.environ, LD_LIBRARY_PATH=":".join(folders))
    found = shutil.which("opendkim", path=os.environ["PATH"] + ":/usr/sbin")
    return (found, dict(os.environ)) if found else None


def verify(record, folder, paths):
    """What either verifier does not accept, as text; empty: all hold."""
    said = ""
    python = python_with_dkim()
    if python:
        done = subprocess.run([python, HERE / "verify.py", record, *paths], capture_output=True, text=True)
        said += done.stdout + done.stderr
    verifier = opendkim()
    if verifier:
        (folder / "records").write_text("s1._domainkey.example.net %s\n" % record)
        (folder / "opendkim.conf").write_text("Mode v\nTestDNSData file:%s\nSyslog no\n" % (folder / "records"))
        for path in paths:
            done = subprocess.run([verifier[0], "-x", folder / "opendkim.conf", "-t", path], env=verifier[1], capture_output=True, text=True)
            if "succeeded" not in done.stdout + done.stderr:
                said += "%s: opendkim: %s\n" % (path, done.stdout + done.stderr)
    return said
