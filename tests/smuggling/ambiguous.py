"""Requests that two servers could read in two ways, by what must become of them.

Each is made of a POST or a GET, and most hide a whole second request, which comes to light when somebody ends the first one in
the wrong place.
"""

import collections

# It is refused, the connection is closed, and what is behind it is not answered.
REFUSED = "refused"
# It is refused, or it is one request, and the same one to everybody.
ONE_AT_MOST = "one at most"
# Two requests and two answers: nothing is ambiguous here, and it shows that two are seen where there are two.
TWO = "two"

# Whose the request is where two hosts are named: the first line, or its like in HTTP/2, has the last word (RFC 9112 §3.2.2).
HOSTS = {
    "another host in the first line": "elsewhere.example",
    "another host beside that of the first line": "{host}",
    "HTTP/2: a host beside the authority": "{host}",
}

Ambiguous = collections.namedtuple("Ambiguous", "name outcome content")
CHUNKED = "Transfer-Encoding: chunked\r\n"
END = "0\r\n\r\n"
# Where nobody is who is sent through a proxy here: an address that may only be believed if the proxy says so.
FORGED = "203.0.113.66"


def length(body):
    """The header that measures this body."""
    return f"Content-Length: {len(body)}\r\n"


def chunk(body, size=None):
    """This body in one chunk, perhaps with another size."""
    return f"{f'{len(body):x}' if size is None else size}\r\n{body}\r\n{END}"


def requests(post, get, hidden):
    """All of them, in HTTP/1.1. POST and GET are requests without the empty line at their end, HIDDEN is a whole one."""
    host = get.splitlines()[1]

    def posted(headers, body=""):
        return f"{post}{headers}\r\n{body}"

    def got(headers="", body=""):
        return f"{get}{headers}\r\n{body}"

    def changed(old, new, headers="", body=""):
        return got(headers, body).replace(old, new, 1)

    for outcome, some in (
        (REFUSED, lengths_and_codings(posted, got, hidden)),
        (REFUSED, chunks_that_are_none(posted, hidden)),
        (REFUSED, no_requests(posted, got, changed, host, hidden)),
        (ONE_AT_MOST, hidden_in_bodies(posted, got, changed, hidden)),
        (ONE_AT_MOST, odd_lines(posted, got, changed, host, hidden)),
        (ONE_AT_MOST, forged_headers(got)),
        (TWO, {
            "a second request": got("", hidden),
            "a second request behind a body": posted(length("a=b"), "a=b" + hidden),
            "a second request behind chunks": posted(CHUNKED, chunk("a=b") + hidden),
            "a second request behind empty lines": got("", f"\r\n\r\n{hidden}"),
        }),
    ):
        for name, content in some.items():
            yield Ambiguous(name, outcome, content)


def lengths_and_codings(posted, got, hidden):
    """Two of them, or one that is none (RFC 9112 §6)."""
    numbers = ("+0", "-1", "0x0", "0.0", "0e1", "1_0", "", "0 0", "\x0b0", "\x000", "0, 0", f"0, {len(hidden)}",
               str(2**63), str(2**64), "9" * 30)
    codings = ("chunked, identity", "identity, chunked", "identity", "xchunked", "chunkedx", "\x0bchunked", "\x0cchunked", "chunked\x00",
               "chunked;q=1", "'chunked'", '"chunked"', "gzip, chunked", "chunked, chunked", "", ",chunked",
               "chunked\r\nTransfer-Encoding: identity", "identity\r\nTransfer-Encoding: chunked",
               "chunked\r\nTransfer-Encoding: chunked", "\r\nTransfer-Encoding: chunked")
    written = ("Transfer-Encoding: CHUNKED", "transfer-encoding:chunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked ",
               "Transfer-Encoding: x", "X: x\nTransfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked",
               "Transfer-Encoding\x00: chunked")
    return {
        "CL.TE": posted(length(END + hidden) + CHUNKED, END + hidden),
        "CL.TE of a GET": got(length(END + hidden) + CHUNKED, END + hidden),
        "TE.CL": posted(CHUNKED + "Content-Length: 4\r\n", chunk(hidden)),
        "CL.TE, and the length is short": posted("Content-Length: 4\r\n" + CHUNKED, chunk(hidden)),
        "two lengths": posted("Content-Length: 0\r\n" + length(hidden), hidden),
        "two lengths, the other way round": posted(length(hidden) + "Content-Length: 0\r\n", hidden),
        "one length twice": posted("Content-Length: 0\r\nContent-Length: 0\r\n", hidden),
        "a blank before the colon of a length": posted("Content-Length : 0\r\n" + length(hidden), hidden),
        **{f"the length {text!r}": posted(f"Content-Length: {text}\r\n", hidden) for text in numbers},
        **{f"TE.TE, {text!r}": posted(f"Transfer-Encoding: {text}\r\n", END + hidden) for text in codings},
        **{f"CL.TE, {text!r}": posted(f"{length(END + hidden)}{text}\r\n", END + hidden) for text in written},
    }


