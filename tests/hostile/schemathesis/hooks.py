"""Who the requests come from: one of the users of the stack, logged in anew before an access token runs out."""

import os

import requests
import schemathesis

ISSUER = os.environ["STACK_ISSUER"]
# Sessions of the user may be ended by what is being tested, and tokens live ten minutes.
REFRESH_INTERVAL = 60


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


@schemathesis.auth(refresh_interval=REFRESH_INTERVAL).apply_to(path_regex="^/(account|admin|documents|me)")
class Bearer:
    def get(self, case, context):
        return log_in()

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"
