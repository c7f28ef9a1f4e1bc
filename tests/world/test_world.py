"""mailmote against real mail and name servers, in a world of its own. Run it as root: python3 tests/world/test_world.py"""
import json
import os
import pathlib
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import world  # noqa: E402
from peer import Peer, plain_server  # noqa: E402

W = None


def setUpModule():
    global W
    W = world.World()
    try:
        W.start_names()
        W.make_certificates()
        W.start_postfix()
        W.start_exim()
        W.start_opensmtpd()
    except BaseException:
        W.stop()
        raise


def tearDownModule():
    W.stop()


def send(message, *recipients, sender="pump@example.net", options=(), words=(), **more):
    return W.mailmote("send", "-f", sender, *words, *recipients, stdin=message, options=options, **more)


POSTFIX_587 = ["relay=submission.example.net:587", "relay_user=" + world.USER]
POSTFIX_465 = ["relay=submission.example.net", "relay_user=" + world.USER]
RELAY_587 = ["relay=smtp.example.net:587", "relay_user=" + world.USER]
RELAY_465 = ["relay=smtp.example.net", "relay_user=" + world.USER]


def secret(password=world.PASSWORD):
    path = W.folder / "password"
    path.write_text(password + "\n")
    os.chmod(path, 0o600)
    return ["relay_password_file=%s" % path, "ca_file=" + W.ca]


