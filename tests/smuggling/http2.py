"""HTTP/2, in which a request has no lines: what becomes ambiguous only when nginx makes HTTP/1.1 of it."""

import contextlib
import struct

from ambiguous import END, FORGED, ONE_AT_MOST, REFUSED, TWO, Ambiguous
from wire import AFTERWARDS, PATIENCE, Answer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
ACK, END_STREAM, END_HEADERS = 1, 1, 4
# The static table's entries of :status (RFC 7541, appendix A); nginx writes the other ones out.
STATUSES = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}


def frame(kind, flags, stream, content=b""):
    """RFC 9113 §4.1."""
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def field(name, value):
    """A header as it is: a literal with a new name, outside of every table (RFC 7541 §6.2.2)."""
    def text(content):
        content = content.encode("latin-1")
        # An integer with a prefix of seven bits (§5.1).
        size, more = (bytes([len(content)]), b"") if len(content) < 127 else (b"\x7f", b"")
        rest = len(content) - 127
        while rest >= 128:
            more, rest = more + bytes([rest % 128 + 128]), rest // 128
        return size + (more + bytes([rest]) if rest >= 0 else b"") + content
    return b"\x00" + text(name) + text(value)


def request(stream, headers, *bodies):
    """One request, whose bodies are a frame each."""
    content = frame(HEADERS, END_HEADERS | (0 if bodies else END_STREAM), stream, b"".join(field(*header) for header in headers))
    for place, body in enumerate(bodies, 1):
        content += frame(DATA, END_STREAM if place == len(bodies) else 0, stream, body.encode("latin-1"))
    return content


def exchange(connection, content, expected=1):
    """Sends these frames; the status of every answer, and whether the connection is closed."""
    connection.settimeout(PATIENCE)
    buffer, answers = b"", []
    with contextlib.suppress(OSError):
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + content)
        while data := connection.recv(65536):
            buffer += data
            while len(buffer) >= 9 and len(buffer) >= 9 + (size := int.from_bytes(buffer[:3], "big")):
                kind, flags, block = buffer[3], buffer[4], buffer[9:9 + size]
                buffer = buffer[9 + size:]
                if kind == SETTINGS and not flags & ACK:
                    connection.sendall(frame(SETTINGS, ACK, 0))
                elif kind == HEADERS:
                    answers.append(Answer(STATUSES.get(block[0]) or int(block[2:5]), None))
                elif kind == GOAWAY:
                    return answers, True
                if len(answers) >= expected or kind == RST_STREAM:
                    connection.settimeout(AFTERWARDS)
        return answers, True
    return answers, False


def requests(host, usual, post, get, hidden):
    """All of them. USUAL are headers of every one, POST and GET paths, HIDDEN a whole request in HTTP/1.1."""
    def pseudo(method, path, authority=host):
        return [(":method", method), (":scheme", "https"), (":path", path), (":authority", authority)]

    def posted(headers, *bodies):
        return request(1, pseudo("POST", post) + usual + headers, *bodies)

    def got(headers, stream=1):
        return request(stream, pseudo("GET", get) + usual + headers)

    def instead(**others):
        headers = [(name, others.get(name[1:], value)) for name, value in pseudo("GET", get)]
        return request(1, headers + usual)

    behind = f" HTTP/1.1\r\nHost: {host}\r\n\r\n{hidden}"
    for name, content in {
        "H2.CL, a length of nothing": posted([("content-length", "0")], hidden),
        "H2.CL, a length that is short": posted([("content-length", "3")], "a=b", hidden),
        "H2.CL, a length that is long": posted([("content-length", str(2 * len(hidden)))], hidden),
        "H2.CL, two lengths": posted([("content-length", "0"), ("content-length", str(len(hidden)))], hidden),
        "H2.CL, no number": posted([("content-length", "+0")], hidden),
        "a CRLF in a value": got([("x-a", f"a\r\n\r\n{hidden}")]),
        "a header in a value": posted([("x-a", f"a\r\ncontent-length: {len(hidden)}")], hidden),
        "a LF in a value": got([("x-a", "a\ntransfer-encoding: chunked")]),
        "a NUL in a value": got([("x-a", "a\0b")]),
        "a CRLF in a method": instead(method=f"GET {get}{behind}GET"),
        "a blank in a method": instead(method=f"GET {get}"),
        "a CRLF in a path": instead(path=f"{get}{behind}"),
        "a CRLF in a host": instead(authority=f"{host}\r\n\r\n{hidden}"),
        "a path in a host": instead(authority=f"{host}/a"),
        "no path": request(1, [header for header in pseudo("GET", get) if header[0] != ":path"] + usual),
        "two paths": request(1, pseudo("GET", get) + [(":path", get)] + usual),
        "two methods": request(1, pseudo("GET", get) + [(":method", "POST")] + usual),
        "an empty path": instead(path=""),
        "a path that begins with nothing": instead(path="documents"),
    }.items():
        yield Ambiguous(name, REFUSED, content)
    for name, content in {
        "H2.TE": posted([("transfer-encoding", "chunked")], END + hidden),
        "H2.TE, with a length": posted([("transfer-encoding", "chunked"), ("content-length", str(len(END + hidden)))], END + hidden),
        "H2.0": posted([], hidden),
        "H2.0 of a GET": request(1, pseudo("GET", get) + usual, hidden),
        "a CRLF in a name": got([("x-a: a\r\ntransfer-encoding", "chunked")]),
        "a colon in a name": got([(f"x-forwarded-for: {FORGED}", "a")]),
        "a blank in a name": got([("x-forwarded-for ", FORGED)]),
        "an underscore in a name": got([("x_forwarded_for", FORGED)]),
        "capitals in a name": got([("X-Forwarded-For", FORGED)]),
        "a forged address": got([("x-forwarded-for", FORGED)]),
        "a host beside the authority": got([("host", "elsewhere.example")]),
        "another authority": instead(authority="elsewhere.example"),
        "a pseudo-header behind the others": got([(":authority", "elsewhere.example")]),
        "a connection to be kept": got([("connection", "keep-alive, x-forwarded-for"), ("keep-alive", "timeout=5")]),
        "an upgrade": got([("connection", "upgrade"), ("upgrade", "websocket")]),
        "te: chunked": got([("te", "chunked")]),
    }.items():
        yield Ambiguous(name, ONE_AT_MOST, content)
    yield Ambiguous("two streams", TWO, got([]) + got([], 3))
