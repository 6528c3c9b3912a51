"""The login form that FastAPI's OAuth2PasswordRequestForm reads, and that its tutorials and documentation pages send."""

import requests
from checks import DOCUMENTS, PASSWORD, READER, TOKEN_ENDPOINT, check, equal


def form(**changes):
    """Every field of OAuth2PasswordRequestForm; what the user left out is there, and empty."""
    fields = {"grant_type": "password", "username": READER, "password": PASSWORD}
    return fields | {"scope": "", "client_id": "", "client_secret": ""} | changes


@check
def the_form_works_unmodified():
    """FastAPI: the form with its empty scope, client_id and client_secret logs in, and the token opens the API"""
    answer = requests.post(TOKEN_ENDPOINT, data=form(), timeout=10)
    equal(answer.status_code, 200)
    equal(answer.headers["Cache-Control"], "no-store")
    token = answer.json()
    # The tutorial's client writes the scheme itself.
    opened = requests.get(DOCUMENTS, headers={"Authorization": f"Bearer {token['access_token']}"}, timeout=10)
    equal(opened.status_code, 200)


@check
def a_scope_in_the_form_counts():
    """FastAPI: a scope in the form is the scope of the token"""
    answer = requests.post(TOKEN_ENDPOINT, data=form(scope="documents:read"), timeout=10)
    equal((answer.status_code, answer.json()["scope"]), (200, "documents:read"))


@check
def a_wrong_password_in_the_form_is_refused():
    """FastAPI: the form with a wrong password is 400 invalid_grant"""
    answer = requests.post(TOKEN_ENDPOINT, data=form(password="not the password"), timeout=10)
    equal((answer.status_code, answer.json()["error"]), (400, "invalid_grant"))
