#!/usr/bin/env python3
"""Instructions for each body byte, of the whole program, beside curl at the same job: usage cpu.py MAILMOTE [BYTES]

callgrind counts the instructions of a mail of BYTES (default 10 MB) less those of a mail of 1 kB. The sink is the same for
both and answers on loopback. Text: CRLF lines of 78 octets, every eighth begins with a dot. Base64: lines of 76, CRLF.
"""
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

MAILMOTE, BYTES = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000


def serve(connection):
    data = connection.makefile("rb")
    say = lambda text: connection.sendall(text.encode() + b"\r\n")
    say("220 sink")
    for line in data:
        verb = line[:4].upper()
        if verb == b"EHLO":
            say("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000")
        elif verb == b"DATA":
            say("354 go")
            tail = b""
            while not tail.endswith(b"\r\n.\r\n"):
                tail = (tail + data.readline())[-5:]
            say("250 ok")
        elif verb == b"QUIT":
            say("221 bye")
            break
        else:
            say("250 ok")
    connection.close()


def listen():
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()

    def run():
        while True:
            connection, _ = sock.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
    return sock.getsockname()[1]


def make(folder, kind, size):
    head = "From: a@example.net\r\nTo: b@example.net\r\nSubject: bench\r\n\r\n"
    text = "the quick brown fox jumps over the lazy dog 0123456789 and sends it a letter"
    code = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0"
    lines = ("." + text[:75] if kind == "text" and i % 8 == 0 else (text if kind == "text" else code)[:76]
             for i in range(size // 78))
    path = folder / ("%s-%d" % (kind, size))
    path.write_bytes((head + "".join(line + "\r\n" for line in lines)).encode())
    return path


def count(folder, command, path):
    out = folder / "callgrind"
    with open(path, "rb") as message:
        done = subprocess.run(["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=%s" % out, *command(path)],
                              stdin=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit("cpu: %s: %s%s" % (command(path)[0], done.stdout.decode(), done.stderr.decode()))
    return max(int(n) for n in re.findall(r"^(?:summary|totals): (\d+)", out.read_text(), re.M))


def main():
    port = listen()
    programs = {"mailmote": lambda path: [MAILMOTE, "send", "-q", "-C", "/dev/null", "-o", "relay=127.0.0.1:%d" % port, "-o",
                                          "relay_tls=none", "-o", "hello_name=bench.example.net", "-f", "a@example.net",
                                          "b@example.net"]}
    if shutil.which("curl"):
        programs["curl"] = lambda path: ["curl", "-s", "smtp://127.0.0.1:%d/bench.example.net" % port, "--mail-from",
                                         "a@example.net", "--mail-rcpt", "b@example.net", "-T", str(path)]
    print("## Instructions for each body byte (callgrind, whole program, %d bytes less 1000)\n" % BYTES)
    print("| program | dotted text | base64 | a mail of 1 kB |\n|---|---|---|---|")
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for program, command in programs.items():
            small = count(folder, command, make(folder, "text", 1000))
            row = []
            for kind in ("text", "base64"):
                row.append((count(folder, command, make(folder, kind, BYTES)) - small) / BYTES)
            figures[program] = row
            print("| %s | %.2f | %.2f | %d |" % (program, row[0], row[1], small))
    if "curl" in figures:
        print("\nmailmote needs %.2f of curl's instructions for text, %.2f for base64. Budget 1.5 a byte of text: %s." % (
            figures["mailmote"][0] / figures["curl"][0], figures["mailmote"][1] / figures["curl"][1],
            "held" if figures["mailmote"][0] <= 1.5 else "missed by %.2f" % (figures["mailmote"][0] - 1.5)))


main()
