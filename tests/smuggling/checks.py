"""Sends every ambiguous request through every nginx, and compares what nginx handed on, what the servers understood, and what
came back.

usage: checks.py, started by tests/smuggling/run, which says where everything is
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import sys
import time
import urllib.parse

import ambiguous
import http2
import program
import targets
import wire

ISSUER, API, LOGS = os.environ["STACK_ISSUER"], os.environ["STACK_RESOURCE"], pathlib.Path(os.environ["LOGS"])
# What became of a request: who sent it, its two traces, its answers, whether the connection was closed, and what the two honest
# requests behind it were answered.
Seen = collections.namedtuple("Seen", "request is_http2 source honest_source trace hidden answers is_closed honest")
passed = failed = 0


def check(what, holds, said=None):
    """Counts it, and says so if it does not hold."""
    global passed, failed  # pylint: disable=global-statement
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print(f"  FAILED   {what}: {said}")


def put_one(target, protocol, source, content, expected=1):
    """Sends these bytes over a new connection: the answers, and whether the connection was closed."""
    with target.connect(source, protocol) as connection:
        if protocol == "h2":
            return http2.exchange(connection, content, expected)
        try:
            return wire.exchange(connection, content, expected, not content.startswith(b"HEAD"))
        except wire.Unclear as unclear:
            return [unclear], True


def put(number, target):
    """Sends everything to one target, each from an address of its own, and two honest requests after each."""
    seen = []
    # As long as traces are, which are put in when it is known whose they are.
    trace, hidden = "v" * 32, "h" * 32
    for place, (request, protocol) in enumerate(target.requests(trace, hidden)):
        own, theirs, honest_trace = (f"{kind}{number:07x}{place:024x}" for kind in "123")
        content = request.content.replace(trace.encode(), own.encode()).replace(hidden.encode(), theirs.encode())
        source, honest_source = (f"127.{network + number}.{place // 250}.{place % 250 + 1}" for network in (20, 60))
        answers, is_closed = put_one(target, protocol, source, content, 2 if request.outcome == ambiguous.TWO else 1)
        asked = target.begun("GET", target.get, honest_trace, target.headers + "Connection: close\r\n") + "\r\n"
        honest = [answer for _ in range(2) for answer in put_one(target, "http/1.1", honest_source, asked.encode())[0]]
        seen.append(Seen(request, protocol == "h2", source, honest_source, own, theirs, answers, is_closed, honest))
    return seen


def understood(server):
    """What a server says that it was asked: a line for each request."""
    if server == "program":
        return list(program.UNDERSTOOD)
    with (LOGS / f"{server}.log").open(encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines if line.startswith("{")]
    # The services ask each other, too.
    return [event for event in events if event.get("target") == "access"
            and (event["client_ip"] != "127.0.0.1" or event["trace_id"].startswith("20000"))]


def handed_on(server, taps):
    """What nginx asked a server: each request by who sent it and by its trace, and the most that went over one connection."""
    found, most = collections.defaultdict(list), 0
    for kept in (kept for tap in taps for kept in tap.sent):
        try:
            requests = list(wire.requests_in(bytes(kept)))
        except wire.Unclear as unclear:
            check(f"what nginx sends to {server} can be read in one way", False, unclear)
            continue
        most = max(most, len(requests))
        for request in requests:
            # As a program sees names that makes variables of them.
            told = [value for name, values in request.headers.items() for value in values if name.replace("_", "-") == "x-forwarded-for"]
            check(f"{server} is told once where a request comes from", len(told) == 1, request)
            # Who asks is the services' own finding: they read no header of that name.
            forged = [name for name, values in request.headers.items() if ambiguous.FORGED in name + "".join(values)
                      and (server == "program" or not name.startswith("x-auth-"))]
            check(f"{server} is told nothing that was forged", not forged, request)
            trace = "".join(request.headers["traceparent"]).split("-")
            found["".join(told), trace[1] if len(trace) == 4 else None].append(request)
    return found, most


def compare(server, sent):
    """Whether a server understood what nginx handed on, no more and no less; what it says that it understood."""
    meant = collections.Counter({key: len(requests) for key, requests in sent.items()})
    lines, deadline = [], time.monotonic() + 10
    while len(lines) < meant.total() and time.monotonic() < deadline:
        time.sleep(0.1)
        lines = understood(server)
    traces = {trace for _, trace in meant}
    heard = collections.Counter((line["client_ip"], line["trace_id"] if line["trace_id"] in traces else None) for line in lines)
    check(f"{server} understands what nginx meant", meant == heard, (meant - heard, heard - meant))
    return lines


def judge(target, seen, lines, sent):
    """Whether an ambiguous request became what it should, and what that was."""
    what = f"{target.name}, {seen.request.name}"
    asked = [line for line in lines if line["client_ip"] == seen.source]
    statuses = [answer.status if isinstance(answer, wire.Answer) else answer for answer in seen.answers]
    said = statuses, seen.is_closed, asked
    if seen.is_http2:
        # Their headers are compressed: the name of an answer is not to be had.
        own = [line["status"] for line in asked]
        check(f"{what}: every request got its own answer", not own or statuses == own, said)
    elif None in statuses:
        # HTTP/0.9 has no headers.
        check(f"{what}: every request got an answer", len(asked) <= 1 == len(statuses), said)
    else:
        named = [answer.request_id for answer in seen.answers if isinstance(answer, wire.Answer) and answer.request_id]
        check(f"{what}: every request got its own answer", named == [line["request_id"] for line in asked], said)

    if seen.request.outcome == ambiguous.TWO:
        check(f"{what}: two answers", len(statuses) == 2, said)
        return "two requests"
    hidden = [line for line in asked if line["trace_id"] == seen.hidden]
    check(f"{what}: nothing hidden is answered", not hidden and len(asked) <= 1 and len(statuses) <= 1, said)
    if seen.request.outcome == ambiguous.REFUSED:
        # A stream is no connection: the other ones of it go on.
        is_over = seen.is_closed or seen.is_http2
        check(f"{what}: refused", not asked and is_over and set(statuses) <= {400, 403, 501, 505}, said)
    if meant := ambiguous.HOSTS.get(seen.request.name):
        hosts = [request.headers["host"] for request in sent.get((seen.source, seen.trace), [])]
        check(f"{what}: the host is the one that nginx took", hosts in ([], [[meant.format(host=target.host)]]), hosts)
    return "handed on as one" if asked else "refused" if statuses else "ended without an answer"


def judge_honest(target, seen, lines):
    """Whether those who came next got their own answers."""
    own = [line["request_id"] for line in lines if line["client_ip"] == seen.honest_source]
    check(f"{target.name}, {seen.request.name}: who comes next gets its own answer",
          [answer.request_id for answer in seen.honest] == own and [answer.status for answer in seen.honest] == [target.status] * 2,
          (seen.honest, own))


def judge_strangers(target):
    """Who was shown a certificate and asks for another host, or for none, is answered by no file of nginx's own."""
    for host in ("Host: elsewhere.example\r\n", "Host: localhost\r\n", ""):
        for path in ("/", "/index.html", target.get):
            with target.connect("127.0.0.1") as connection:
                version = "1.1" if host else "1.0"
                answers, _ = wire.exchange(connection, f"GET {path} HTTP/{version}\r\n{host}Connection: close\r\n\r\n".encode())
            check(f"{target.name}, {path} of {host!r}", answers == [wire.Answer(421, None)], answers)


