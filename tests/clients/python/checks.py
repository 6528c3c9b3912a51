"""Runs checks and prints a line for each; a check is a function whose docstring is the sentence it proves."""

import os
import traceback

ISSUER = os.environ["STACK_ISSUER"]
RESOURCE = os.environ["STACK_RESOURCE"]
PASSWORD = os.environ["STACK_PASSWORD"]
READER, EDITOR, ADMIN = "the-reader", "the-editor", "the-admin"

TOKEN_ENDPOINT = f"{ISSUER}/oauth2/token"
DOCUMENTS = f"{RESOURCE}/documents"
# The public client that a development issuer knows from the start.
FIRST_PARTY = "first-party"

_checks = []


def check(function):
    """Marks a function as a check."""
    _checks.append(function)
    return function


def equal(found, expected):
    """Fails unless the two are the same, and says what they are."""
    assert found == expected, f"expected {expected!r}, found {found!r}"


def run():
    """Runs every check, and returns whether all of them passed."""
    all_passed = True
    for function in _checks:
        try:
            function()
        except Exception:  # a check may fail in any way a library finds
            all_passed = False
            print(f"  FAILED   {function.__doc__}", flush=True)
            print(traceback.format_exc(), flush=True)
        else:
            print(f"  ok       {function.__doc__}", flush=True)
    return all_passed
