"""joserfc as a verifier: an access token against the published keys, claim by claim (RFC 9068 §4)."""

import base64
import json

import requests
from authlib_client import logged_in
from checks import EDITOR, FIRST_PARTY, ISSUER, RESOURCE, check, equal
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidClaimError
from joserfc.jwk import KeySet

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def key_set():
    """The published key set, as JSON."""
    answer = requests.get(f"{ISSUER}/.well-known/jwks.json", timeout=10)
    equal(answer.status_code, 200)
    return answer.json()


def verified(token, audience=RESOURCE):
    """Verifies signature and claims, and returns the token."""
    read = jwt.decode(token, KeySet.import_key_set(key_set()), algorithms=["RS256"])
    required = {name: {"essential": True} for name in ("exp", "sub", "client_id", "iat", "jti")}
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": audience}, **required
    )
    registry.validate(read.claims)
    return read


def access_token():
    """An editor's access token."""
    return logged_in(EDITOR).token["access_token"]


@check
def the_access_token_is_verified():
    """joserfc: the access token verifies by the published keys: alg, typ, kid, iss, aud and every required claim"""
    token = verified(access_token())
    equal((token.header["alg"], token.header["typ"]), ("RS256", "at+jwt"))
    assert token.header["kid"] in [key["kid"] for key in key_set()["keys"]], token.header
    equal(token.claims["iss"], ISSUER)
    equal(token.claims["client_id"], FIRST_PARTY)
    assert token.claims["exp"] > token.claims["iat"], token.claims


@check
def the_keys_are_public():
    """joserfc: every published key is a public signature key whose kid is its RFC 7638 thumbprint"""
    published = key_set()["keys"]
    assert published, "no key is published"
    for key, imported in zip(published, KeySet.import_key_set({"keys": published}).keys, strict=True):
        equal(PRIVATE_MEMBERS & key.keys(), set())
        equal((key["kty"], key["use"], key["alg"]), ("RSA", "sig", "RS256"))
        equal(key["kid"], imported.thumbprint())


@check
def another_audience_is_refused():
    """joserfc: the same token is not valid for another audience"""
    try:
        verified(access_token(), audience=ISSUER)
    except InvalidClaimError as error:
        equal(error.claim, "aud")
        return
    raise AssertionError("the token is good for any audience")


@check
def a_tampered_token_is_refused():
    """joserfc: a token whose roles were changed does not verify, and does not open the API"""
    header, payload, signature = access_token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["roles"] = ["admin"]
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    tampered = f"{header}.{changed}.{signature}"
    answer = requests.get(f"{RESOURCE}/documents", headers={"Authorization": f"Bearer {tampered}"}, timeout=10)
    equal(answer.status_code, 401)
    try:
        verified(tampered)
    except BadSignatureError:
        return
    raise AssertionError("the token verifies")
