"""authlib as a client: it logs in with the password grant and calls the API, with nothing adapted to us."""

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from checks import DOCUMENTS, EDITOR, FIRST_PARTY, ISSUER, PASSWORD, READER, TOKEN_ENDPOINT, check, equal


def logged_in(username, **wish):
    """A session of the public client, with a token for this user."""
    session = OAuth2Session(FIRST_PARTY, token_endpoint_auth_method="none")
    session.fetch_token(TOKEN_ENDPOINT, username=username, password=PASSWORD, **wish)
    return session


def refused(session, **form):
    """The OAuth error by which the token endpoint refuses this form."""
    try:
        session.fetch_token(TOKEN_ENDPOINT, **form)
    except OAuthError as error:
        return error
    raise AssertionError("a token was issued")


@check
def the_password_grant_is_understood():
    """authlib: the password grant answers a Bearer token with its lifetime and scope"""
    token = logged_in(READER).token
    equal(token["token_type"], "Bearer")
    equal(set(token["scope"].split()), {"documents:read"})
    assert isinstance(token["expires_in"], int) and token["expires_in"] > 0, token["expires_in"]
    assert not token.is_expired()


@check
def an_editor_creates_and_lists_documents():
    """authlib: the token opens GET and POST /documents for an editor"""
    session = logged_in(EDITOR)
    created = session.post(DOCUMENTS, json={"title": "From authlib", "content": "Grüße"})
    equal(created.status_code, 201)
    listed = session.get(DOCUMENTS)
    equal(listed.status_code, 200)
    assert created.json()["id"] in listed.text, listed.text


@check
def a_reader_reads_and_may_not_write():
    """authlib: for a reader GET /documents is 200 and POST is 403 insufficient_scope"""
    session = logged_in(READER)
    equal(session.get(DOCUMENTS).status_code, 200)
    answer = session.post(DOCUMENTS, json={"title": "From authlib", "content": ""})
    equal(answer.status_code, 403)
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ") and 'error="insufficient_scope"' in challenge, challenge


@check
def a_scope_of_the_issuer_opens_the_account():
    """authlib: a token for the scope account opens GET /account, and nothing at the other service"""
    session = logged_in(EDITOR, scope="account")
    account = session.get(f"{ISSUER}/account")
    equal(account.status_code, 200)
    equal(account.json()["username"], EDITOR)
    equal(session.get(DOCUMENTS).status_code, 401)


@check
def an_empty_secret_by_basic_is_a_public_client():
    """authlib: the public client by HTTP Basic with an empty secret, authlib's default, logs in"""
    session = OAuth2Session(FIRST_PARTY, "")
    token = session.fetch_token(TOKEN_ENDPOINT, username=READER, password=PASSWORD)
    equal(token["token_type"], "Bearer")


@check
def a_wrong_password_is_invalid_grant():
    """authlib: a wrong password is the OAuthError invalid_grant, with a description"""
    session = OAuth2Session(FIRST_PARTY, token_endpoint_auth_method="none")
    error = refused(session, username=READER, password="not the password")
    equal(error.error, "invalid_grant")
    assert error.description, "the error has no description"


@check
def an_unknown_user_is_refused_like_a_wrong_password():
    """authlib: an unknown user is refused in the same words as a wrong password"""
    session = OAuth2Session(FIRST_PARTY, token_endpoint_auth_method="none")
    wrong = refused(session, username=READER, password="not the password")
    unknown = refused(session, username="nobody-of-that-name", password="not the password")
    equal((unknown.error, unknown.description), (wrong.error, wrong.description))


@check
def other_refusals_are_understood():
    """authlib: a wrong client, scope and grant type are invalid_client, invalid_scope and unsupported_grant_type"""
    login = {"username": READER, "password": PASSWORD}
    public = OAuth2Session(FIRST_PARTY, token_endpoint_auth_method="none")
    equal(refused(OAuth2Session(FIRST_PARTY, "a secret it does not have"), **login).error, "invalid_client")
    equal(refused(OAuth2Session("no-such-client", "secret"), **login).error, "invalid_client")
    equal(refused(public, scope="no:such:scope", **login).error, "invalid_scope")
    equal(refused(public, grant_type="no-such-grant", **login).error, "unsupported_grant_type")
