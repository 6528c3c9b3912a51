"""Reads a JWT that the issuer has signed, with nothing left to interpretation (RFC 7515, RFC 8725)."""

import base64
import json
import re

from joserfc import jws
from joserfc.errors import JoseError

THREE_SEGMENTS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class InvalidToken(Exception):
    """The token is not good; the text names no part of it."""


def verified_claims(token, typ, issuer):
    """The claims of a JWT of this type whose signature holds by a key of the issuer."""
    if not THREE_SEGMENTS.fullmatch(token):
        raise InvalidToken("the token is malformed")
    header, payload, signature = token.split(".")
    said = strict_object(decoded(header))
    found = said.get("typ")
    if not isinstance(found, str) or found.lower().removeprefix("application/") != typ:
        raise InvalidToken("the token is of another type")
    if said.get("alg") != "RS256":
        raise InvalidToken("the algorithm is not accepted")
    if "crit" in said:
        raise InvalidToken("the token demands an extension that is not understood")
    key_id = said.get("kid")
    key = issuer.key(key_id) if isinstance(key_id, str) and KEY_ID.fullmatch(key_id) else None
    if key is None:
        raise InvalidToken("the token is signed with a key that the issuer does not publish")
    decoded(signature)
    # Only the signature is left to the library: the header has been judged, and the key is ours.
    try:
        jws.deserialize_compact(token.encode(), key, algorithms=["RS256"])
    except (JoseError, ValueError, RecursionError) as error:
        raise InvalidToken("the signature does not hold") from error
    return strict_object(decoded(payload))


def decoded(segment):
    """Base64url without padding, other letters or spare bits (RFC 7515 section 2)."""
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError as error:
        raise InvalidToken("the token is malformed") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != segment:
        raise InvalidToken("the token is malformed")
    return data


def strict_object(data):
    """A JSON object in UTF-8 in which no member is repeated, at any depth."""

    def without_repetition(members):
        found = dict(members)
        if len(found) != len(members):
            raise ValueError("a repeated member")
        return found

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=without_repetition)
    except (ValueError, RecursionError) as error:
        raise InvalidToken("the token is not acceptable JSON") from error
    if not isinstance(value, dict):
        raise InvalidToken("the token is not acceptable JSON")
    return value