def main():
    """To all targets at once, but to each of them one after the other."""
    auth, api = (urllib.parse.urlsplit(url).port for url in (ISSUER, API))
    taps = {server: [wire.Tap(int(os.environ[f"{name}_TAP"]), port) for name in names] for server, port, names in (
        ("auth-service", auth, ("WAF_AUTH", "HTTPS_AUTH")), ("resource-service", api, ("WAF_API", "HTTPS_API", "ASK")),
        ("program", program.start(), ("PROGRAM",)))}
    everything = targets.all_of_them(ISSUER, os.environ["STACK_PASSWORD"])
    with concurrent.futures.ThreadPoolExecutor(len(everything)) as pool:
        seen = list(pool.map(put, range(len(everything)), everything))

    lines, sent = {}, {}
    for server, some in taps.items():
        sent[server], most = handed_on(server, some)
        lines[server] = compare(server, sent[server])
        # Each had the connection that the request before it had, whatever that was. nginx takes a new one after a thousand.
        if server != "program":
            check(f"the connections to {server} are used again", most > len(seen[0]), most)

    for target, some in zip(everything, seen):
        tally = collections.Counter(judge(target, one, lines[target.server], sent[target.server]) for one in some)
        for one in some:
            judge_honest(target, one, lines[target.server])
        if target.is_https:
            judge_strangers(target)
        print(f"  {target.name}: " + ", ".join(f"{number} {what}" for what, number in tally.most_common()))
    print(f"\nsmuggling: {passed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
