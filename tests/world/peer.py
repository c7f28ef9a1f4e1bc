"""Scripted servers, for what real ones cannot be made to do."""
import socket
import ssl
import struct
import threading
import warnings


class Peer:
    """Listens at an address and runs talk(conversation) for each connection, in a thread. Bounded by time-outs."""

    def __init__(self, address, port, talk, family=socket.AF_INET):
        self.talk = talk
        self.conversations = []
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, port))
        self.socket.listen()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            conversation = Conversation(connection)
            self.conversations.append(conversation)
            threading.Thread(target=self._serve, args=(conversation,), daemon=True).start()

    def _serve(self, conversation):
        try:
            self.talk(conversation)
        except (OSError, EOFError, ssl.SSLError):
            pass
        finally:
            conversation.close()

    @property
    def lines(self):
        """Every line that was heard, over all connections."""
        return [line for conversation in self.conversations for line in conversation.lines]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


class Conversation:
    def __init__(self, connection):
        connection.settimeout(20)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self.buffer = b""
        self.lines = []
        self.mails = []
        self.flight_count = 0  # how often we had to wait for the client

    def say(self, text):
        self.connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))

    def hear(self):
        """The next line, without its CRLF."""
        while b"\r\n" not in self.buffer:
            self.flight_count += 0 if self._has_more() else 1
            part = self.connection.recv(65536)
            if not part:
                raise EOFError
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        self.lines.append(line)
        return line

    def _has_more(self):
        return isinstance(self.connection, ssl.SSLSocket) and self.connection.pending() > 0

    def hear_content(self):
        """Everything up to the lone dot."""
        content = b""
        while True:
            line = self.hear()
            if line == b".":
                self.mails.append(content)
                return content
            content += line + b"\r\n"

    def start_tls(self, certificate, versions=None):
        """certificate: a file of key and chain; versions: lowest and highest ssl.TLSVersion."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if versions:
            context.set_ciphers("ALL:@SECLEVEL=0")  # old versions are for sale only there
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                context.minimum_version, context.maximum_version = versions
        context.load_cert_chain(certificate)
        self.connection = context.wrap_socket(self.connection, server_side=True)

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()

    def close(self):
        try:
            self.connection.close()
        except OSError:
            pass


def plain_server(replies=None, extensions=("PIPELINING", "8BITMIME", "SIZE 2000000"), certificate=None, is_implicit=False,
                 versions=None):
    """A server that takes mail; replies maps a verb to the text to answer instead, or a function of (it, line) giving it.

    "greeting" and "final" are verbs too. None lets the usual answer be given; "" gives none.
    """
    replies = replies or {}

    def usual(it, verb, offers):
        if verb == "EHLO":
            texts = ["script.example.net", *offers]
            return "".join("250%s%s\n" % ("-" if i + 1 < len(texts) else " ", text) for i, text in enumerate(texts))[:-1]
        return {"STARTTLS": "220 go", "QUIT": "221 bye", "DATA": "354 go", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok",
                "RSET": "250 ok", "NOOP": "250 ok", "HELO": "250 script.example.net", "greeting": "220 script.example.net ready",
                "final": "250 2.0.0 queued"}.get(verb, "502 5.5.1 what")

    def say(it, verb, line, offers):
        answer = replies.get(verb)
        if callable(answer):
            answer = answer(it, line)
        if answer is None:
            answer = usual(it, verb, offers)
        if answer:
            it.say(answer + "\n")
        return answer[:3]

    def talk(it):
        offers = list(extensions)
        if is_implicit:
            it.start_tls(certificate, versions)
        say(it, "greeting", b"", offers)
        while True:
            line = it.hear()
            verb = line.split(b" ")[0].split(b":")[0].decode("latin-1").upper()
            code = say(it, verb, line, offers)
            if code in ("221", "421"):
                return
            if verb == "STARTTLS" and code == "220":
                it.start_tls(certificate, versions)
                offers = [offer for offer in offers if offer != "STARTTLS"]
            if verb == "DATA" and code == "354":
                it.hear_content()
                if say(it, "final", b"", offers) in ("421", ""):
                    return

    return talk


# ---- names ----

A, CNAME, SOA, MX, AAAA, NS = 1, 5, 6, 15, 28, 2


def dns_name(text):
    """A name as DNS writes it; text may hold any octet but a dot within a label."""
    labels = [label.encode("latin-1") for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def record(owner, kind, data, ttl=60):
    return dns_name(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def mx(owner, preference, exchange):
    return record(owner, MX, struct.pack(">H", preference) + dns_name(exchange))


def cname(owner, target):
    return record(owner, CNAME, dns_name(target))


def a(owner, address):
    return record(owner, A, socket.inet_pton(socket.AF_INET, address))


def soa(owner):
    return record(owner, SOA, dns_name("ns." + owner) + dns_name("hm." + owner) + struct.pack(">5I", 1, 60, 60, 60, 60))


def question(query):
    """What a query asks: (name in lower case, type)."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
        at += 1 + query[at]
    return ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0]


def reply(query, answers=(), rcode=0, flags=0x8180, authority=(), asked=None):
    """An answer to a query, without EDNS. asked replaces the question that is repeated."""
    end = query.index(b"\0", 12) + 5
    return query[:2] + struct.pack(">HHHHH", flags | rcode, 1, len(answers), len(authority), 0) + \
        (asked or query[12:end]) + b"".join(answers) + b"".join(authority)


def zone(records):
    """Answers out of {(name, type): [records] or a number, the RCODE}; what is not there does not exist."""
    def answer(query, _number):
        found = records.get(question(query), 3 if not any(key[0] == question(query)[0] for key in records) else [])
        return [reply(query, rcode=found) if isinstance(found, int) else
                reply(query, found, authority=[] if found else [soa("example")])]
    return answer


class NameServer:
    """Answers at 192.0.2.15: answer(query, number) gives the datagrams to send back, the first query's number being 1.

    Over TCP, stream(query) gives the octets to send, one write each, before the connection is closed; without it nothing
    listens there.
    """

    def __init__(self, answer, stream=None, address="192.0.2.15"):
        self.answer = answer
        self.stream = stream
        self.queries = []  # (octets, sender)
        self.streamed = []
        self.done = threading.Event()
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind((address, 53))
        self.threads = [threading.Thread(target=self._run, daemon=True)]
        if stream:
            self.listener = socket.create_server((address, 53))
            self.threads.append(threading.Thread(target=self._run_streams, daemon=True))
            self.listener.settimeout(0.1)
        self.datagrams.settimeout(0.1)

    def _run(self):
        while not self.done.is_set():
            try:
                query, sender = self.datagrams.recvfrom(4096)
            except TimeoutError:
                continue
            self.queries.append((query, sender))
            for datagram in self.answer(query, len(self.queries)):
                self.datagrams.sendto(datagram, sender)

    def _run_streams(self):
        while not self.done.is_set():
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(5)
                try:
                    self._serve(connection)
                except OSError:
                    pass

    def _serve(self, connection):
        heard = b""
        while True:
            while len(heard) < 2 or len(heard) < 2 + int.from_bytes(heard[:2], "big"):
                part = connection.recv(4096)
                if not part:
                    return
                heard += part
            size = 2 + int.from_bytes(heard[:2], "big")
            query, heard = heard[2:size], heard[size:]
            self.streamed.append(query)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pieces = self.stream(query)
            if pieces is None:
                return
            for piece in pieces:
                connection.sendall(piece)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join(6)
        self.datagrams.close()
        if self.stream:
            self.listener.close()
