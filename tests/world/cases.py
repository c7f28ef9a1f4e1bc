"""What the tests of the world share: the world itself, sending, and comparing what was stored."""
import os
import time

import world

W = world.World()  # one for all tests; run.py builds and ends it

POSTFIX_587 = ["relay=submission.example.net:587", "relay_user=" + world.USER]
POSTFIX_465 = ["relay=submission.example.net", "relay_user=" + world.USER]
EXIM_587 = ["relay=smtp.example.net:587", "relay_user=" + world.USER]
EXIM_465 = ["relay=smtp.example.net", "relay_user=" + world.USER]


def send(message, *recipients, sender="pump@example.net", options=(), words=(), **more):
    return W.mailmote("send", "-f", sender, *words, *recipients, stdin=message, options=options, **more)


def secret(password=world.PASSWORD):
    path = W.folder / "password"
    path.write_text(password + "\n")
    os.chmod(path, 0o600)
    return ["relay_password_file=%s" % path, "ca_file=" + W.ca]


def wait_for_mail(server, name):
    """Waits until a server has stored the message with head(name); gives all it has stored of it, as it was sent."""
    mark = b"X-Mark: %s\n" % name.encode()
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        mails = [mail.replace(b"\r\n", b"\n") for mail in W.stored(server)]
        found = [mail[mail.index(b"\n" + mark) + 1:] for mail in mails if b"\n" + mark in mail]
        if found:
            return [mail.replace(b"\n", b"\r\n") for mail in found]  # what stands before is the server's own
        time.sleep(0.02)
    raise AssertionError("%s has not stored %s" % (server, name))


def wire_form(message):
    """A text as it travels, before dots are doubled (RFC 5321 2.3.8)."""
    text = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return text if text.endswith(b"\r\n") or not text else text + b"\r\n"


def head(name):
    return ("X-Mark: %s\nFrom: pump@example.net\nTo: ops@example\nSubject: %s\nDate: Mon, 01 Jan 2024 00:00:00 +0000\n"
            "Message-ID: <%s@example.net>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
            "Content-Transfer-Encoding: 8bit\n\n" % (name, name, name)).encode()
