"""Scripted servers, for what real ones cannot be made to do."""
import socket
import ssl
import threading


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
        self.connection = connection
        self.buffer = b""
        self.lines = []
        self.mails = []

    def say(self, text):
        self.connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))

    def hear(self):
        """The next line, without its CRLF."""
        while b"\r\n" not in self.buffer:
            part = self.connection.recv(65536)
            if not part:
                raise EOFError
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        self.lines.append(line)
        return line

    def hear_content(self):
        """Everything up to the lone dot."""
        content = b""
        while True:
            line = self.hear()
            if line == b".":
                self.mails.append(content)
                return content
            content += line + b"\r\n"

    def start_tls(self, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
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


def plain_server(replies=None, extensions=("PIPELINING", "8BITMIME", "SIZE 1000000"), certificate=None):
    """A server that takes mail; replies maps a verb to the text to answer instead."""
    replies = replies or {}

    def talk(it):
        offers = list(extensions)
        it.say(replies.get("greeting", "220 script.example.net ready") + "\n")
        while True:
            line = it.hear()
            verb = line.split(b" ")[0].split(b":")[0].decode("latin-1").upper()
            answer = replies.get(verb)
            if callable(answer):
                answer = answer(it, line)
            if answer is not None:
                it.say(answer + "\n")
                if answer.startswith("221") or answer.startswith("421"):
                    return
                if not (verb == "DATA" and answer.startswith("354")):
                    continue
            elif verb == "EHLO":
                texts = ["script.example.net"] + offers
                it.say("".join("250%s%s\n" % ("-" if i + 1 < len(texts) else " ", t) for i, t in enumerate(texts)))
            elif verb == "STARTTLS" and certificate:
                it.say("220 go\n")
                it.start_tls(certificate)
                offers = [offer for offer in offers if offer != "STARTTLS"]
            elif verb == "QUIT":
                it.say("221 bye\n")
                return
            elif verb == "DATA":
                it.say("354 go\n")
            elif verb in ("MAIL", "RCPT", "RSET", "NOOP"):
                it.say("250 2.1.0 ok\n")
            else:
                it.say("502 5.5.1 what\n")
            if verb == "DATA":
                it.hear_content()
                it.say(replies.get("final", "250 2.0.0 queued") + "\n")

    return talk
