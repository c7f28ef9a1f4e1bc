"""The firmware in QEMU, against real servers: python3 tests/firmware/run.py [-v] [-k PATTERN] [--long].
Needs build/firmware. With --long: 1000 mails in a row, and the cable pulled on each board (a quarter of an hour).
With --footprint: what each configuration costs (docs/footprint.md). Needs --target variants built too.

QEMU's own network leads out of the device's namespace of tests/world: the board gets its address and name server by DHCP,
and reaches the servers there.
"""
import email
import email.header
import email.utils
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/world"))
import world  # noqa: E402

BUILD = TOP / "build/firmware"
BOARDS = ["lm3s6965evb", "mps2-an385"]
LONG = "--long" in sys.argv
MX = b"X-Mark: MX\r\nSubject: Pump 7\r\n\r\nThe flow has stopped.\r\n.\r\n..\r\nThat is all.\r\n"
marks = {}  # board -> the highest of each figure


class Firmware(unittest.TestCase):
    def setUp(self):
        for server in ("exim", "postfix"):
            for mail in (W.folder / ("boxes-" + server)).glob("*/new/*"):
                mail.unlink()

    def command(self, board, image=None, to="ops@exim.example", ca="ca", network="user", monitor="none", qemu=(), **settings):
        """Writes the settings; gives the command line of a board with them."""
        words = {"from": "pump@example.net", "to": to, "user": world.USER, "password": world.PASSWORD, "ca": W.folder / (ca + ".der"),
                 "sntp": "192.0.2.55"}
        words.update(settings)
        path = W.folder / "firmware.conf"
        path.write_text("".join("%s %s\n" % (key, value) for key, value in words.items()))
        return ["qemu-system-arm", "-M", board, "-kernel", str(BUILD / ((image or board) + ".elf")), "-nographic", "-monitor", monitor,
                "-serial", "stdio", "-nic", network, "-semihosting-config", "enable=on,target=native,arg=fw,arg=%s" % path, *qemu]

    def run_board(self, board, image=None, limit=120, **settings):
        """Runs a board: (exit code, console)."""
        done = W.on_device(*self.command(board, image, **settings), stdin=subprocess.DEVNULL, timeout=limit)
        console = done.stdout.decode("latin-1").replace("\r\n", "\n")
        found = re.search(r"^marks: board \S+ mails (\d+) accepted (\d+) stack (\d+) of \d+ arena (\d+) of \d+ mem (\d+) pbufs (\d+) "
                          r"static (\d+)$", console, re.M)
        if found and not image:
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

    def test_resumption(self):
        """A second mail to the relay begins without certificates, in TLS 1.3 and 1.2: the relay says so."""
        for board in self.each_board(BOARDS[:1]):
            for settings in ({"port": 465, "implicit": 1}, {"port": 2512}, {"port": 2513}):
                with self.subTest(settings=settings):
                    before = reused_sessions()
                    code, console = self.run_board(board, relay="submission.example.net", rounds=3, mx=0, **settings)
                    self.assertEqual((code, console.count("relay: accepted")), (0, 3), console)
                    self.assertEqual(reused_sessions() - before, 2)

    def test_many_rounds(self):
        """Nothing is left behind (the device looks itself), and the last round is as the first. 1000 mails with --long."""
        rounds = 500 if LONG else 20
        for board in self.each_board():
            code, console = self.run_board(board, relay="submission.example.net", rounds=rounds, limit=1800)
            self.assertEqual(code, 0, console[-2000:])
            self.assertEqual(console.count(": accepted, final"), 2 * rounds)
            self.assert_stored(times=rounds)

    TROUBLE = [
        ("a stranger's CA", {"ca": "stranger"}, "relay: transient, tls, certificate not accepted", "not signed by a trusted CA"),
        ("a name the certificate is not for", {"relay": "other.example.net"}, "relay: transient, tls, certificate not accepted", "other.example.net"),
        ("a time server that is silent", {"sntp": "192.0.2.99"}, "relay: transient, tls, certificate not accepted", "clock is not set"),
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

    def test_wrong_time(self):
        """A time server that is far ahead is believed, and the certificate's end told; one that has not seen the question is not."""
        for case, words in ((TimeServer(ahead_s=400 * 86400), "expired"), (TimeServer(has_seen=False), "clock is not set")):
            with self.subTest(words), case:
                code, console = self.run_board(BOARDS[0], relay="smtp.example.net", mx=0, sntp="192.0.2.13")
                self.assertEqual((code, words in console), (1, True), console)

    def test_calendar(self):
        """The device tells a leap day, and the last second of one, from its neighbours: by a certificate for that day alone."""
        day = 1835395200 - int(time.time())  # 2028-02-29 00:00:00, from now
        W.make_certificate("years", is_ca=True, issuer="years", dates=("20270101000000Z", "20301231235959Z"))
        make_der("years")
        certificate = W.make_certificate("leap", "DNS:script.example.net", issuer="years", dates=("20280229000000Z", "20280229235959Z"))
        for second, words in ((-60, "not valid before 2028-02-29"), (60, "relay: accepted"), (86400 - 60, "relay: accepted"), (86400 + 60, "expired")):
            with self.subTest(second=second), TimeServer(ahead_s=day + second), \
                    Peer("192.0.2.13", 465, plain_server(certificate=certificate, is_implicit=True, extensions=["AUTH PLAIN"],
                                                         replies={"AUTH": "235 in"})):
                _, console = self.run_board(BOARDS[0], relay="script.example.net", port=465, implicit=1, mx=0, ca="years",
                                            sntp="192.0.2.13")
                self.assertIn(words, console)

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

    def test_large_record(self):
        """A reply in records of 16 KiB, four times the room: a verdict and a word, and the device goes on."""
        reply = "".join("235-%s\n" % ("x" * 500) for _ in range(60)) + "235 in"
        certificate = W.make_certificate("large", "DNS:script.example.net")
        for board in self.each_board():
            with Peer("192.0.2.13", 465, plain_server(certificate=certificate, is_implicit=True, extensions=["AUTH PLAIN"],
                                                      replies={"AUTH": reply})):
                code, console = self.run_board(board, relay="script.example.net", port=465, implicit=1, rounds=2)
                self.assertEqual(code, 1, console)
                self.assertEqual(console.count("relay: transient, auth, TLS record or certificate too large"), 2, console)
                self.assertEqual(console.count("MX: accepted"), 2, console)

    def test_silent_name_server(self):
        code, console = self.run_board(BOARDS[0], dns="192.0.2.99", limit=90)
        self.assertEqual(code, 1, console)
        self.assertIn("MX: transient, mx, ", console)

    def test_cable(self):
        """The cable is pulled at each step, and put in again after the verdict: the next mail gets through, every time."""
        for board in self.each_board(BOARDS if LONG else BOARDS[:1]):
            with self.subTest("DHCP, names"), Cable(self, board, rounds=4, pause=300, patience=4, is_pulled=True) as cable:
                cable.expect("DHCP: no answer")
                cable.put_in()
                cable.expect("MX: accepted")
                cable.pull()
                cable.expect("MX: transient, mx, ")
                cable.put_in()
                cable.expect("MX: accepted")
                cable.expect("marks: ")
                self.assertEqual(cable.code(), 2)
            with self.subTest("a relay"):
                self.pull_at_each_step(board)

    # When the relay hears this, the cable is pulled; then the verdict and the step it names.
    STEPS = [("connection", "transient, greeting, "), ("EHLO", "transient, ehlo, "), ("STARTTLS", "transient, starttls, "),
             ("ClientHello", "transient, tls, "), ("AUTH", "transient, auth, "), ("MAIL", "transient, mail, "),
             ("RCPT", "transient, rcpt, "), ("DATA", "transient, data, "), ("content", "in doubt, final, "),
             ("end of data", "in doubt, final, ")]

    def pull_at_each_step(self, board):
        certificate = W.make_certificate("cable", "IP:192.0.2.13")
        armed = []

        def step(name):
            if armed and armed[0] == name:
                armed.clear()
                cable.pull()
                raise EOFError

        with Peer("192.0.2.13", 587, careful_relay(certificate, step)), \
                Cable(self, board, rounds=2 + 2 * len(self.STEPS), pause=100, patience=4, mx=0, relay="192.0.2.13",
                      is_pulled=False) as cable:
            cable.expect("relay: accepted")
            for name, verdict in self.STEPS:
                with self.subTest(step=name):
                    armed[:] = [name]
                    cable.expect("relay: " + verdict)
                    cable.put_in()
                    cable.expect("relay: accepted")
            cable.pull()
            cable.expect("relay: transient, connect, ")
            cable.put_in()
            cable.expect("marks: ")
            self.assertEqual(cable.code(), 1)

    def test_no_network(self):
        """A cable that leads nowhere: DHCP is given up with a word."""
        for board in self.each_board(BOARDS[:1]):
            code, console = self.run_board(board, network="socket,udp=127.0.0.1:9,localaddr=127.0.0.1:9009")
            self.assertEqual((code, "DHCP: no answer" in console), (2, True), console)


def make_der(name):
    world.sh("openssl", "x509", "-in", str(W.certificates / (name + ".crt")), "-outform", "DER", "-out", str(W.folder / (name + ".der")))


def reused_sessions():
    time.sleep(0.3)  # Postfix writes its log by a process of its own
    log = W.folder / "postfix/postfix.log"
    return log.read_text().count("Reusing old session") if log.exists() else 0


class TimeServer:
    """Answers SNTP as chrony would not: with the time of another day, or without what the question held."""

    def __init__(self, ahead_s=0, has_seen=True):
        self.ahead_s, self.has_seen = ahead_s, has_seen

    def serve(self):
        while True:
            question, address = self.socket.recvfrom(512)
            if not question:
                return
            stamp = struct.pack(">II", int(time.time()) + self.ahead_s + 2208988800, 0)  # from 1900 on (RFC 4330 3)
            seen = question[40:48] if self.has_seen else bytes(8)
            self.socket.sendto(bytes([0x24, 3, 6, 0xEC]) + bytes(12) + stamp + seen + stamp + stamp, address)

    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("192.0.2.13", 123))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __exit__(self, *_):
        self.socket.sendto(b"", ("192.0.2.13", 123))
        self.thread.join(5)
        self.socket.close()