def chunks_that_are_none(posted, hidden):
    """Sizes that are no numbers, or too large, and chunks of another size."""
    sizes = ("zz", "-1", "+1", "", "_", "0x5", "1" + "0" * 16, "f" * 16, "f" * 17)
    return {
        **{f"the chunk size {size!r}": posted(CHUNKED, chunk(hidden, size)) for size in sizes},
        "a chunk that is longer than it says": posted(CHUNKED, chunk("abcd", 2) + hidden),
    }


def no_requests(posted, got, changed, host, hidden):
    """Hosts, versions, methods and lines that are not to be (RFC 9112 §2.2, §3, §5.1)."""
    return {
        "two hosts": got("Host: elsewhere.example\r\n", hidden),
        "one host twice": got(f"{host}\r\n", hidden),
        "no host": changed(f"{host}\r\n", "", "", hidden),
        "an empty host": changed(host, "Host:", "", hidden),
        "a host with a path": changed(host, f"{host}/a", "", hidden),
        "a host with a NUL": changed(host, f"{host}\x00a", "", hidden),
        "no version": changed("HTTP/1.1", "HTTP/", "", hidden),
        "the version 1.1.1": changed("HTTP/1.1", "HTTP/1.1.1", "", hidden),
        "the version 2.0": changed("HTTP/1.1", "HTTP/2.0", "", hidden),
        "a NUL first": "\x00" + got("", hidden),
        "a NUL in a header": got("X: a\x00b\r\n", hidden),
        "a blank first": " " + got("", hidden),
        "a blank in the path": changed(" HTTP", "/ x HTTP", "", hidden),
        "a CR in the first line": changed(" HTTP", "\r HTTP", "", hidden),
        "a method in small letters": changed("GET", "get", "", hidden),
        "a line without a colon": posted("Transfer-Encoding chunked\r\n" + length(hidden), hidden),
        "a name beside the host": changed(" /", " http://a@localhost/", "", hidden),
        "CONNECT": f"CONNECT localhost:80 HTTP/1.1\r\n{host}\r\n\r\n{hidden}",
    }


