"""authlib as another team's resource server: its reading of our metadata, and its RFC 9068 validator on our tokens."""

import requests
from authlib.oauth2.rfc6750.errors import InsufficientScopeError, InvalidTokenError
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib_client import logged_in
from checks import EDITOR, ISSUER, READER, RESOURCE, check, equal
from joserfc.jwk import KeySet


def metadata():
    """The issuer's metadata, from where authlib looks for it."""
    answer = requests.get(get_well_known_url(ISSUER, external=True, suffix="oauth-authorization-server"), timeout=10)
    equal(answer.status_code, 200)
    return AuthorizationServerMetadata(answer.json())


class Validator(JWTBearerTokenValidator):
    """The validator of authlib's documentation, with the published keys."""

    def get_jwks(self):
        return KeySet.import_key_set(requests.get(metadata()["jwks_uri"], timeout=10).json())


def validate(token, scopes, resource=RESOURCE):
    """Lets authlib decide about an access token, as it would before a handler of that resource."""
    validator = Validator(issuer=ISSUER, resource_server=resource)
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, scopes, request=None)
    return claims


@check
def the_metadata_is_valid():
    """authlib: the issuer's metadata passes its RFC 8414 validation"""
    found = metadata()
    equal(found["issuer"], ISSUER)
    # RFC 8414 requires response_types_supported (§2) and forbids empty arrays (§3.2). An issuer without an authorization
    # endpoint has no response type to name and can keep only one of the two; authlib asks for both.
    if "authorization_endpoint" in found:
        found.validate()
        return
    equal(found["response_types_supported"], [])
    names = [name for name in found.REGISTRY_KEYS if name != "response_types_supported"]
    for name in names:
        getattr(found, f"validate_{name}")()


@check
def an_access_token_is_valid_at_its_audience():
    """authlib: its RFC 9068 resource server accepts an access token and finds scope and roles in it"""
    claims = validate(logged_in(EDITOR).token["access_token"], ["documents:write"])
    equal(claims["roles"], ["editor"])


@check
def a_missing_scope_is_seen():
    """authlib: its RFC 9068 resource server finds a reader's scope insufficient to write"""
    try:
        validate(logged_in(READER).token["access_token"], ["documents:write"])
    except InsufficientScopeError:
        return
    raise AssertionError("a reader may write")


@check
def another_audience_is_seen():
    """authlib: its RFC 9068 resource server refuses a token that is meant for another resource"""
    try:
        validate(logged_in(READER).token["access_token"], ["documents:read"], resource=ISSUER)
    except InvalidTokenError:
        return
    raise AssertionError("a token of one resource is good for another")
