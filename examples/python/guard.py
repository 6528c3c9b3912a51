"""Turns the bearer token of a request into a caller, or says no as RFC 6750 wants it."""

from dataclasses import dataclass

from fastapi import Depends, HTTPException, Request

from access_token import Verifier
from issuer import Issuer, Unavailable
from signed_jwt import InvalidToken


@dataclass(frozen=True)
class Caller:
    """Who calls: what a verified access token says."""

    subject: str
    client: str
    scopes: frozenset[str]
    roles: frozenset[str]


class Guard:
    """Lets callers in who present a good access token."""

    def __init__(self, issuer, audience):
        self.verifier = Verifier(Issuer(issuer), audience)

    def needs(self, scope, role=None):
        """A caller whose token allows this scope, and who has this role, as an argument of a handler."""

        # Not asynchronous: FastAPI runs it on a thread of its own, where it may wait for the issuer.
        def dependency(request: Request) -> Caller:
            caller = self.caller(request)
            if scope not in caller.scopes:
                raise refusal(403, "insufficient_scope", f"the access token lacks scope: {scope}", scope=scope)
            if role is not None and role not in caller.roles:
                raise refusal(403, "insufficient_scope", f"the caller lacks the role: {role}")
            return caller

        return Depends(dependency)

    def caller(self, request):
        """Who calls, by the Authorization header and nothing else."""
        headers = request.headers.getlist("authorization")
        if not headers or not any(header.split(" ")[0].lower() == "bearer" for header in headers):
            raise refusal(401, None, "an access token is needed")
        scheme, _, token = headers[0].partition(" ")
        if len(headers) > 1 or scheme.lower() != "bearer" or "access_token" in request.query_params:
            raise refusal(400, "invalid_request", "the access token must be presented once, in the Authorization header")
        if not token or not token.isascii() or any(letter in token for letter in ' \t,"'):
            raise refusal(400, "invalid_request", "what is presented is no access token")
        try:
            claims = self.verifier.verify(token)
        except InvalidToken as error:
            raise refusal(401, "invalid_token", str(error)) from error
        except Unavailable as error:
            # The token may well be good: it is our fault that we cannot tell.
            raise HTTPException(503, "not available for the moment", {"Retry-After": "5"}) from error
        return Caller(
            claims["sub"], claims["client_id"], frozenset(claims.get("scope", "").split()), frozenset(claims.get("roles", []))
        )


def refusal(status, error, description, scope=None):
    """A refusal with its challenge; nothing in it comes from the request."""
    attributes = ['realm="orders"']
    if error is not None:
        attributes += [f'error="{error}"', f'error_description="{description}"']
    if scope is not None:
        attributes.append(f'scope="{scope}"')
    return HTTPException(status, description, {"WWW-Authenticate": "Bearer " + ", ".join(attributes), "Cache-Control": "no-store"})