def hidden_in_bodies(posted, got, changed, hidden):
    """The body is the hidden request, for who does not read it, or does not read it to its end."""
    measured, expecting = length(hidden), "Expect: 100-continue\r\n"
    return {
        "CL.0": posted(measured, hidden),
        "CL.0 of a GET": got(measured, hidden),
        "CL.0 of a HEAD": changed("GET", "HEAD", measured, hidden),
        "CL.0 of OPTIONS": changed("GET", "OPTIONS", measured, hidden),
        "CL.0 of DELETE": changed("GET", "DELETE", measured, hidden),
        "TE.0": posted(CHUNKED, chunk(hidden)),
        "TE.0 of a GET": got(CHUNKED, chunk(hidden)),
        "CL.0 behind Expect": posted(expecting + measured, hidden),
        "CL.0 of a GET behind Expect": got(expecting + measured, hidden),
        "CL.0 behind an Expect that is none": posted("Expect: y 100-continue\r\n" + measured, hidden),
        "CL.0 on the last request": posted("Connection: close\r\n" + measured, hidden),
        "CL.0 with a length to be dropped": posted("Connection: Content-Length\r\n" + measured, hidden),
        "a body that is longer than it says": posted("Connection: close\r\nContent-Length: 3\r\n", "a=b" + hidden),
        "a body that is shorter than it says": posted(length("a=b" + 2 * hidden), "a=b" + hidden),
        "a length with zeros before it": posted(f"Content-Length: 000{len(hidden)}\r\n", hidden),
        "a length with blanks around it": posted(f"Content-Length: \t{len(hidden)} \r\n", hidden),
        "a coding under an underscore": posted("Transfer_Encoding: chunked\r\n" + length(END + hidden), END + hidden),
        "a length under an underscore": posted("Content_Length: 0\r\n" + measured, hidden),
        "a coding on a folded line": posted("X: x\r\n Transfer-Encoding: chunked\r\n" + length(END + hidden), END + hidden),
        "a coding that is folded": posted("Transfer-Encoding:\r\n chunked\r\n" + length(END + hidden), END + hidden),
        "a coding behind a bare CR": posted("X: x\rTransfer-Encoding: chunked\r\n" + length(END + hidden), END + hidden),
        "chunks that end with bare LFs": posted(CHUNKED, f"{len(hidden):x}\n{hidden}\n0\n\n"),
        "chunks with zeros before their sizes": posted(CHUNKED, chunk(hidden, f"000{len(hidden):x}")),
        "chunks with blanks behind their sizes": posted(CHUNKED, chunk(hidden, f"{len(hidden):x} ")),
        "chunks without an end": posted(CHUNKED, chunk(hidden).removesuffix(END)),
        "chunks from HTTP/1.0": posted(CHUNKED, chunk(hidden)).replace("HTTP/1.1", "HTTP/1.0", 1),
        "an extension of a chunk": posted(CHUNKED, chunk(hidden, f"{len(hidden):x};a=b;c=\"d\"")),
        "an extension with an end of chunks in it": posted(CHUNKED, chunk(hidden, f"{len(hidden):x};a=\"\r\n{END}\"")),
        "an extension with a bare LF in it": posted(CHUNKED, "2;\nxx\r\n" + chunk(hidden)),
        "an extension with a bare CR in it": posted(CHUNKED, "2;\rxx\r\nab\r\n" + END),
        "an extension of 8,000 bytes": posted(CHUNKED, chunk("a", f"1;{'x' * 8000}")),
        "a trailer": posted(CHUNKED, chunk("a=b").removesuffix("\r\n") + f"X-Forwarded-For: {FORGED}\r\n{length(hidden)}\r\n"),
    }


def odd_lines(posted, got, changed, host, hidden):
    """Ends of lines, hosts in two places, connections that are to become another."""
    upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    return {
        "bare LFs": got().replace("\r\n", "\n"),
        "an empty line that is a bare LF": got().removesuffix("\r\n") + "\n",
        "a folded line first": changed(host, f" X: x\r\n{host}"),
        "blanks in the first line": changed(" /", "   /").replace(" HTTP", "   HTTP", 1),
        "a first line without a version": changed(" HTTP/1.1", ""),
        "HTTP/1.0 without a host": changed("HTTP/1.1", "HTTP/1.0").replace(f"{host}\r\n", "", 1),
        "another host in the first line": changed(" /", " http://elsewhere.example/"),
        "another host beside that of the first line":
            changed(" /", f" http://{host.split()[1]}/").replace(host, "Host: elsewhere.example", 1),
        "a request in the path": changed(" HTTP", "%20HTTP/1.1%0d%0aHost:%20a%0d%0a%0d%0aGET%20/ HTTP"),
        "an upgrade to HTTP/2": got(upgrade, hidden).removesuffix(hidden),
        "an upgrade to HTTP/2 with a body": posted(upgrade + length(hidden), hidden),
        "an upgrade to WebSocket": got("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1\r\n"),
        "what the proxy says is to be dropped": got("Connection: close, X-Forwarded-For, Host, traceparent\r\n"),
    }


def forged_headers(got):
    """Who asks, and for what, under every name that a proxy might pass on and a server might read."""
    names = ("X-Forwarded-For", "x-forwarded-for", "X_Forwarded_For", "X-Forwarded_For", "X.Forwarded.For", "X-Forwarded-For ",
             "X-Forwarded-For\t", "X: x\r\n X-Forwarded-For", "X: x\rX-Forwarded-For", "X-Real-IP", "X_Real_IP", "X-Original-URL",
             "X-Rewrite-URL", "X-Forwarded-Host", "X-Auth-Subject", "X_Auth_Subject", "X-Auth_Subject", "X-Auth-Roles")
    return {
        **{f"forged: {name!r}": got(f"{name}: {FORGED}\r\n") for name in names},
        "forged twice": got(f"X-Forwarded-For: {FORGED}\r\nX-Forwarded-For: {FORGED}\r\n"),
        "forged on a folded line": got(f"X-Forwarded-For:\r\n {FORGED}\r\n"),
        "forged as RFC 7239 has it": got(f"Forwarded: for={FORGED}\r\n"),
    }
