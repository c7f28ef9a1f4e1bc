"""The firmware in QEMU, against real servers: python3 tests/firmware/run.py [-v] [-k PATTERN]. Needs build/firmware.

QEMU's own network leads out of the device's namespace of tests/world: the board gets its address and name server by DHCP,
and reaches the servers there.
"""
import email
import email.header
import email.utils
import pathlib
import re
import subprocess
import sys
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/world"))
import world  # noqa: E402

BUILD = TOP / "build/firmware"
BOARDS = ["lm3s6965evb", "mps2-an385"]
MX = b"X-Mark: MX\r\nSubject: Pump 7\r\n\r\nThe flow has stopped.\r\n.\r\n..\r\nThat is all.\r\n"
marks = {}  # board -> the highest of each figure


class Firmware(unittest.TestCase):
    def setUp(self):
        for server in ("exim", "postfix"):
            for mail in (W.folder / ("boxes-" + server)).glob("*/new/*"):
                mail.unlink()

    def run_board(self, board, network="user", to="ops@exim.example", ca="ca", limit=120, **settings):
        """Runs a board: (exit code, console)."""
        words = {"from": "pump@example.net", "to": to, "user": world.USER, "password": world.PASSWORD, "ca": W.folder / (ca + ".der")}
        words.update(settings)
        path = W.folder / "firmware.conf"
        path.write_text("".join("%s %s\n" % (key, value) for key, value in words.items()))
        done = W.on_device("qemu-system-arm", "-M", board, "-kernel", str(BUILD / (board + ".elf")), "-nographic", "-monitor", "none",
                           "-serial", "stdio", "-nic", network, "-semihosting-config", "enable=on,target=native,arg=fw,arg=%s" % path,
                           stdin=subprocess.DEVNULL, timeout=limit)
        console = done.stdout.decode("latin-1").replace("\r\n", "\n")
        found = re.search(r"^marks: board \S+ mails (\d+) accepted (\d+) stack (\d+) of \d+ arena (\d+) of \d+ mem (\d+) pbufs (\d+) "
                          r"static (\d+)$", console, re.M)
        if found:
            best = marks.setdefault(board, [0, 0, 0, 0, 0, 0, 0])
            for i, figure in enumerate(map(int, found.groups())):
                best[i] = best[i] + figure if i < 2 else max(best[i], figure)
        return done.returncode, console

    def assert_stored(self, times=1):
        """By MX the alert as it lies in flash; through the relay the composed one, as another program reads it."""
        self.assertEqual(wait_for_mail("exim", "MX"), [MX] * times)
        mails = [mail for mail in map(email.message_from_bytes, W.stored("exim")) if mail["X-Mark"] == "relay"]
        self.assertEqual(len(mails), times)
        for mail in mails:
            self.assertEqual(str(email.header.make_header(email.header.decode_header(mail["Subject"]))), "Pump 7: flow below 2 \u00b5l/s")
            self.assertLess(abs(email.utils.parsedate_to_datetime(mail["Date"]).timestamp() - time.time()), 300)
            text, log = mail.get_payload()
            self.assertEqual(text.get_payload(decode=True).replace(b"\r\n", b"\n"), b"The flow has stopped.\n.\nThat is all.\n")
            self.assertEqual((log.get_filename(), log.get_payload(decode=True)), ("pump.log", b"7 bar\n5 bar\n0 bar\n"))

    def each_board(self, boards=BOARDS):
        for board in boards:
            with self.subTest(board=board):
                self.setUp()
                yield board

    def test_both_ways(self):
        """By MX, and through a relay with STARTTLS and a password, byte for byte."""
        for board in self.each_board():
            code, console = self.run_board(board, relay="submission.example.net")
            self.assertEqual(code, 0, console)
            self.assertIn("MX: accepted, final, ok, mx.exim.example: 250", console)
            self.assertIn("relay: accepted, final, ok, submission.example.net: 250", console)
            self.assert_stored()

    def test_tls_of_each_kind(self):
        for board in self.each_board():
            for settings in ({"port": 465, "implicit": 1}, {"port": 2512}, {"port": 2513}):
                with self.subTest(settings=settings):
                    code, console = self.run_board(board, relay="submission.example.net", **settings)
                    self.assertEqual(code, 0, console)

    def test_another_server(self):
        for board in self.each_board():
            code, console = self.run_board(board, to="ops@postfix.example", relay="smtp.example.net", port=465, implicit=1)
            self.assertIn("MX: accepted, final, ok, mx.postfix.example: 250", console)
            self.assertIn("relay: accepted, final, ok, smtp.example.net: 250", console)
            self.assertEqual(code, 0, console)

    def test_many_rounds(self):
        """Nothing is left behind, and the last round is as the first."""
        for board in self.each_board():
            code, console = self.run_board(board, relay="submission.example.net", rounds=20, limit=300)
            self.assertEqual(code, 0, console)
            self.assertEqual(console.count(": accepted, final"), 40)
            self.assert_stored(times=20)

    TROUBLE = [
        ("a stranger's CA", {"ca": "stranger"}, "relay: transient, tls, certificate not accepted", "not signed by a trusted CA"),
        ("a name the certificate is not for", {"relay": "other.example.net"}, "relay: transient, tls, certificate not accepted", "other.example.net"),
        ("no clock", {"clock": 0}, "relay: transient, tls, certificate not accepted", "clock is not set"),
        ("a wrong password", {"password": "guess"}, "relay: transient, auth", "535"),
        ("a small arena", {"arena": 6000}, "relay: transient, tls, ", ""),
        ("nobody there", {"relay": "nobody.example.net"}, "relay: ", "no such domain or host"),
        ("a recipient that is not", {"to": "nobody@exim.example"}, "MX: permanent, rcpt", "550"),
    ]

    def test_trouble(self):
        """Each ends in a verdict and words, and the device stays alive: the mail by MX has got through."""
        for board in self.each_board(BOARDS[:1]):
            for name, settings, verdict, words in self.TROUBLE:
                with self.subTest(name):
                    code, console = self.run_board(board, **{"relay": "smtp.example.net", **settings})
                    self.assertEqual(code, 1, console)
                    self.assertIn(verdict, console)
                    self.assertIn(words, console)
                    if verdict.startswith("relay"):
                        self.assertIn("MX: accepted", console)
                    self.assertIn("marks: ", console)

    def test_chains(self):
        """RSA, and a certificate that is larger than the room for a handshake message: a word, and the device goes on."""
        names = "DNS:script.example.net"
        rsa = W.make_certificate("rsa", names, key="rsa")
        vast = W.make_certificate("vast", names + "".join(",DNS:name%d.with-a-rather-long-name.example.net" % i for i in range(120)))
        for board in self.each_board():
            for certificate, words in ((rsa, "relay: accepted"), (vast, "relay: transient, tls, ")):
                with self.subTest(certificate=certificate), \
                        Peer("192.0.2.13", 465, plain_server(certificate=certificate, is_implicit=True, extensions=["AUTH PLAIN"],
                                                             replies={"AUTH": "235 in"})):
                    code, console = self.run_board(board, relay="script.example.net", port=465, implicit=1)
                    self.assertIn(words, console)
                    self.assertIn("MX: accepted", console)
                    self.assertEqual(code, 0 if certificate == rsa else 1)

    def test_silent_name_server(self):
        code, console = self.run_board(BOARDS[0], dns="192.0.2.99", limit=90)
        self.assertEqual(code, 1, console)
        self.assertIn("MX: transient, mx, ", console)

    def test_no_network(self):
        """A cable that leads nowhere: DHCP is given up with a word."""
        for board in self.each_board(BOARDS[:1]):
            code, console = self.run_board(board, network="socket,udp=127.0.0.1:9,localaddr=127.0.0.1:9009")
            self.assertEqual((code, "DHCP: no answer" in console), (2, True), console)


