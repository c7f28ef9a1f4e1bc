"""Which certificates a relay is believed with: TLS-12 to TLS-17, TLS-21; by a scripted relay at 192.0.2.13."""
import ssl
import unittest

import world
from cases import POSTFIX_587, W, head, secret, send
from peer import Peer, plain_server

NAME = "script.example.net"
SAN = "DNS:" + NAME
PAST, FUTURE = ("20200101000000Z", "20210101000000Z"), ("20400101000000Z", "20410101000000Z")

# what it is called, how it is made, the relay as the device knows it
GOOD = [
    ("the name", dict(names=SAN), NAME),
    ("the name in other letters", dict(names="DNS:Script.EXAMPLE.net"), NAME),
    ("the second of two names", dict(names="DNS:other.example.net," + SAN), NAME),
    ("a wildcard", dict(names="DNS:*.example.net"), NAME),
    ("no purpose given", dict(names=SAN, purpose=None), NAME),
    ("several purposes", dict(names=SAN, purpose="clientAuth,serverAuth"), NAME),
    ("RSA", dict(names=SAN, key="rsa"), NAME),
    ("P-384", dict(names=SAN, key="p384"), NAME),
    ("an address", dict(names="IP:192.0.2.13"), "192.0.2.13"),
    ("an IPv6 address", dict(names="IP:2001:db8::13"), "[2001:db8::13]"),
    ("an intermediate", dict(names=SAN, issuer="intermediate", chain=["intermediate"]), NAME),
]
# the same, and a word of the reason
BAD = [
    ("expired", dict(names=SAN, dates=PAST), NAME, "expired"),
    ("not yet valid", dict(names=SAN, dates=FUTURE), NAME, "not valid before"),
    ("another name", dict(names="DNS:other.example.net"), NAME, NAME),
    ("a longer name", dict(names="DNS:script.example.net.example.org"), NAME, NAME),
    ("the parent's name", dict(names="DNS:example.net"), NAME, NAME),
    ("a wildcard for one label more", dict(names="DNS:*.script.example.net"), NAME, NAME),
    ("a wildcard for two labels", dict(names="DNS:*.net"), NAME, NAME),
    ("a wildcard of everything", dict(names="DNS:*"), NAME, NAME),
    ("half a wildcard", dict(names="DNS:s*.example.net"), NAME, NAME),
    ("two wildcards", dict(names="DNS:*.*.net"), NAME, NAME),
    ("a wildcard inside", dict(names="DNS:script.*.net"), NAME, NAME),
    ("the name as the subject's only", dict(common_name=NAME), NAME, NAME),
    ("the name as the subject's, another as alternative", dict(common_name=NAME, names="DNS:other.example.net"), NAME, NAME),
    ("the address for the name", dict(names="IP:192.0.2.13"), NAME, NAME),
    ("the address as a name", dict(names="DNS:192.0.2.13"), "192.0.2.13", "192.0.2.13"),
    ("another address", dict(names="IP:192.0.2.14"), "192.0.2.13", "192.0.2.13"),
    ("the name for the address", dict(names=SAN), "192.0.2.13", "192.0.2.13"),
    ("for clients only", dict(names=SAN, purpose="clientAuth"), NAME, "server"),
    ("signed by itself", dict(names=SAN, issuer="itself"), NAME, "self-signed"),
    ("signed by a stranger", dict(names=SAN, issuer="stranger"), NAME, "trusted"),
    ("signed by a stranger who came along", dict(names=SAN, issuer="stranger", chain=["stranger"]), NAME, "trusted"),
    ("signed by a server", dict(names=SAN, issuer="server", chain=["server"]), NAME, "trusted"),
    ("without its intermediate", dict(names=SAN, issuer="intermediate"), NAME, "trusted"),
    ("signed by an expired intermediate", dict(names=SAN, issuer="elder", chain=["elder"]), NAME, "expired"),
]


class Relay(unittest.TestCase):
    """Sends through 192.0.2.13 with a password, by implicit TLS."""

    def send_through(self, certificate, relay, versions=None):
        server = plain_server({"AUTH": "235 2.7.0 welcome"}, ["PIPELINING", "AUTH PLAIN"], certificate, True, versions)
        family = world.socket.AF_INET6 if ":" in relay else world.socket.AF_INET
        with Peer("2001:db8::13" if ":" in relay else "192.0.2.13", 465, server, family) as peer:
            code, out, err = send(head("certificate") + b"x\n", "ops@a.example",
                                  options=["relay=" + relay, "relay_tls=implicit", "relay_user=" + world.USER, *secret()])
            self.assertEqual(err, "")
            return code, out, peer


class Certificates(Relay):
    @classmethod
    def setUpClass(cls):
        W.make_certificate("intermediate", is_ca=True, common_name="intermediate")
        W.make_certificate("elder", is_ca=True, common_name="elder", dates=PAST)
        W.make_certificate("server", "DNS:server.example.net", common_name="another server")

    def test_believed(self):
        for name, how, relay in GOOD:
            with self.subTest(name):
                code, out, _ = self.send_through(W.make_certificate("itself", **how), relay)
                self.assertEqual(code, 0, out)

    def test_not_believed(self):
        for name, how, relay, word in BAD:
            with self.subTest(name):
                code, out, peer = self.send_through(W.make_certificate("itself", **how), relay)
                self.assertEqual(code, 75, out)
                self.assertEqual(peer.lines, [])  # not a word was said, above all no password
                self.assertIn("certificate", out)
                self.assertIn(word, out)

    def test_empty_trust_store(self):  # TLS-12: fails closed
        nothing = W.folder / "nothing.pem"
        nothing.write_text("")
        code, out, err = send(head("empty") + b"x\n", "ops@a.example",
                              options=POSTFIX_587 + secret()[:1] + ["ca_file=%s" % nothing])
        self.assertIn(code, (75, 78), out + err)


class Versions(Relay):
    """TLS-21."""

    def test_each_version_alone(self):
        certificate = W.make_certificate("itself", SAN)
        version = ssl.TLSVersion
        for versions, code in (((version.TLSv1_3, version.TLSv1_3), 0), ((version.TLSv1_2, version.TLSv1_2), 0),
                               ((version.TLSv1_1, version.TLSv1_1), 75), ((version.TLSv1, version.TLSv1), 75)):
            with self.subTest(versions=versions):
                got, out, peer = self.send_through(certificate, NAME, versions)
                self.assertEqual(got, code, out)
                self.assertEqual(peer.lines == [], code != 0)

    def test_postfix_with_one_version(self):
        for port, words in ((2512, "TLSv1.2"), (2513, "TLSv1.3")):
            with self.subTest(version=words):
                options = ["relay=submission.example.net:%d" % port, *POSTFIX_587[1:], *secret()]
                code, out, err = W.mailmote("check", "ops@far.example", options=options)
                self.assertEqual(code, 0, out + err)
                self.assertIn(words, out)
