"""Where the requests go: each nginx that we ship, and each of the servers behind it."""

import json
import os
import socket
import ssl
import urllib.parse
import urllib.request

import ambiguous
import http2

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


class Target:
    """A server behind an nginx. POST and GET are paths of it, HIDDEN is what is hidden; STATUS is the answer to GET."""

    def __init__(self, name, port, host, server, headers=""):
        self.name, self.port, self.host, self.headers = name, int(os.environ[port]), host, headers
        self.server, self.post, self.get, self.hidden, self.status = server
        self.is_https = host != "localhost"

    def connect(self, source, protocol="http/1.1"):
        """A new connection from this address."""
        connection = socket.create_connection(("127.0.0.1", self.port), 5, (source, 0))
        if not self.is_https:
            return connection
        trust = ssl.create_default_context(cafile=os.environ["AUTHORITY"])
        trust.set_alpn_protocols([protocol])
        return trust.wrap_socket(connection, server_hostname=self.host)

    def begun(self, method, path, trace, headers=""):
        """A request without the empty line at its end. By its trace it is known wherever it comes to light."""
        return f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\ntraceparent: {parent(trace)}\r\n{headers}"

    def hide(self, trace):
        """What is hidden: a whole request, which claims to come from elsewhere."""
        return self.begun("GET", self.hidden, trace, f"X-Forwarded-For: {ambiguous.FORGED}\r\n") + "\r\n"

    def requests(self, trace, hidden):
        """Everything that is ambiguous, with these two traces; each with the protocol that it is in."""
        for request in ambiguous.requests(self.begun("POST", self.post, trace, FORM + self.headers),
                                          self.begun("GET", self.get, trace, self.headers), self.hide(hidden)):
            yield request._replace(content=request.content.encode("latin-1")), "http/1.1"
        if self.is_https:
            usual = [("traceparent", parent(trace))]
            for request in http2.requests(self.host, usual, self.post, self.get, self.hide(hidden)):
                yield request._replace(name=f"HTTP/2: {request.name}"), "h2"


def parent(trace):
    """A traceparent (W3C Trace Context §3.2)."""
    return f"00-{trace}-00000000000000a1-00"


def all_of_them(issuer, password):
    """A reader's token opens what is guarded."""
    form = {"grant_type": "password", "client_id": "first-party", "username": "the-reader", "password": password}
    with urllib.request.urlopen(f"{issuer}/oauth2/token", urllib.parse.urlencode(form).encode(), timeout=20) as answer:
        bearer = f"Authorization: Bearer {json.load(answer)['access_token']}\r\n"
    auth = "auth-service", "/oauth2/token", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json", 200
    api = "resource-service", "/documents", "/documents/one", "/documents/hidden", 401
    return [
        Target("the firewall before auth-service", "WAF_AUTH", "localhost", auth),
        Target("the firewall before resource-service", "WAF_API", "localhost", api),
        Target("HTTPS before auth-service", "HTTPS", "auth.localhost", auth),
        Target("HTTPS before resource-service", "HTTPS", "api.localhost", api),
        Target("forward auth before a program", "GUARD", "localhost", ("program", "/orders", "/orders", "/admin/orders", 200), bearer),
        Target("forward auth on an open path", "GUARD", "localhost", ("program", "/about", "/about", "/orders", 200)),
    ]
