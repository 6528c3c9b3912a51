"""Follows an issuer: its metadata (RFC 8414), its keys (RFC 7517), its lists of revoked tokens."""

import base64
import json
import threading
import time
import urllib.request
import zlib
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from signed_jwt import InvalidToken, verified_claims

KEYS_LIVE = 300
# A stranger who makes up key IDs must not make us ask more often than this.
PAUSE = 5
MAX_ANSWER = 4 * 1024 * 1024


class Unavailable(Exception):
    """The issuer cannot be asked, and what is known of it is too old."""


class Issuer:
    """One issuer, and what is known of it. Safe to use from many threads."""

    def __init__(self, url):
        self.url = url
        self.keys = {}
        self.lists = {}
        self.fetched = self.asked = float("-inf")
        self.lock = threading.Lock()

    def key(self, key_id):
        """The public key of this ID, or nothing."""
        # What is known and fresh waits for nobody, whatever strangers make up meanwhile.
        known = self.keys.get(key_id)
        if known is not None and time.monotonic() - self.fetched <= KEYS_LIVE:
            return known
        with self.lock:
            now = time.monotonic()
            is_stale = now - self.fetched > KEYS_LIVE
            if (is_stale or key_id not in self.keys) and now - self.asked > (1 if is_stale else PAUSE):
                self.asked = now
                self.refresh(now)
            if now - self.fetched > 12 * KEYS_LIVE:
                raise Unavailable("the issuer's keys are not available")
            return self.keys.get(key_id)

    def refresh(self, now):
        """Fetches the keys anew; good ones are never given up for a bad answer."""
        try:
            well_known = urlsplit(self.url)
            path = "/.well-known/oauth-authorization-server" + well_known.path
            metadata = json.loads(self.fetch(well_known._replace(path=path).geturl()))
            if metadata["issuer"] != self.url:
                raise Unavailable("the metadata is of another issuer")
            published = json.loads(self.fetch(metadata["jwks_uri"]))["keys"]
            keys = {key["kid"]: RSAKey.import_key(key) for key in published if is_usable(key)}
        except (Unavailable, OSError, ValueError, KeyError, TypeError, JoseError):
            return
        if keys:
            self.keys, self.fetched = keys, now

    def is_revoked(self, status):
        """Whether the place that a status claim names is set (draft-ietf-oauth-status-list)."""
        try:
            place, uri = status["status_list"]["idx"], status["status_list"]["uri"]
            with self.lock:
                until, bits, statuses = self.lists.get(uri, (float("-inf"), 1, b""))
            if time.monotonic() > until:
                until, bits, statuses = self.status_list(uri)
                with self.lock:
                    self.lists[uri] = until, bits, statuses
            per_byte = 8 // bits
            value = statuses[place // per_byte] >> (place % per_byte * bits)
            return value & ((1 << bits) - 1) != 0
        except (OSError, ValueError, KeyError, TypeError, IndexError, zlib.error) as error:
            raise Unavailable("the issuer's revocations are not available") from error

    def status_list(self, uri):
        """A status list: until when it counts, how many bits a status has, and the statuses."""
        try:
            claims = verified_claims(self.fetch(uri).decode("ascii").strip(), "statuslist+jwt", self)
        except InvalidToken as error:
            raise Unavailable("the status list is not good") from error
        if claims["sub"] != uri or claims["exp"] < time.time():
            raise Unavailable("the status list is another, or too old")
        listed = claims["status_list"]
        packed = base64.urlsafe_b64decode(listed["lst"] + "=" * (-len(listed["lst"]) % 4))
        statuses = zlib.decompressobj().decompress(packed, MAX_ANSWER)
        return time.monotonic() + claims.get("ttl", 60), listed["bits"], statuses

    def fetch(self, url):
        """What the issuer says at a URL of its own; nobody else is asked, and no redirect followed."""
        if urlsplit(url)[:2] != urlsplit(self.url)[:2]:
            raise Unavailable("that is not a URL of the issuer")
        with OPENER.open(url, timeout=5) as answer:
            body = answer.read(MAX_ANSWER + 1)
        if answer.status != 200 or len(body) > MAX_ANSWER:
            raise Unavailable("the issuer's answer is not acceptable")
        return body


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an error."""

    def redirect_request(self, *_):
        """None: the answer counts as an error."""


OPENER = urllib.request.build_opener(NoRedirects)


def is_usable(key):
    """Whether this is a key for RS256 signatures, of the usual exponent."""
    wanted = {"kty": "RSA", "use": "sig", "alg": "RS256", "e": "AQAB"}
    return isinstance(key, dict) and isinstance(key.get("kid"), str) and all(key.get(name) == value for name, value in wanted.items())
