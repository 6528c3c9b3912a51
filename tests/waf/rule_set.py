"""The Core Rule Set's own attack samples: what they are, how they are sent, and what must become of them."""

import http.client
import json
import pathlib
import re
import socket
import time
import urllib.parse

VECTORS = pathlib.Path(__file__).parents[1] / "vectors/crs/samples.json"

# Rules that we have put in the place of theirs: deploy/waf/modsecurity.conf says why. The first finds without a record.
IN_PLACE_OF = {"920240": None, "944110": "100005"}
# A media type that neither service takes.
FOREIGN_TYPE = "920420"
# Many samples have this header by the way, and this rule refuses it whatever else there is: with it nothing would ever pass.
BY_THE_WAY, OF_HEADERS = "Accept-Charset: ", "920450"
DROPPED = "nginx drops a header of such a name, unseen by the firewall and by the services"
NOT_OURS = {
    "911100-6": "DELETE is a method of ours",
    "920100-8": "an ordinary path, which only Apache refuses",
    **dict.fromkeys((f"933110-{number}" for number in (3, 13, 14, 20, 21, 22)), DROPPED),
}


class Sample:
    """A request, and the rule that is to find something in it; none if it only must be refused."""

    def __init__(self, name, content, rule):
        self.name, self.content, self.rule = name, content, rule

    def at(self, path):
        """The bytes of the request. Where the sample has no path of its own it gets one of ours, where our exclusions are."""
        content = re.sub(r"^(\S+) (?:/(?=[ ?])|(?=\?))", lambda found: f"{found[1]} {path}", self.content, count=1)
        return content.encode(errors="surrogateescape")


class Samples:
    """All of them."""

    def __init__(self):
        vectors = json.loads(VECTORS.read_text(encoding="ascii"))
        self.lesser, self.left_out = set(vectors["lesser"]), vectors["left_out"]
        self.all = [Sample(name, self.content(vectors["headers"], name, *parts), name[:6] if kind == "samples" else None)
                    for kind in ("samples", "refused") for name, *parts in vectors[kind]]

    @staticmethod
    def content(headers, name, first, which=None, body=""):
        """A whole request."""
        if which is None:
            return first
        lines = "".join(f"{line}\r\n" for line in headers[which] if name.startswith(OF_HEADERS) or not line.startswith(BY_THE_WAY))
        lines = lines.replace("Content-Length: *", f"Content-Length: {len(body.encode(errors='surrogateescape'))}")
        return f"{first}\r\n{lines}\r\n{body}"

    def verdict(self, sample, status, is_from_service, rules):
        """What became of a sample, in the words of the tally, and whether that is well."""
        own = IN_PLACE_OF.get(sample.rule, sample.rule)
        if sample.name in NOT_OURS:
            # One that its rule finds after all is ours.
            return f"not ours: {NOT_OURS[sample.name]}", own is None or own not in rules
        if sample.rule in self.lesser and own in rules:
            return "found, which by the rule set's own count is no reason to refuse", True
        if is_from_service or status is None:
            return "passed", False
        if own in rules and status == 403:
            return "stopped by the rule that they are about", True
        if FOREIGN_TYPE in rules and status == 403:
            return "stopped for a media type that is not ours", True
        if not rules and status in (400, 405, 505):
            return "refused as no request, or because it cannot be decoded", True
        # By something beside the attack, without which it would pass.
        return "stopped by another rule", sample.rule is None


def send(service, source, content):
    """Sends these bytes from this address; the status of the answer, and whether it is the service's own."""
    at = urllib.parse.urlsplit(service)
    with socket.create_connection(("127.0.0.1", at.port), 20, (source, 0)) as connection:
        connection.sendall(content)
        answer = http.client.HTTPResponse(connection)
        try:
            answer.begin()
        except (http.client.HTTPException, OSError):
            return None, False
        return answer.status, "X-Request-Id" in answer.headers


class Log:
    """The firewall's log from here on: which rules found something, by the address that the request came from."""

    def __init__(self, file):
        self.file, self.begin = file, file.stat().st_size

    def rules(self):
        """What there is by now."""
        with self.file.open(encoding="utf-8", errors="surrogateescape") as lines:
            lines.seek(self.begin)
            events = [json.loads(line)["transaction"] for line in lines if line.endswith("\n")]
        found = {}
        for event in events:
            found.setdefault(event["client_ip"], set()).update(message["details"]["ruleId"] for message in event["messages"])
        return found

    def rules_when_there_is(self, source):
        """The same, as soon as this address is among them. Events are written in the order of the requests."""
        deadline = time.monotonic() + 20
        while source not in (found := self.rules()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found
