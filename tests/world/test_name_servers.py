"""A scripted name server, for what NSD and Unbound would never do: conformance 1 and 2."""
import time
import unittest

import peer
from cases import W
from peer import AAAA, MX, NameServer, Peer, A, a, cname, mx, plain_server, question, reply, soa, zone

HERE = ["dns_server=192.0.2.15"]
DOMAIN, HOST = "script.example", "mx.script.example"
GOOD = {(DOMAIN, MX): [mx(DOMAIN, 10, HOST)], (HOST, A): [a(HOST, "192.0.2.13")], (HOST, AAAA): []}


def framed(message):
    return [len(message).to_bytes(2, "big") + message]


class NameServers(unittest.TestCase):
    def ask(self, code, options=HERE, words="", within=10):
        """Walks the way of a mail to ops@script.example; the exchanger itself always takes it."""
        begun = time.monotonic()
        with Peer("192.0.2.13", 25, plain_server()) as exchanger:
            got, out, err = W.mailmote("check", "ops@" + DOMAIN, options=options)
        self.assertEqual(got, code, out + err)
        self.assertIn(words, out)
        self.assertLess(time.monotonic() - begun, within)
        self.assertEqual(bool(exchanger.conversations), code == 0)
        return out

    # ---- which answers count ----

    def test_wrong_answers_are_dropped(self):  # DNS-5, DNS-6
        def lie(query, number):
            wrong_id = bytes([query[0] ^ 1]) + query[1:]
            other = peer.dns_name("other.example") + b"\0\x0f\0\1"
            return [reply(wrong_id, rcode=3), reply(query, rcode=3, flags=0x0180), query, b"", b"\0" * 11,
                    reply(query, rcode=3, asked=other), *zone(GOOD)(query, number)]
        with NameServer(lie):
            self.ask(0)

    def test_answer_from_another_address_is_dropped(self):  # DNS-5
        other = peer.socket.socket(peer.socket.AF_INET, peer.socket.SOCK_DGRAM)
        self.addCleanup(other.close)
        other.bind(("192.0.2.16", 53))

        def forge(query, number):
            other.sendto(reply(query, rcode=3), server.queries[-1][1])
            time.sleep(0.1)
            return zone(GOOD)(query, number)
        with NameServer(forge) as server:
            self.ask(0)

    def test_many_wrong_answers_then_the_good_one(self):  # DNS-6, DNS-7
        def lie(query, number):
            good = zone(GOOD)(query, number)
            return [bytes([i & 255, i >> 8]) + good[0][2:] for i in range(30)] + good
        with NameServer(lie, lambda query: framed(zone(GOOD)(query, 1)[0])):
            self.ask(0)

    def test_strangers_in_an_answer_are_ignored(self):  # DNS-9, DNS-10
        stray = a(HOST, "192.0.2.66")
        with NameServer(lambda query, number: [reply(query, [stray, *GOOD[question(query)]] if question(query)[1] == MX
                                                     else GOOD[question(query)])]):
            self.ask(0)

    def test_names_of_odd_octets_are_no_hosts(self):  # DNS-19
        for exchange in ("mx\0.script.example", "m x.script.example", "mx\xff.script.example", "192.0.2.13"):  # MX-19
            with self.subTest(exchange=exchange):
                with NameServer(zone({(DOMAIN, MX): [mx(DOMAIN, 10, exchange)], (DOMAIN, A): [a(DOMAIN, "192.0.2.13")]})):
                    self.ask(68)

    def test_ports_and_ids_are_not_the_same_twice(self):  # DNS-2, DNS-3
        with NameServer(lambda query, number: [reply(query, rcode=3)]) as server:
            for _ in range(12):
                self.ask(68)
        self.assertGreater(len({sender[1] for _, sender in server.queries}), 8)
        self.assertGreater(len({query[:2] for query, _ in server.queries}), 8)

    # ---- what an answer means ----

    def test_failures_are_temporary_and_never_fall_back(self):  # MX-4
        for rcode in (2, 5, 9):
            with self.subTest(rcode=rcode):
                with NameServer(zone({(DOMAIN, MX): rcode, (DOMAIN, A): [a(DOMAIN, "192.0.2.13")]})) as server:
                    self.ask(75)
                self.assertEqual({question(query) for query, _ in server.queries}, {(DOMAIN, MX)})

    def test_addresses_of_one_family_are_not_lost_with_the_other(self):  # DNS-54
        for rcode in (2, 3, 5):
            with self.subTest(rcode=rcode), NameServer(zone({**GOOD, (HOST, AAAA): rcode})):
                self.ask(0)

    def test_host_that_cannot_be_looked_up(self):  # MX-17
        with NameServer(zone({**GOOD, (HOST, A): 2, (HOST, AAAA): 2})):
            self.ask(75)

    def test_lame_server(self):  # DNS-49: a referral is no answer
        referral = peer.record("example", peer.NS, peer.dns_name("ns.example"))
        with NameServer(lambda query, number: [reply(query, authority=[referral], flags=0x8100)]):
            self.ask(75)
            self.ask(0, [*HERE, "dns_server=192.0.2.54"])

    def test_aliases_in_any_order(self):  # DNS-51
        chain = [mx("c.example", 10, HOST), cname("b.example", "c.example"), cname(DOMAIN, "b.example")]
        with NameServer(zone({**GOOD, (DOMAIN, MX): chain})):
            self.ask(0)

    def test_alias_that_leads_out_of_the_answer(self):  # DNS-51
        with NameServer(zone({**GOOD, (DOMAIN, MX): [cname(DOMAIN, "b.example")], ("b.example", MX): [mx("b.example", 10, HOST)]})):
            self.ask(0)

    def test_alias_to_a_name_that_does_not_exist(self):  # DNS-50
        with NameServer(lambda query, number: [reply(query, [cname(DOMAIN, "b.example")], rcode=3,
                                                     authority=[soa("example")])]):
            self.ask(68)

    def test_aliases_without_end(self):  # DNS-52
        loop = [cname(DOMAIN, "b.example"), cname("b.example", DOMAIN)]
        long = [cname("c%d.example" % i if i else DOMAIN, "c%d.example" % (i + 1)) for i in range(20)]
        for name, chain in (("loop", loop), ("long", long), ("itself", [cname(DOMAIN, DOMAIN)])):
            with self.subTest(name), NameServer(lambda query, number, chain=chain: [reply(query, chain)]):
                self.ask(75)

    def test_null_mx_beside_others(self):  # MX-9
        with NameServer(zone({**GOOD, (DOMAIN, MX): [mx(DOMAIN, 0, ""), mx(DOMAIN, 10, HOST)]})):
            self.ask(0)

    # ---- which server, how often ----

    def test_second_server_is_asked(self):  # DNS-31
        with NameServer(lambda query, number: [reply(query, rcode=5)]):
            self.ask(0, [*HERE, "dns_server=192.0.2.54"])

    def test_silent_server(self):  # DNS-31, DNS-32
        with NameServer(lambda query, number: []) as server:
            self.ask(0, [*HERE, "dns_server=192.0.2.54"], within=15)
        self.assertGreater(len(server.queries), 0)

    def test_lost_datagram(self):  # DNS-32
        with NameServer(lambda query, number: zone(GOOD)(query, number) if number > 1 else []):
            self.ask(0)

    def test_closed_port_fails_at_once(self):  # DNS-41
        self.ask(0, ["dns_server=192.0.2.16", "dns_server=192.0.2.54"], within=2)

    def test_edns_is_left_out_after_formerr(self):  # DNS-43
        with NameServer(lambda query, number: [reply(query, rcode=1 if query[11] else 3)]) as server:
            self.ask(68)
        self.assertEqual([query[11] for query, _ in server.queries], [1, 0])

    # ---- over TCP ----

    def truncated(self, stream, **more):
        """Every MX answer is truncated, with a part of the set in it that must not be used (DNS-35)."""
        wrong = [mx(DOMAIN, 10, "wrong.example")]

        def answer(query, number):
            return [reply(query, wrong, flags=0x8380)] if question(query)[1] == MX else zone(GOOD)(query, number)
        return NameServer(answer, stream, **more)

    def test_truncated_answer_is_asked_for_over_tcp(self):  # DNS-34
        with self.truncated(lambda query: framed(zone(GOOD)(query, 1)[0])) as server:
            self.ask(0)
        self.assertEqual([question(query) for query in server.streamed], [(DOMAIN, MX)])

    def test_an_octet_at_a_time(self):  # DNS-36
        with self.truncated(lambda query: [bytes([octet]) for octet in framed(zone(GOOD)(query, 1)[0])[0]]):
            self.ask(0)

    def test_truncated_and_nothing_listens_over_tcp(self):  # DNS-35
        with self.truncated(None):
            out = self.ask(75, within=30)
        self.assertNotIn("wrong.example", out)

    def test_streams_that_lie(self):  # DNS-36, DNS-40
        for name, stream in (("closes", lambda query: None), ("length 0", lambda query: [b"\0\0"]),
                             ("length 5", lambda query: [b"\0\5hello"]), ("garbage", lambda query: [b"\xff\xff" + b"x" * 70000]),
                             ("half", lambda query: [framed(zone(GOOD)(query, 1)[0])[0][:20]])):
            with self.subTest(name), self.truncated(stream):
                self.ask(75, within=30)
