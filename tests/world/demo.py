"""Shows a mail on its way: by MX, and through a relay with STARTTLS and a password. scripts/demo builds and runs it."""
import os
import shlex
import subprocess
import sys
import time

import world

world.enter(sys.argv)

BOLD, DIM, GREEN, RED, PLAIN = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5
ALERT = b"""From: Pump 7 <pump@example.net>
To: Operations <ops@factory.example>
Subject: Pump 7: no flow
Date: %s
Message-ID: <pump7-%d@example.net>

The flow fell to zero at 12:04. The pump has stopped itself.
. A line that begins with a dot arrives as it is.
""" % (time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()).encode(), int(time.time()))


def say(text=""):
    print(text, flush=True)


def title(text):
    say("\n%s== %s%s\n" % (BOLD, text, PLAIN))


def indent(text, colour=""):
    for line in text.rstrip("\n").split("\n"):
        say("    %s%s%s" % (colour, line, PLAIN if colour else ""))


class Demo:
    def __init__(self, place):
        self.world = place
        self.failed = False

    def show_command(self, words, stdin=None):
        known = {str(self.world.folder): "…", str(world.TOP): "."}
        text = " ".join(word if word == "<" else shlex.quote(word) for word in [*words, *(["<", stdin] if stdin else [])])
        for path, short in known.items():
            text = text.replace(path, short)
        say("%sdevice$%s %s" % (BOLD, PLAIN, text))

    def run(self, *words, message=None, code=0):
        """Runs a command on the device and shows it with its dialogue and its result; code is what is expected."""
        self.show_command(words, "alert.eml" if message else None)
        done = self.world.on_device(*words, input=message, stderr=subprocess.STDOUT)
        for line in done.stdout.decode("latin-1").splitlines():
            indent(line, DIM if line[:3] in ("C: ", "S: ") or line[:2] == "* " else BOLD)
        say("    %sexit code %d%s" % (GREEN if done.returncode == code else RED, done.returncode, PLAIN))
        self.failed |= done.returncode != code

    def show_mail(self, count, sent):
        """The mail as it lies in the mailbox, compared with what was sent."""
        deadline = time.monotonic() + 15
        while len(self.world.stored("exim")) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        stored = self.world.stored("exim")
        if len(stored) < count:
            self.failed = True
            say("%sno mail has come%s" % (RED, PLAIN))
            return
        say("\nIn the mailbox of ops@factory.example:")
        indent(stored[count - 1].decode("latin-1"))
        if sent is not None:
            same = stored[count - 1].endswith(sent)
            self.failed |= not same
            say("%s%s%s" % (GREEN if same else RED, "Byte for byte what the device sent, below the lines the servers added."
                            if same else "This is not what the device sent!", PLAIN))

    def start(self):
        title("A private world starts")
        place = self.world
        place.start_names()
        place.make_certificates()
        place.start_postfix()
        place.start_exim()
        for host, address, what in (
                ("device", "192.0.2.1", "mailmote"),
                ("resolver", "192.0.2.54", "Unbound; behind it NSD, which knows factory.example"),
                ("mail.factory.example", "192.0.2.11", "Exim: the mail of factory.example belongs there"),
                ("submission.example.net", "192.0.2.10", "Postfix: the relay of a provider, with STARTTLS and a password")):
            say("    %-24s%-14s%s" % (host, address, what))
        (place.folder / "password").write_text(world.PASSWORD + "\n")
        os.chmod(place.folder / "password", 0o600)
        self.program = os.environ.get("MAILMOTE", str(world.TOP / "build/mailmote"))

    def write_config(self, name, text):
        path = self.world.folder / name
        path.write_text(text)
        os.chmod(path, 0o600)
        say("%s holds:" % name)
        indent(text)
        say()
        return str(path)

    def by_mx(self):
        title("1. By MX: the device finds the mail server of factory.example itself")
        config = self.write_config("mx.conf", "from = pump@example.net\nhello_name = device.example.net\n")
        self.run(self.program, "resolve", "-C", config, "factory.example")
        say()
        self.run(self.program, "send", "-v", "-C", config, "ops@factory.example", message=ALERT)
        self.show_mail(1, ALERT)

    def by_relay(self):
        title("2. Through a relay: STARTTLS, a verified certificate, a password; the relay looks up the MX")
        config = self.write_config("relay.conf", "\n".join([
            "from = pump@example.net", "hello_name = device.example.net", "relay = submission.example.net:587",
            "relay_user = " + world.USER, "relay_password_file = %s/password" % self.world.folder,
            "ca_file = " + self.world.ca, ""]))
        self.run(self.program, "send", "-v", "-C", config, "ops@factory.example", message=ALERT)
        self.show_mail(2, ALERT)

    def by_program(self):
        title("3. The same from 30 lines of C: examples/alert/alert.c")
        alert = os.environ.get("ALERT", str(world.TOP / "build/examples/alert/alert"))
        self.run(alert, "pump@example.net", "ops@factory.example", "Pump 7: flow is back")
        self.show_mail(3, None)

    def what_goes_wrong(self):
        title("4. And when it cannot be delivered, everybody learns why")
        config = str(self.world.folder / "mx.conf")
        self.run(self.program, "send", "-C", config, "nobody@factory.example", message=ALERT, code=67)
        self.run(self.program, "send", "-C", config, "ops@gone.example", message=ALERT, code=68)
        (self.world.folder / "password").write_text("wrong\n")
        self.run(self.program, "send", "-C", str(self.world.folder / "relay.conf"), "ops@factory.example", message=ALERT, code=77)


def main():
    place = world.World()
    demo = Demo(place)
    try:
        demo.start()
        for part in (demo.by_mx, demo.by_relay, demo.by_program, demo.what_goes_wrong):
            part()
    finally:
        place.stop()
    title("The demonstration failed" if demo.failed else "Done. Nothing was left running or installed as a service.")
    return 1 if demo.failed else 0


sys.exit(main())
