"""A program that knows nothing of tokens: it believes what the proxy in front of it says about who calls.

Whoever can reach it past the proxy can say so, too: let it listen on loopback, or in a network of its own.
"""

from typing import Annotated

from fastapi import FastAPI, Header

app = FastAPI(title="Orders")


def caller(subject, client, scopes, roles):
    """What the proxy says about who calls."""
    return {"subject": subject, "client": client, "scopes": scopes.split(), "roles": roles.split()}


@app.get("/orders")
def list_orders(
    x_auth_subject: Annotated[str, Header()],
    x_auth_client: Annotated[str, Header()],
    x_auth_scopes: Annotated[str, Header()] = "",
    x_auth_roles: Annotated[str, Header()] = "",
):
    """The caller's orders."""
    return {"orders": [], "caller": caller(x_auth_subject, x_auth_client, x_auth_scopes, x_auth_roles)}


@app.post("/orders/new", status_code=201)
def create(x_auth_subject: Annotated[str, Header()], order: dict[str, str]):
    """A new order of the caller's."""
    return {"owner": x_auth_subject, **order}


@app.get("/admin/orders")
def list_all(x_auth_subject: Annotated[str, Header()]):
    """Everybody's orders."""
    return {"orders": [], "for": x_auth_subject}


@app.get("/about")
def about(
    x_auth_subject: Annotated[str | None, Header()] = None,
    x_auth_roles: Annotated[str | None, Header()] = None,
    authorization: Annotated[str | None, Header()] = None,
    x_api_key: Annotated[str | None, Header()] = None,
):
    """What is open to everybody, and what is known of whoever asks."""
    return {"subject": x_auth_subject, "roles": x_auth_roles, "authorization": authorization, "api_key": x_api_key}
