"""The checks of forward auth: requests to nginx, which asks resource-service before it lets them through to a program.

usage: checks.py with-issuer | one-need | without-issuer | without-resource-service, started by tests/forward-auth/run
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

PROXY, ISSUER, PASSWORD = (os.environ[name] for name in ("PROXY", "STACK_ISSUER", "STACK_PASSWORD"))
TOKENS = os.environ["TOKENS"]
FORGED = {f"X-Auth-{name}": "forged" for name in ("Subject", "Client", "Scopes", "Roles")}
failed = 0


def ask(path, token=None, headers=None, body=None):
    """Status, headers and body of an answer."""
    request = urllib.request.Request(PROXY + path, headers=dict(headers or {}), data=body and json.dumps(body).encode())
    if body is not None:
        request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        answer = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read()


def check(what, holds, said=None):
    """Says whether it holds."""
    global failed
    print(f"  {'ok      ' if holds else 'FAILED  '} {what}{'' if holds else f': {said}'}")
    failed += not holds


def log_in(user, **wish):
    """An access token of this user."""
    form = {"grant_type": "password", "client_id": "first-party", "username": user, "password": PASSWORD, **wish}
    with urllib.request.urlopen(f"{ISSUER}/oauth2/token", urllib.parse.urlencode(form).encode(), timeout=20) as answer:
        return json.load(answer)["access_token"]


def api_key(user, scope):
    """A new API key of this user."""
    request = urllib.request.Request(f"{ISSUER}/account/api-keys", json.dumps({"name": "of the checks", "scope": scope}).encode())
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Bearer {log_in(user, scope='account')}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["key"]


def subject(token):
    """Whom a token speaks for."""
    claims = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]


def refused(what, answer, status, error):
    """Expects a refusal with exactly one challenge, and that nothing of it comes from the program."""
    found, headers, body = answer
    challenges = headers.get_all("WWW-Authenticate") or []
    holds = found == status and len(challenges) == 1 and challenges[0].startswith("Bearer realm=")
    named = 'error="' in challenges[0] if challenges else None
    holds = holds and (named is False if error is None else f'error="{error}"' in challenges[0])
    holds = holds and headers.get_content_type() == "application/problem+json" and json.loads(body)["status"] == status
    check(what, holds, (found, challenges, headers.get_content_type(), body))


def unavailable(what, answer):
    """Expects 503 without a challenge."""
    status, headers, _ = answer
    check(what, status == 503 and headers["WWW-Authenticate"] is None, (status, headers.items()))


def with_issuer():
    """Everybody is there."""
    tokens = {user: log_in(user) for user in ("the-reader", "the-editor", "the-admin")}
    with open(TOKENS, "w", encoding="utf-8") as file:
        json.dump(tokens, file)
    reader, editor, admin = tokens.values()

    status, _, body = ask("/orders", reader)
    caller = json.loads(body)["caller"] if status == 200 else None
    expected = {"subject": subject(reader), "client": "first-party", "scopes": ["documents:read"], "roles": ["reader"]}
    check("a reader reads, and the program knows who it is", caller == expected, (status, body))
    status, _, body = ask("/orders/new", editor, body={"item": "ink"})
    check("an editor writes", (status, json.loads(body)) == (201, {"owner": subject(editor), "item": "ink"}), (status, body))
    refused("a reader does not write", ask("/orders/new", reader, body={"item": "ink"}), 403, "insufficient_scope")
    status, _, body = ask("/admin/orders", admin)
    check("an administrator administers", status == 200, (status, body))
    refused("an editor lacks the role of an administrator", ask("/admin/orders", editor), 403, "insufficient_scope")
    refused("without a token nobody passes", ask("/orders"), 401, None)
    refused("a bad token does not pass", ask("/orders", reader[:-8] + "AAAAAAAA"), 401, "invalid_token")
    refused("two tokens do not pass", ask(f"/orders/new?access_token={editor}", "a b"), 400, "invalid_request")

    key = {"X-API-Key": api_key("the-reader", "documents:read")}
    status, _, body = ask("/orders", headers=key)
    caller = json.loads(body)["caller"] if status == 200 else {}
    check("an API key reads for its owner", caller == expected | {"client": "api-key"}, (status, body))
    refused("and does not write", ask("/orders/new", headers=key, body={"item": "ink"}), 403, "insufficient_scope")
    refused("a key beside a token does not pass", ask("/orders", reader, key), 400, "invalid_request")
    refused("a key that is none does not pass", ask("/orders", headers={"X-API-Key": "ask_none"}), 401, "invalid_token")

    refused("forged headers alone do not pass", ask("/orders", headers=FORGED), 401, None)
    _, _, body = ask("/orders", reader, FORGED)
    check("forged headers beside a token are overwritten", json.loads(body).get("caller") == expected, body)
    refused("forged roles are no roles", ask("/admin/orders", editor, FORGED), 403, "insufficient_scope")
    _, _, body = ask("/about", reader, FORGED | {"X-API-Key": "anything"})
    nobody = {"subject": None, "roles": None, "authorization": None, "api_key": None}
    check("where everybody may go, nobody says who they are, and no token passes", json.loads(body) == nobody, body)
    for path in ("/_may/read", "/forward-auth", "/docs", "/orders/", "/admin", "//admin/orders/../../orders/x"):
        status, _, _ = ask(path, admin)
        check(f"{path} is not there", status == 404, status)


def one_need():
    """A proxy that asks the same of every path: the scope to read."""
    reader = log_in("the-reader")
    expected = {"subject": subject(reader), "client": "first-party", "scopes": ["documents:read"], "roles": ["reader"]}
    for what, headers in {"a reader reads, and the program knows who it is": {}, "forged headers beside a token are overwritten": FORGED}.items():
        status, _, body = ask("/orders", reader, headers)
        check(what, status == 200 and json.loads(body)["caller"] == expected, (status, body))
    key = {"X-API-Key": api_key("the-reader", "documents:read")}
    status, _, body = ask("/orders", headers=key)
    check("an API key reads for its owner", status == 200 and json.loads(body)["caller"]["subject"] == expected["subject"], (status, body))
    refused("without a token nobody passes", ask("/orders"), 401, None)
    refused("forged headers alone do not pass", ask("/orders", headers=FORGED), 401, None)
    refused("a bad token does not pass", ask("/orders", reader[:-8] + "AAAAAAAA"), 401, "invalid_token")
    refused("too little does not pass", ask("/orders", log_in("the-editor", scope="documents:write")), 403, "insufficient_scope")
    status, _, _ = ask("/orders%2f..", reader)
    check("a path that could be read in two ways does not pass", status == 400, status)


def without_issuer():
    """resource-service was started anew, has no keys and finds no issuer."""
    with open(TOKENS, encoding="utf-8") as file:
        tokens = json.load(file)
    answer = ask("/orders", tokens["the-reader"])
    unavailable("while the issuer is away and no keys are kept, a good token is answered with 503", answer)
    check("and told when to come again", answer[1]["Retry-After"] is not None, answer[1].items())
    refused("without a token it is 401 all the same", ask("/orders"), 401, None)


def without_resource_service():
    """Nobody answers the proxy."""
    with open(TOKENS, encoding="utf-8") as file:
        tokens = json.load(file)
    unavailable("while nobody answers the proxy, nobody passes", ask("/orders", tokens["the-reader"]))
    unavailable("with or without a token", ask("/orders"))


{"with-issuer": with_issuer, "one-need": one_need, "without-issuer": without_issuer, "without-resource-service": without_resource_service}[sys.argv[1]]()
sys.exit(failed != 0)
