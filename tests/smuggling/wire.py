"""Bytes: what goes over a connection, kept and read as strictly as HTTP/1.1 can be read."""

import collections
import contextlib
import re
import socket
import threading

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
HEAD = re.compile(rf"({TOKEN}) ([!-~]+) HTTP/1\.([01])\r\n((?:{TOKEN}: ?[^\r\n\0]*\r\n)*)\r\n".encode())
# How many seconds an answer may take, and how many are given to one that should not come. The logs tell of it if it was slower.
PATIENCE, AFTERWARDS = 5, 0.15

Request = collections.namedtuple("Request", "method target headers body")
Answer = collections.namedtuple("Answer", "status request_id")


class Unclear(Exception):
    """What was sent cannot be read, or not in one way only."""


def requests_in(stream):
    """The requests in what a proxy sent over one connection; each must be such that nobody could read it otherwise."""
    while stream:
        head = HEAD.match(stream)
        if not head:
            raise Unclear(bytes(stream))
        headers = collections.defaultdict(list)
        for line in head[4].decode("latin-1").splitlines():
            name, _, value = line.partition(":")
            headers[name.lower()].append(value.strip())
        lengths, hosts = headers["content-length"], headers["host"]
        if len(lengths) > 1 or not all(re.fullmatch("[0-9]+", text) for text in lengths) or headers["transfer-encoding"] or len(hosts) > 1:
            raise Unclear(bytes(stream))
        end = head.end() + int(lengths[0] if lengths else 0)
        if len(stream) < end:
            raise Unclear(bytes(stream))
        yield Request(head[1].decode(), head[2].decode(), headers, bytes(stream[head.end():end]))
        stream = stream[end:]


class Tap:
    """Stands between a proxy and a server, hands everything on, and keeps what the proxy sent over each connection."""

    def __init__(self, port, server):
        self.server, self.sent = server, []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Takes connections until the end."""
        while True:
            proxy, _ = self.listener.accept()
            kept = bytearray()
            self.sent.append(kept)
            server = socket.create_connection(("127.0.0.1", self.server))
            threading.Thread(target=self.hand_on, args=(proxy, server, kept), daemon=True).start()
            threading.Thread(target=self.hand_on, args=(server, proxy, None), daemon=True).start()

    @staticmethod
    def hand_on(source, target, kept):
        """One direction of a connection."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Answers:
    """What comes back over a connection."""

    def __init__(self, connection):
        self.connection, self.buffer, self.is_open, self.is_first = connection, b"", True, True

    def more(self):
        """Whether something came."""
        try:
            data = self.connection.recv(65536)
        except TimeoutError:
            return False
        except OSError:
            data = b""
        self.buffer, self.is_open = self.buffer + data, bool(data)
        return self.is_open

    def take(self, size):
        """So many bytes, or fewer if there are no more."""
        while len(self.buffer) < size and self.more():
            pass
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def line(self):
        """Up to the end of a line."""
        while b"\n" not in self.buffer and self.more():
            pass
        return self.take(self.buffer.index(b"\n") + 1 if b"\n" in self.buffer else len(self.buffer))

    def next(self, has_body):
        """The next answer; none if there is no further one."""
        first = self.line()
        if not first:
            return None
        status = re.fullmatch(rb"HTTP/1\.1 (\d{3}) .*\r\n", first)
        if not status and self.is_first:
            # HTTP/0.9: a body and nothing else.
            self.take(1 << 20)
            return Answer(None, None)
        self.is_first = False
        if not status:
            raise Unclear(first + self.buffer)
        headers = {}
        while (line := self.line()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if has_body and status[1] not in (b"100", b"204", b"304"):
            if headers.get("transfer-encoding") == "chunked":
                while size := int(self.line() or b"0", 16):
                    self.take(size + 2)
                self.line()
            else:
                self.take(int(headers.get("content-length", 0)))
        return Answer(int(status[1]), headers.get("x-request-id"))


def exchange(connection, content, expected=1, has_body=True):
    """Sends these bytes; every answer that comes back, and whether the connection is closed then."""
    connection.settimeout(PATIENCE)
    with contextlib.suppress(OSError):
        connection.sendall(content)
    answers, found = Answers(connection), []
    while answer := answers.next(has_body):
        if answer.status != 100:
            found.append(answer)
        if len(found) >= expected:
            connection.settimeout(AFTERWARDS)
    return found, not answers.is_open