class Cable:
    """A board whose cable can be pulled: by QEMU's monitor."""

    def __init__(self, test, board, is_pulled, **settings):
        path = str(W.folder / "monitor")
        words = test.command(board, network="user,id=wire", monitor="unix:%s,server,nowait" % path, qemu=["-S"], **settings)
        self.process = subprocess.Popen(["nsenter", "--net=/proc/%d/ns/net" % W.device.pid, *words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.watch = threading.Timer(120, self.process.kill)
        self.watch.start()
        self.console = ""
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.settimeout(10)
        deadline = time.monotonic() + 10
        while self.monitor.connect_ex(path) != 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.await_prompt()
        if is_pulled:
            self.pull()
        self.tell("cont")
        self.next_line()  # its name

    def await_prompt(self):
        heard = b""
        while not heard.endswith(b"(qemu) "):
            heard += self.monitor.recv(4096)

    def tell(self, command):
        self.monitor.sendall(command.encode() + b"\n")
        self.await_prompt()

    def pull(self):
        self.tell("set_link wire off")

    def put_in(self):
        self.tell("set_link wire on")

    def next_line(self):
        line = self.process.stdout.readline().decode("latin-1").strip()
        self.console += line + "\n"
        return line

    def expect(self, words):
        if words not in self.next_line():
            raise AssertionError("no \"%s\" in the last line:\n%s" % (words, self.console))

    def code(self):
        return self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watch.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.monitor.close()


def careful_relay(certificate, step):
    """A relay that says where it is: step(name) is called when something has been heard, before the answer."""
    def talk(it):
        step("connection")
        it.say("220 script.example.net ready\n")
        while True:
            verb = it.hear().split(b" ")[0].split(b":")[0].decode().upper()
            step(verb)
            if verb == "STARTTLS":
                it.say("220 go\n")
                it.connection.recv(1, socket.MSG_PEEK)
                step("ClientHello")
                it.start_tls(certificate)
            elif verb == "EHLO":
                is_secured = isinstance(it.connection, ssl.SSLSocket)
                it.say("250-script.example.net\n250 %s\n" % ("AUTH PLAIN" if is_secured else "STARTTLS"))
            elif verb == "DATA":
                it.say("354 go\n")
                it.hear()
                step("content")
                it.hear_content()
                step("end of data")
                it.say("250 2.0.0 queued\n")
            else:
                it.say({"AUTH": "235 in\n", "QUIT": "221 bye\n"}.get(verb, "250 ok\n"))

    return talk


def sizes(board):
    done = subprocess.run(["arm-none-eabi-size", str(BUILD / (board + ".elf"))], check=True, stdout=subprocess.PIPE)
    text, data, _ = map(int, done.stdout.split(b"\n")[1].split()[:3])
    return text + data


# What less of the firmware costs: images of `--target variants`, what each is told, and in words.
RELAY = {"relay": "submission.example.net", "port": 465, "implicit": 1}
FOOTPRINT = [("-mx", "MX only, no TLS", {}), ("-plain", "relay, in the clear", {"relay": "mx.exim.example", "port": 25, "user": ""}),
             ("-tls12", "relay, TLS 1.2", RELAY), ("-tls13", "relay, TLS 1.2 and 1.3", RELAY),
             ("-resumed", "the same, sessions resumed", {"rounds": 3, **RELAY}),
             ("-resumed", "the same, but the relay has TLS 1.2", {"rounds": 3, "relay": RELAY["relay"], "port": 2512}),
             ("", "MX, and relay as above", {"rounds": 2, **RELAY})]
COUNTED = ("-icount", "shift=6,sleep=off")  # each instruction takes 64 ns of the device's time


def footprint_row(words, variant, settings):
    """One line of the table; gives static RAM, stack and arena in all."""
    board = BOARDS[0]
    code, console = Firmware().run_board(board, image=board + variant, qemu=COUNTED, **settings)
    assert code == 0, console
    stack, arena, arena_size, static = map(int, re.search(r" stack (\d+) of \d+ arena (\d+) of (\d+) .* static (\d+)", console).groups())
    times = re.findall(r"^(?:MX|relay): .* awake (\d+) ms, longest (\d+) ms$", console, re.M)
    print("| %s | %d | %d | %d | %s | %s | %.1f |" % (words, sizes(board + variant), static - arena_size, stack, arena or "none",
                                                  ", ".join("%.1f" % (int(ms) / 64) for ms, _ in times),
                                                  max(int(ms) for _, ms in times) / 64))
    return static - arena_size + stack + arena


def footprint():
    """Prints the table of docs/footprint.md, from images that deliver."""
    board = BOARDS[0]
    print("| %s | flash | static RAM | stack | arena | each mail, million instructions | longest call |\n|---|---|---|---|---|---|---|" % board)
    for variant, words, settings in FOOTPRINT:
        ram = footprint_row(words, variant, settings)
    certificate = W.make_certificate("p384", "DNS:script.example.net", key="p384")
    with Peer("192.0.2.13", 465, plain_server(certificate=certificate, is_implicit=True, extensions=["AUTH PLAIN"],
                                              replies={"AUTH": "235 in"})):
        footprint_row("a relay whose key is P-384", "", {"relay": "script.example.net", "port": 465, "implicit": 1, "mx": 0})
    print("\nBudget of all of it, 160 KB of flash and 52 KB of RAM: %d and %d, %s." % (
        sizes(board), ram, "held" if sizes(board) <= 160000 and ram <= 52000 else "missed"))


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
        W.start_time()
        W.make_certificates()
        for name in ("ca", "stranger"):
            make_der(name)
        W.start_postfix()
        W.start_exim()
        if "--footprint" in sys.argv:
            footprint()
            is_good = True
        else:
            is_good = unittest.main(exit=False, argv=[a for a in sys.argv if a != "--long"]).result.wasSuccessful()
            if marks:
                sum_up()
    finally:
        W.stop()
    sys.exit(not is_good)
