"""Decides whether an access token is good here (RFC 9068 section 4, RFC 8725)."""

import time

from signed_jwt import InvalidToken, verified_claims

MAX_LENGTH = 8 * 1024
MAX_LIFETIME = 3600
LEEWAY = 30


class Verifier:
    """Verifies access tokens of one issuer for one audience."""

    def __init__(self, issuer, audience):
        self.issuer = issuer
        self.audience = audience

    def verify(self, token):
        """The claims of a good token."""
        if len(token) > MAX_LENGTH:
            raise InvalidToken("the access token is too long")
        claims = verified_claims(token, "at+jwt", self.issuer)
        self.check(claims)
        status = claims.get("status")
        if status is not None and self.issuer.is_revoked(status):
            raise InvalidToken("the access token has been revoked")
        return claims

    def check(self, claims):
        """Everything that the claims have to say."""
        for name in ("iss", "sub", "client_id", "jti"):
            if not isinstance(claims.get(name), str) or not claims[name]:
                raise InvalidToken(f"the access token lacks the claim {name}")
        if claims["iss"] != self.issuer.url:
            raise InvalidToken("the access token is from another issuer")
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if self.audience not in audiences or not all(isinstance(one, str) for one in audiences):
            raise InvalidToken("the access token is meant for another resource")
        if not isinstance(claims.get("scope", ""), str):
            raise InvalidToken("the scope of the access token is not a text")
        roles = claims.get("roles", [])
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise InvalidToken("the roles of the access token are not a list of names")
        if "cnf" in claims:
            raise InvalidToken("the access token is bound to a key")
        check_dates(claims)


def check_dates(claims):
    """RFC 7519 sections 4.1.4 to 4.1.6, and a bound on the lifetime."""
    for name in ("iat", "exp"):
        if type(claims.get(name)) is not int:
            raise InvalidToken(f"the access token lacks the claim {name}")
    not_before = claims.get("nbf", claims["iat"])
    if type(not_before) is not int:
        raise InvalidToken("a date of the access token is none")
    now = time.time()
    if now >= claims["exp"] + LEEWAY:
        raise InvalidToken("the access token has expired")
    if max(claims["iat"], not_before) > now + LEEWAY:
        raise InvalidToken("the access token is not valid yet")
    if not 0 < claims["exp"] - claims["iat"] <= MAX_LIFETIME:
        raise InvalidToken("the lifetime of the access token is not acceptable")
