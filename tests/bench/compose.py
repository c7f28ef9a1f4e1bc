#!/usr/bin/env python3
"""Instructions for each octet that is composed, and the memory it takes: usage compose.py MAILMOTE [BYTES]

callgrind counts a file of BYTES (default 3 MB) less one of 1 kB, whole program. Beside it: base64 of coreutils and openssl,
and Perl's encoder of quoted-printable (C inside). Memory is the least address space it runs in (prlimit).
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
MAILMOTE, BYTES = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3_000_000


def count(folder, words, path):
    out = folder / "callgrind"
    with open(path, "rb") as file:
        subprocess.run(["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=%s" % out, *words], stdin=file, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return max(int(n) for n in re.findall(r"^(?:summary|totals): (\d+)", out.read_text(), re.M))


def composes_within(kib, words):
    return subprocess.run(["prlimit", "--as=%d" % (kib * 1024), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def main():
    compose = [MAILMOTE, "compose", "-C", "/dev/null", "-f", "a@example.net"]
    text = ("Der Füllstand ist zu hoch, sagt Pumpe 7; bitte nachsehen.\n".encode() * (BYTES // 50))
    octets = bytes(range(256)) * (BYTES // 256 + 1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)

        def make(what, size):
            path = folder / ("%s-%d" % ("text" if what is text else "octets", size))
            path.write_bytes(what[:size].decode(errors="ignore").encode() if what is text else what[:size])
            return path
        rows = [("compose --attach (base64)", octets, lambda path: [*compose, "--attach", str(path), "b@example.net"]),
                ("base64 (coreutils)", octets, lambda path: ["base64", str(path)]),
                ("openssl base64", octets, lambda path: ["openssl", "base64", "-in", str(path)]),
                ("compose --text - (quoted-printable, scanned before)", text, lambda path: [*compose, "--text", "-", "b@example.net"]),
                ("Perl, MIME::QuotedPrint", text, lambda path: ["perl", "-MMIME::QuotedPrint", "-0777", "-ne", "print encode_qp($_)"])]
        print("## Composing: instructions for each octet given (callgrind, whole program, %d less 1000)\n" % BYTES)
        print("| program | instructions |\n|---|---|")
        for title, what, command in rows:
            if shutil.which(command("")[0]):
                small, large = make(what, 1000), make(what, BYTES)
                print("| %s | %.2f |" % (title, (count(folder, command(large), large) - count(folder, command(small), small)) / BYTES))
        small, large = make(octets, 1000), grow(folder, 100_000_000)
        least = next(kib for kib in range(2048, 1 << 20, 256) if composes_within(kib, [*compose, "--attach", str(small), "b@example.net"]))
        print("\nMemory: the least address space that composes an attachment of 1000 bytes is %d KiB; within the same, one of 100 MB: %s." % (
            least, "composed too" if composes_within(least, [*compose, "--attach", str(large), "b@example.net"]) else "NOT composed"))
        flash(folder)


def flash(folder):
    """What a room costs an image that uses all of it; one that does not use it has none of it."""
    if not shutil.which("arm-none-eabi-gcc"):
        return
    print("\n| room, Cortex-M0+ -Os | bytes |\n|---|---|")
    for room in ("header", "compose", "dkim"):
        subprocess.run(["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb", "-Os", "-std=c99", "-fshort-enums", "--specs=picolibc.specs", "-Iinclude",
                        "-c", "library/mote_%s.c" % room, "-o", str(folder / "room.o")], check=True, cwd=TOP)
        print("| %s | %s |" % (room, subprocess.run(["arm-none-eabi-size", str(folder / "room.o")], capture_output=True, text=True).stdout.split()[6]))


def grow(folder, size):
    path = folder / "grown"
    with open(path, "wb") as file:
        file.truncate(size)
    return path


main()