def sizes(board):
    done = subprocess.run(["arm-none-eabi-size", str(BUILD / (board + ".elf"))], check=True, stdout=subprocess.PIPE)
    text, data, _ = map(int, done.stdout.split(b"\n")[1].split()[:3])
    return text + data


def sum_up():
    for board, (mails, accepted, stack, arena, mem, pbufs, static) in marks.items():
        print("%s: %d mails, %d accepted; flash %d, static RAM %d, deepest stack %d, arena %d, lwIP's heap %d, pbufs %d"
              % (board, mails, accepted, sizes(board), static, stack, arena, mem, pbufs))
    print("firmware: %d boards, %d deliveries, %d accepted, flash %d, RAM %d with a stack of %d and an arena of %d" % (
        len(marks), sum(m[0] for m in marks.values()), sum(m[1] for m in marks.values()), max(map(sizes, marks)),
        max(m[6] for m in marks.values()), max(m[2] for m in marks.values()), max(m[3] for m in marks.values())))


if __name__ == "__main__":
    world.enter(sys.argv)
    from cases import W, wait_for_mail
    from peer import Peer, plain_server
    try:
        W.start_names()
        W.make_certificates()
        for name in ("ca", "stranger"):
            world.sh("openssl", "x509", "-in", str(W.certificates / (name + ".crt")), "-outform", "DER", "-out",
                     str(W.folder / (name + ".der")))
        W.start_postfix()
        W.start_exim()
        done = unittest.main(exit=False).result
        if marks:
            sum_up()
    finally:
        W.stop()
    sys.exit(not done.wasSuccessful())
