"""Who the requests come from, and what they must not take from under the run's own feet."""

import os

import requests
import schemathesis

ISSUER = os.environ["STACK_ISSUER"]
# Tokens live ten minutes, and what is being tested may end their session: then the next request logs in anew.
REFRESH_INTERVAL = 60
# A path parameter that schemathesis found in an answer: the run would not go on without what it names.
MISSING = "usr_00000000000000000000000000000000"
CHANGING = {"PUT", "POST", "DELETE"}


def log_in():
    answer = requests.post(
        f"{ISSUER}/oauth2/token",
        data={
            "grant_type": "password",
            "username": os.environ["HOSTILE_USER"],
            "password": os.environ["STACK_PASSWORD"],
            "scope": os.environ["HOSTILE_SCOPE"],
        },
        timeout=10,
    )
    answer.raise_for_status()
    return answer.json()["access_token"]


def protected():
    """The run's user, role, client and the issuer's own API: what all of its requests stand on."""
    token = log_in()
    users = requests.get(
        f"{ISSUER}/admin/users", params={"limit": 100}, headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    users = users.json()["users"] if users.status_code == 200 else []
    return {"admin", "first-party", ISSUER, *(user["id"] for user in users)}


PROTECTED = protected() if "HOSTILE_USER" in os.environ else set()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Says in the one way that the check `ignored_auth` understands where the access token goes."""
    schemes = raw_schema["components"].get("securitySchemes", {})
    schemes["OAuth2"] = {"type": "http", "scheme": "bearer"}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.method.upper() not in CHANGING or not case.path_parameters:
        return
    for name, value in case.path_parameters.items():
        if value in PROTECTED:
            case.path_parameters[name] = MISSING


if "HOSTILE_USER" in os.environ:

    @schemathesis.auth(refresh_interval=REFRESH_INTERVAL).apply_to(path_regex="^/(account|admin|documents|me)")
    class Bearer:
        def get(self, case, context):
            return log_in()

        def set(self, case, data, context):
            case.headers = case.headers or {}
            case.headers["Authorization"] = f"Bearer {data}"
