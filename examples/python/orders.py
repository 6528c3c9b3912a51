"""An API of orders, guarded with access tokens of the issuer.

ISSUER is whom it trusts, AUDIENCE who it is. See README.md for how to start it.
"""

import os
from typing import Annotated

from fastapi import Body, FastAPI

from guard import Caller, Guard

guard = Guard(
    issuer=os.environ.get("ISSUER", "http://localhost:8080"),
    audience=os.environ.get("AUDIENCE", "http://localhost:8081"),
)
app = FastAPI(title="Orders")
orders: list[dict[str, str]] = []


@app.get("/orders")
def list_own(caller: Annotated[Caller, guard.needs("documents:read")]):
    """The caller's own orders."""
    return [order for order in orders if order["owner"] == caller.subject]


@app.post("/orders", status_code=201)
def create(caller: Annotated[Caller, guard.needs("documents:write")], item: Annotated[str, Body(embed=True)]):
    """A new order of the caller's."""
    order = {"owner": caller.subject, "item": item}
    orders.append(order)
    return order


@app.get("/admin/orders")
def list_all(caller: Annotated[Caller, guard.needs("documents:read", role="admin")]):
    """Everybody's orders."""
    return orders
