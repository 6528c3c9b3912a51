"""The checks of the Python clients, against the services that tests/clients/stack.sh has started.

usage:  tests/clients/run
"""

import sys

import authlib_client  # noqa: F401  (importing a module enters its checks)
import authlib_resource_server  # noqa: F401
import fastapi_form  # noqa: F401
import joserfc_verification  # noqa: F401
from checks import run

sys.exit(0 if run() else 1)