def wait_for_mail(server, count, user="ops"):
    """Waits until a server has stored that many mails; returns them."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        mails = W.stored(server, user)
        if len(mails) >= count:
            return mails
        time.sleep(0.05)
    raise AssertionError("%s has stored %d mails, not %d" % (server, len(W.stored(server, user)), count))


def body_of(stored, mark):
    """The message as it was handed over: from its first header line on, with CRLF line ends."""
    start = stored.index(mark)
    assert start == 0 or stored[start - 1:start] == b"\n"
    return stored[start:].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def wire_form(message):
    text = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return text if text.endswith(b"\r\n") or not text else text + b"\r\n"


def head(name):
    return ("X-Mark: %s\nFrom: pump@example.net\nTo: ops@example\nSubject: %s\nDate: Mon, 01 Jan 2024 00:00:00 +0000\n"
            "Message-ID: <%s@example.net>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
            "Content-Transfer-Encoding: 8bit\n\n" % (name, name, name)).encode()


MESSAGES = {
    "plain": b"A pump reports a fault.\n",
    "dots": b".\n..\n...\n.leading\nmiddle.\n\n.\n",
    "lone-dot-at-end": b"text\n.\n",
    "no-final-newline": b"last line without an end",
    "crlf": b"already\r\nCRLF\r\n.dot\r\n",
    "8bit": "Temperatur 40 °C, Füllstand hoch\n".encode(),
    "empty-lines": b"\n\n\nend\n\n\n",
    "longest-line": b"x" * 998 + b"\n" + b"." + b"y" * 997 + b"\n",
    "large": b"".join(b"line %06d of a large mail, with some words in it.\n" % i for i in range(20000)),
}


class EveryMessageArrivesByteForByte(unittest.TestCase):
    """SMTP-48 to SMTP-54, SEC-1; promise 5."""

    def deliver(self, server, domain, options=()):
        for name, text in MESSAGES.items():
            with self.subTest(server=server, message=name):
                message = head(server + "-" + name) + text
                before = len(W.stored(server))
                code, out, err = send(message, "ops@" + domain, options=options)
                self.assertEqual((code, err), (0, ""), out)
                mail = wait_for_mail(server, before + 1)[-1]
                mark = b"X-Mark: %s-%s" % (server.encode(), name.encode())
                self.assertEqual(body_of(mail, mark), wire_form(message))

    def test_postfix_by_mx(self):
        self.deliver("postfix", "postfix.example")

    def test_exim_by_mx(self):
        self.deliver("exim", "exim.example")

    def test_opensmtpd_by_mx(self):
        self.deliver("opensmtpd", "opensmtpd.example", ["mx_tls=none"])

    def test_postfix_by_relay_with_starttls_and_auth(self):
        self.deliver("postfix", "far.example", POSTFIX_587 + secret())

    def test_postfix_by_relay_with_implicit_tls_and_auth(self):
        self.deliver("postfix", "far.example", POSTFIX_465 + secret())

    def test_exim_by_relay_with_starttls_and_auth(self):
        self.deliver("exim", "elsewhere.example", RELAY_587 + secret())

    def test_exim_by_relay_with_implicit_tls_and_auth(self):
        self.deliver("exim", "elsewhere.example", RELAY_465 + secret())


class TheWayByMx(unittest.TestCase):
    """Conformance 2 and 3, against NSD behind Unbound."""

    def check(self, domain, code, words, options=(), within=20):
        begun = time.monotonic()
        got, out, err = send(head("way") + b"x\n", "ops@" + domain, options=options)
        self.assertEqual((got, err), (code, ""), out)
        self.assertIn(words, out)
        self.assertLess(time.monotonic() - begun, within)
        return out

    def test_ipv6_host(self):  # MX-34
        self.check("six.example", 0, "[2001:db8::10]")

    def test_both_families(self):  # MX-14: the IPv4 address refuses
        self.check("two.example", 0, "[2001:db8::10]")

    def test_mx_that_is_an_alias(self):  # MX-18
        self.check("alias.example", 0, "accepted by mx.alias.example")

    def test_alias_at_the_domain(self):  # MX-2
        self.check("mail.moved.example", 0, "accepted by mx.postfix.example")

    def test_implicit_mx(self):  # MX-5
        self.check("implicit.example", 0, "accepted by implicit.example [192.0.2.10]")

    def test_null_mx(self):  # MX-8
        self.check("null.example", 68, "5.1.10")

    def test_no_such_domain(self):  # MX-3
        self.check("gone.example", 68, "no such domain")

    def test_mx_without_address_never_uses_the_domains_own(self):  # MX-7
        self.check("nothing.example", 68, "5.4.4")

    def test_domain_without_anything(self):  # MX-6
        self.check("bare.example", 68, "5.4.4")

    def test_mx_to_loopback(self):  # MX-21, MX-22
        self.check("loop.example", 68, "5.4.6")

    def test_mx_to_ourselves(self):  # MX-20: the preference of device.example.net and all worse ones are out
        self.check("self.example", 68, "5.4.6")

    def test_private_address(self):  # MX-23
        self.check("private.example", 68, "may not be connected to", ["refuse_private=yes"])

    def test_dead_host_then_backup(self):  # MX-14
        self.check("refused.example", 0, "accepted by mx.postfix.example")

    def test_host_without_address_then_backup(self):  # MX-16
        self.check("missing.example", 0, "accepted by mx.postfix.example")

    def test_unreachable_host_then_backup(self):
        self.check("backup.example", 0, "accepted by mx.postfix.example")

    def test_mx_set_over_tcp(self):  # DNS-34, MX-12
        self.check("large.example", 0, "accepted by mx.postfix.example")

    def test_authoritative_server_directly(self):
        code, out, _ = W.on_device(os.environ.get("MAILMOTE", str(world.TOP / "build/mailmote")), "send", "-C", "/dev/null",
                                   "-o", "dns_server=192.0.2.53", "-o", "hello_name=device.example.net", "-f", "a@example.net",
                                   "ops@postfix.example", input=head("direct") + b"x\n").returncode, None, None
        self.assertEqual(code, 0)

    def test_all_exchangers_greet_with_554(self):  # S3: a block list passes, so it is transient
        with Peer("192.0.2.13", 25, plain_server({"greeting": "554 5.7.1 go away"})) as one, \
                Peer("192.0.2.14", 25, plain_server({"greeting": "554 5.7.1 go away"})) as two:
            self.check("scripts.example", 75, "554 5.7.1 go away")
            self.assertIn(b"QUIT", one.lines + two.lines)

    def test_second_exchanger_takes_it(self):  # MX-14
        with Peer("192.0.2.13", 25, plain_server({"greeting": "421 busy"})), \
                Peer("192.0.2.14", 25, plain_server()) as two:
            self.check("scripts.example", 0, "mx2.scripts.example")
            self.assertEqual(len(two.conversations[0].mails), 1)

    def test_refusal_does_not_go_on_to_the_next(self):  # table 7, note 5
        with Peer("192.0.2.13", 25, plain_server({"RCPT": "550 5.1.1 nobody"})), Peer("192.0.2.14", 25, plain_server()) as two:
            self.check("scripts.example", 67, "550 5.1.1 nobody")
            self.assertEqual(two.conversations, [])


class NameServers(unittest.TestCase):
    """A scripted name server at 192.0.2.15, for what NSD and Unbound would never do."""

    def serve(self, answer, tcp_answer=None):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("192.0.2.15", 53))
        sock.settimeout(0.2)
        self.queries = []
        self.done = threading.Event()

        def run():
            while not self.done.is_set():
                try:
                    query, sender = sock.recvfrom(4096)
                except TimeoutError:
                    continue
                self.queries.append((query, sender))
                for reply in answer(query, len(self.queries)):
                    sock.sendto(reply, sender)
            sock.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 5)
        self.addCleanup(self.done.set)

    @staticmethod
    def reply(query, rcode=0, flags=0x8180, records=(), question=None):
        """An answer to a query, without EDNS; records are ready-made."""
        end = query.index(b"\0", 12) + 5
        return query[:2] + struct.pack(">HHHHH", flags | rcode, 1, len(records), 0, 0) + (question or query[12:end]) + \
            b"".join(records)

    MX = b"\xc0\x0c\0\x0f\0\1\0\0\1\0\0\7\0\x0a\2mx\xc0\x0c"

    def ask(self, code, options=("dns_server=192.0.2.15",), words=""):
        got, out, err = W.on_device(os.environ.get("MAILMOTE", str(world.TOP / "build/mailmote")), "check", "-C", "/dev/null",
                                    *[word for option in options for word in ("-o", option)], "-o",
                                    "hello_name=device.example.net", "ops@script.example"), None, None
        self.assertEqual(got.returncode, code, got.stdout + got.stderr)
        return got.stdout.decode()

    def test_servfail_is_temporary_and_never_falls_back(self):  # MX-4
        self.serve(lambda query, n: [self.reply(query, rcode=2)])
        self.ask(75)
        self.assertTrue(all(query[0][-15:-11] == b"\0\x0f\0\1" or b"\0\x0f\0\1" in query[0] for query in self.queries))

    def test_second_server_is_asked(self):  # DNS-31
        self.serve(lambda query, n: [self.reply(query, rcode=5)])
        with Peer("192.0.2.13", 25, plain_server()):
            self.ask(0, ["dns_server=192.0.2.15", "dns_server=192.0.2.54"])

    def test_closed_port_fails_at_once(self):  # DNS-41
        begun = time.monotonic()
        with Peer("192.0.2.13", 25, plain_server()):
            self.ask(0, ["dns_server=192.0.2.16", "dns_server=192.0.2.54"])
        self.assertLess(time.monotonic() - begun, 2)

    def test_wrong_answers_are_dropped(self):  # DNS-5, DNS-6
        def lie(query, n):
            wrong_id = bytes([query[0] ^ 1]) + query[1:]
            return [self.reply(wrong_id, rcode=3), self.reply(query, rcode=3, flags=0x0180), query, b"",
                    self.reply(query, rcode=3, question=b"\5other\7example\0\0\x0f\0\1")] + \
                ([self.reply(query, records=[self.MX])] if b"\0\x0f\0\1" in query else
                 [self.reply(query, records=[b"\xc0\x0c\0\1\0\1\0\0\1\0\0\4\xc0\0\2\x0d"])] if b"\0\1\0\1" in query else
                 [self.reply(query, flags=0x8180)])
        self.serve(lie)
        with Peer("192.0.2.13", 25, plain_server()):
            self.ask(0)

    def test_ports_and_ids_are_not_the_same_twice(self):  # DNS-2, DNS-3
        self.serve(lambda query, n: [self.reply(query, rcode=3)])
        for _ in range(12):
            self.ask(68)
        self.assertGreater(len({sender[1] for _, sender in self.queries}), 8)
        self.assertGreater(len({query[:2] for query, _ in self.queries}), 8)

    def test_edns_is_left_out_after_formerr(self):  # DNS-43
        self.serve(lambda query, n: [self.reply(query, rcode=1 if query[11] else 3)])
        self.ask(68)
        self.assertEqual(len(self.queries), 2)
        self.assertEqual([query[11] for query, _ in self.queries], [1, 0])


class Submission(unittest.TestCase):
    """A relay with TLS and a password: Exim, and a scripted one for its misdeeds. Conformance 8 and 10."""

    def test_login(self):  # AUTH-17
        code, out, err = send(head("login") + b"x\n", "ops@a.example", options=RELAY_587 + secret() + ["relay_auth=login"],
                              words=["-v"])
        self.assertEqual(code, 0, out + err)
        self.assertIn("C: AUTH LOGIN", err)

    def test_secrets_are_not_shown(self):  # SEC-8
        code, out, err = send(head("secret") + b"x\n", "ops@a.example", options=RELAY_465 + secret(), words=["-v"])
        self.assertEqual(code, 0, out + err)
        self.assertIn("AUTH PLAIN ***", err)
        for form in (world.PASSWORD, "dGFwICYg", "cHVtcEBleGFtcGxlLm5ldAB0YXAg"):
            self.assertNotIn(form, out + err)

    def test_wrong_password_is_held(self):  # AUTH-12
        code, out, err = send(head("wrong") + b"x\n", "ops@a.example", options=RELAY_587 + secret("wrong"))
        self.assertEqual(code, 77, out + err)
        self.assertIn("held", out)

    def test_no_credentials_is_held(self):  # AUTH-15
        code, out, _ = send(head("none") + b"x\n", "ops@a.example",
                            options=["relay=smtp.example.net:587", "ca_file=" + W.ca])
        self.assertEqual(code, 77, out)
        self.assertIn("530", out)

    def test_wrong_name_in_certificate(self):  # TLS-13
        code, out, _ = send(head("name") + b"x\n", "ops@a.example",
                            options=["relay=other.example.net", "relay_user=" + world.USER] + secret())
        self.assertEqual(code, 75, out)
        self.assertIn("certificate", out)

    def test_unknown_ca(self):  # TLS-12
        options = [option for option in secret() if not option.startswith("ca_file")]
        code, out, _ = send(head("ca") + b"x\n", "ops@a.example",
                            options=RELAY_465 + options + ["ca_file=%s/stranger.pem" % W.certificates])
        self.assertEqual(code, 75, out)
        self.assertIn("certificate", out)

    def test_verification_overridden(self):
        code, out, _ = send(head("override") + b"x\n", "ops@a.example",
                            options=["relay=other.example.net", "relay_user=" + world.USER, "relay_tls_verify=no",
                                     "allow_plaintext_auth=yes"] + secret())
        self.assertEqual(code, 0, out)

    def relay(self, talk, code, more=(), port=587):
        with Peer("192.0.2.13", port, talk) as peer:
            got, out, err = send(head("script") + b"x\n", "ops@a.example",
                                 options=["relay=script.example.net:%d" % port, "relay_user=" + world.USER, *secret(), *more])
            self.assertEqual(got, code, out + err)
            return peer, out

    def test_expired_certificate(self):  # TLS-12
        old = W.make_certificate("old", "DNS:script.example.net", dates=("20200101000000Z", "20210101000000Z"))
        _, out = self.relay(plain_server(extensions=["STARTTLS", "AUTH PLAIN"], certificate=old), 75)
        self.assertIn("expired", out)

    def test_starttls_stripped(self):  # TLS-4
        peer, out = self.relay(plain_server(extensions=["PIPELINING", "AUTH PLAIN"]), 75)
        self.assertEqual([line.split(b" ")[0] for line in peer.lines], [b"EHLO", b"QUIT"])
        self.assertIn("TLS is required", out)

    def test_response_injected_behind_starttls(self):  # TLS-5
        def talk(it):
            it.say("220 hello\n")
            it.hear()
            it.say("250-script\n250 STARTTLS\n")
            it.hear()
            it.say("220 go\n250 injected\n")
            it.hear()
        peer, _ = self.relay(talk, 75)
        self.assertEqual(len(peer.lines), 2)

    def test_certificate_good_and_auth_lost(self):  # AUTH-3
        good = W.make_certificate("script", "DNS:script.example.net")
        peer, out = self.relay(plain_server(extensions=["STARTTLS"], certificate=good), 77)
        self.assertNotIn(b"MAIL", [line[:4] for line in peer.lines])

    def test_tls_cut_before_the_final_reply(self):  # TLS-28: in doubt
        good = W.make_certificate("script", "DNS:script.example.net")

        def vanish(it, line):
            it.say("354 go\n")
            it.hear_content()
            raise EOFError
        _, out = self.relay(plain_server({"DATA": vanish, "AUTH": "235 ok"}, ["STARTTLS", "AUTH PLAIN", "PIPELINING"], good), 75)
        self.assertIn("in doubt", out)


class Opportunistic(unittest.TestCase):
    """TLS toward exchangers: taken where it works (RFC 7435). TLS-11, TLS-33."""

    def test_tls_is_used(self):
        code, out, err = W.mailmote("check", "ops@postfix.example")
        self.assertEqual(code, 0, out + err)
        self.assertIn("TLSv1.3", out)

    def test_broken_tls_is_left_once(self):
        def talk(it):
            it.say("220 hello\n")
            it.hear()
            it.say("250-script\n250 STARTTLS\n")
            line = it.hear()
            if line == b"STARTTLS":
                it.say("220 go\n")
                it.connection.recv(10)
                it.connection.sendall(b"this is no TLS record at all")
                return
            it.say("250 ok\n")
            it.hear()
            it.say("250 ok\n")
            it.hear()
            it.say("354 go\n")
            it.hear_content()
            it.say("250 took it\n")
            it.hear()
        with Peer("192.0.2.13", 25, talk) as peer:
            code, out, _ = send(head("broken") + b"x\n", "ops@script.example")
            self.assertEqual(code, 0, out)
            self.assertEqual(len(peer.conversations), 2)

    def test_required_never_goes_in_clear(self):  # TLS-10
        with Peer("192.0.2.13", 25, plain_server()) as peer:
            code, out, _ = send(head("required") + b"x\n", "ops@script.example", options=["mx_tls=required"])
            self.assertEqual(code, 75, out)
            self.assertNotIn(b"MAIL", [line[:4] for line in peer.lines])


class Verdicts(unittest.TestCase):
    """Each recipient its own; what came of each way a server can behave."""

    def test_mixed_recipients(self):  # SMTP-36
        before = len(W.stored("exim"))
        code, out, _ = send(head("mixed") + b"x\n", "ops@exim.example", "nobody@exim.example", "later@exim.example",
                            "ops@null.example", words=["--json"])
        self.assertEqual(code, 75, out)
        verdicts = [json.loads(line)["verdict"] for line in out.splitlines()]
        self.assertEqual(verdicts, ["accepted", "permanent", "transient", "permanent"])
        wait_for_mail("exim", before + 1)

    def test_no_such_user(self):
        code, out, _ = send(head("user") + b"x\n", "nobody@exim.example")
        self.assertEqual(code, 67, out)
        self.assertIn("550 5.1.1 No such user here", out)

    def test_several_domains(self):
        before = len(W.stored("exim")), len(W.stored("postfix"))
        code, out, _ = send(head("several") + b"x\n", "ops@exim.example", "ops@postfix.example", "ops@EXIM.example")
        self.assertEqual(code, 0, out)
        self.assertEqual(out.count("accepted"), 3)
        wait_for_mail("exim", before[0] + 1)
        wait_for_mail("postfix", before[1] + 1)
        time.sleep(0.3)
        self.assertEqual(len(W.stored("exim")), before[0] + 1)  # MX-31: one copy

    def peer(self, replies, code, words, recipients=("ops@script.example",), **more):
        with Peer("192.0.2.13", 25, plain_server(replies, **more)) as peer:
            got, out, _ = send(head("peer") + b"x\n", *recipients)
            self.assertEqual(got, code, out)
            self.assertIn(words, out)
            return peer

    def test_takes_the_mail_and_closes(self):  # SMTP-45
        def take(it, line):
            it.say("354 go\n")
            it.hear_content()
            raise EOFError
        self.peer({"DATA": take}, 75, "in doubt")

    def test_takes_the_mail_and_resets(self):
        def take(it, line):
            it.say("354 go\n")
            it.hear_content()
            it.reset()
            raise EOFError
        self.peer({"DATA": take}, 75, "in doubt")

    def test_greylisting(self):
        self.peer({"RCPT": "450 4.2.0 later"}, 75, "450 4.2.0 later")

    def test_final_refusal(self):  # SMTP-44
        self.peer({"final": "554 5.7.1 spam"}, 69, "554 5.7.1 spam")

    def test_too_large_for_the_server(self):  # EXT-9
        peer = self.peer({}, 69, "too large", extensions=["SIZE 20"])
        self.assertNotIn(b"MAIL", [line[:4] for line in peer.lines])

    def test_no_8bitmime(self):  # SMTP-53
        with Peer("192.0.2.13", 25, plain_server(extensions=[])) as peer:
            code, out, _ = send("Größe\n".encode(), "ops@script.example")
            self.assertEqual(code, 69, out)
            self.assertNotIn(b"MAIL", [line[:4] for line in peer.lines])

    def test_not_smtp_at_all(self):  # SEC-11
        def talk(it):
            it.say("SSH-2.0-OpenSSH_9.2\n")
            it.hear()
        with Peer("192.0.2.13", 25, talk) as peer:
            code, out, _ = send(head("ssh") + b"x\n", "ops@script.example")
            self.assertEqual(code, 75, out)
            self.assertEqual(peer.lines, [])

    def test_control_octets_in_replies(self):  # SEC-7
        self.peer({"RCPT": "550 5.1.1 \x1b[31mred %n"}, 67, "550 5.1.1 ?[31mred %n")

    def test_452_leaves_some_over(self):  # SMTP-39
        counts = []

        def rcpt(it, line):
            counts.append(line)
            return "452 4.5.3 too many" if len(counts) in (3, 4) else "250 ok"
        peer = self.peer({"RCPT": rcpt}, 0, "accepted", recipients=["r%d@script.example" % i for i in range(4)])
        self.assertEqual(len(peer.conversations), 1)
        self.assertEqual(len(peer.conversations[0].mails), 2)

    def test_tarpit_ends_in_time(self):  # SMTP-59
        def talk(it):
            it.say("220-slow\n")
            for _ in range(100):
                it.say("220-slower\n")
                time.sleep(0.5)
        with Peer("192.0.2.13", 25, talk):
            begun = time.monotonic()
            code, out, _ = send(head("tar") + b"x\n", "ops@script.example", options=["command_timeout=2"])
            self.assertEqual(code, 75, out)
            self.assertLess(time.monotonic() - begun, 6)

    def test_total_timeout(self):
        def talk(it):
            time.sleep(10)
        with Peer("192.0.2.13", 25, talk):
            begun = time.monotonic()
            code, out, _ = send(head("total") + b"x\n", "ops@script.example", options=["total_timeout=2"])
            self.assertEqual(code, 75, out)
            self.assertLess(time.monotonic() - begun, 4)


class LocalMail(unittest.TestCase):
    """Conformance 14."""

    def test_into_the_maildir(self):  # LOCAL-1, LOCAL-3, LOCAL-5, MX-29
        folder = W.folder / "local"
        (folder / "ops").mkdir(parents=True)
        options = ["local_domain=pump.example", "maildir=%s/%%u" % folder]
        message = b"Return-Path: <forged@example.org>\nSubject: here\n\n.dot\nlast"
        code, out, err = send(message, "ops@PUMP.example", "nobody@pump.example", "a/x@pump.example", options=options)
        self.assertEqual(code, 67, out + err)
        self.assertIn("accepted by the mailbox here", out)
        self.assertEqual(out.count("no such user"), 2)
        mails = list((folder / "ops/new").iterdir())
        self.assertEqual(len(mails), 1)
        self.assertEqual(mails[0].read_bytes(), b"Return-Path: <pump@example.net>\nSubject: here\n\n.dot\nlast\n")
        self.assertEqual(mails[0].stat().st_mode & 0o777, 0o600)
        self.assertEqual(list((folder / "ops/tmp").iterdir()), [])

    def test_a_subdomain_is_not_local(self):  # MX-29
        code, out, _ = send(head("sub") + b"x\n", "ops@sub.gone.example",
                            options=["local_domain=gone.example", "maildir=/nonexistent/%u"])
        self.assertEqual(code, 68, out)


class CheckAndResolve(unittest.TestCase):
    def test_check_sends_nothing(self):
        with Peer("192.0.2.13", 25, plain_server()) as peer:
            code, out, err = W.mailmote("check", "ops@script.example")
            self.assertEqual(code, 0, out + err)
            self.assertNotIn(b"DATA", peer.lines)
            self.assertEqual(peer.lines[-1], b"QUIT")

    def test_check_through_the_relay(self):
        code, out, err = W.mailmote("check", "ops@a.example", options=RELAY_587 + secret())
        self.assertEqual(code, 0, out + err)
        self.assertIn("verified for smtp.example.net", out)

    def test_check_all(self):
        with Peer("192.0.2.13", 25, plain_server()) as one, Peer("192.0.2.14", 25, plain_server()) as two:
            code, out, err = W.mailmote("check", "--all", "ops@scripts.example")
            self.assertEqual(code, 0, out + err)
            self.assertEqual([len(one.conversations), len(two.conversations)], [1, 1])

    def test_resolve(self):
        code, out, _ = W.mailmote("resolve", "refused.example")
        self.assertEqual((code, out), (0, "10 closed.refused.example 192.0.2.19\n"
                                          "20 mx.postfix.example 192.0.2.10 2001:db8::10\n"))

    def test_resolve_null_mx(self):
        self.assertEqual(W.mailmote("resolve", "null.example")[0], 68)

    def test_resolve_implicit(self):
        code, out, err = W.mailmote("resolve", "implicit.example")
        self.assertEqual((code, out), (0, "0 implicit.example 192.0.2.10\n"))


if __name__ == "__main__":
    world.enter(sys.argv)
    unittest.main(verbosity=1)
