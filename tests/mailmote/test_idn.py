"""Domains in other scripts become A-labels wherever a user may write one; local parts do not (SMTPUTF8 is not built)."""
import json
import unittest

from peer import A, AAAA, MX, a, mx
from program import PROGRAM, Case
from test_results import NameServer, serve

BOOKS, TEST = "b\u00fccher.example", "\u4f8b\u3048\u3002\u30c6\u30b9\u30c8"  # the latter with an ideographic full stop
A_BOOKS, A_TEST = "xn--bcher-kva.example", "xn--r8jz45g.xn--zckzah"
NOWHERE = ["relay=127.0.0.1:1", "relay_tls=none"]


class Idn(Case):
    """DNS-30, ADDR-9: the core sees ASCII alone."""

    def setUp(self):
        super().setUp()
        if "without IDN" in self.run_program("--version", config=None).out:
            self.skipTest("%s was built without libidn2" % PROGRAM)

    def test_on_the_wire(self):
        with serve() as peer:
            port = peer.socket.getsockname()[1]
            zones = {(A_BOOKS, MX): [mx(A_BOOKS, 10, "mx.example")], ("mx.example", A): [a("mx.example", "127.0.0.1")],
                     ("mx.example", AAAA): []}
            with NameServer(zones) as names:
                options = ["dns_server=127.0.0.1:%d" % names.port, "mx_port=%d" % port, "allow_loopback=yes",
                           "hello_name=pumpe.%s" % BOOKS]
                result = self.run_program("send", "--json", "-f", "pump@" + TEST, "ops@" + BOOKS, options=options)
                self.assertEqual((result.code, result.err), (0, ""), result.out)
                self.assertEqual(json.loads(result.out)["address"], "ops@" + A_BOOKS)
                self.assertIn((A_BOOKS, MX), names.asked)
                result = self.run_program("resolve", BOOKS, options=options)
                self.assertEqual((result.code, result.out), (0, "10 mx.example 127.0.0.1\n"))
            self.assertEqual(peer.lines[0], b"EHLO pumpe." + A_BOOKS.encode())
            for said in (b"MAIL FROM:<pump@%s>" % A_TEST.encode(), b"RCPT TO:<ops@%s>" % A_BOOKS.encode()):
                self.assertTrue(any(line.startswith(said) for line in peer.lines), peer.lines)

    def test_composed(self):
        result = self.run_program("compose", "-f", "J\u00f6rg @ B\u00fcro <pump@%s>" % BOOKS, "--text", "x", "--cc", "C <c@%s>" % TEST,
                                  "ops@fa\u00df.example", options=["from=other@" + BOOKS])
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertTrue(result.out.isascii())
        for said in ("<pump@%s>" % A_BOOKS, "\nCc: C <c@%s>\n" % A_TEST, "\nTo: ops@xn--fa-hia.example\n", "@%s>\nAuto" % A_BOOKS):
            self.assertIn(said, result.out.replace("\r\n", "\n"))
        with serve() as peer:
            result = self.run_program("send", "--text", "x", "--bcc", "b@" + TEST, options=self.relay(peer, "from=pump@" + BOOKS))
            self.assertEqual((result.code, result.err), (0, ""))
        self.assertIn(b"RCPT TO:<b@%s>" % A_TEST.encode(), peer.lines)
        self.assertIn(b"\r\nFrom: pump@%s\r\n" % A_BOOKS.encode(), peer.conversations[0].mails[0])

    def test_in_the_configuration(self):
        """Each key takes it; and then the way is tried."""
        maildir = self.folder / "mail" / A_BOOKS / "ops"
        for name in ("cur", "new", "tmp"):
            (maildir / name).mkdir(parents=True)
        result = self.run_program("send", "-f", "", "ops@" + BOOKS, options=["local_domain=" + BOOKS, "own_name=mx." + TEST,
                                                                             "maildir=%s/mail/%%d/%%u" % self.folder])
        self.assertEqual((result.code, result.err), (0, ""), result.out)
        self.assertEqual(len(list((maildir / "new").iterdir())), 1)
        with NameServer({("smtp." + A_BOOKS, A): [a("smtp." + A_BOOKS, "127.0.0.1")], ("smtp." + A_BOOKS, AAAA): []}) as names:
            result = self.run_program("send", "-f", "", "ops@example.net", options=[
                "relay=smtp.%s:1" % BOOKS, "relay_tls=none", "dns_server=127.0.0.1:%d" % names.port, "allow_loopback=yes"])
            self.assertEqual((result.code, result.err), (75, ""))
            self.assertIn(("smtp." + A_BOOKS, A), names.asked)

    def test_refused(self):
        for address, said in (("ops@\u2603-\U0001f4a9.example", "disallowed"), ("ops@b\u00fc\u200dcher.example", "con"),
                              ("ops@" + "\u00fc" * 70 + ".example", "large"), ("ops@a\uff20b.example", "not an address"),
                              ("ops@a\u2100b.example", "full domain"), ("ops@" + "\u00fc" * 2000, "longer"), ("ops@\u00fc", "full domain"),
                              (b"ops@b\xfccher.example", "UTF-8"), ("\u00fc@example.net", "SMTPUTF8"),
                              ("\u00fc@" + BOOKS, "SMTPUTF8"), ("B\u00fccher", "no @domain"), ('"\u00fc"@example.net', "SMTPUTF8")):
            with self.subTest(address=address):
                self.assert_refused(self.run_program("send", "-f", "", address, options=NOWHERE), 65, "recipient", said)
                self.assert_refused(self.run_program("send", "-f", address, "--text", "x", "a@example.net", options=NOWHERE), 65, "From", said)
        self.assert_refused(self.run_program("send", "-f", "", "a@example.net", options=["relay=\u2603\u200d.example"]), 78, "relay")


if __name__ == "__main__":
    unittest.main()
