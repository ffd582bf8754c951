"""Requests as somebody: tokens that are really signed and really verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from vestibule.service.auth import AuthDeps
from vestibule.service.client import SharedClient
from vestibule.service.guards import Guard
from vestibule.service.roles import Role
from vestibule.service.routes import dependencies, served
from vestibule.service.user import User
from vestibule.testing.issuer import DEFAULT_AUDIENCE, DEFAULT_ISSUER, Issuer


@dataclass(frozen=True)
class Caller:
    """Somebody who is signed in."""

    token: str
    """Their access token."""
    user: User
    """Who they are, as handlers see it."""
    issuer: Issuer
    """Who signed them in."""

    @property
    def headers(self) -> dict[str, str]:
        """What their requests carry."""
        return {"Authorization": f"Bearer {self.token}"}

    def revoke(self) -> None:
        """Ends their token."""
        self.issuer.revoke(self.token)


@contextmanager
def as_user(
    app_or_auth: Any,
    role: Role | str = Role.USER,
    *,
    email: str = "person@example.com",
    issuer: Issuer | None = None,
    **claims: Any,
) -> Iterator[Caller]:
    """Signs somebody in for as long as the context lasts.

    The guards stay what they are: they verify the token, look whether it was revoked and demand their role.

    Args:
        app_or_auth: The app, whose requests then carry the token unless they bring their own; or the `AuthDeps`, whose
            requests carry `caller.headers`.
        role: The caller's role.
        email: The caller's address.
        issuer: Who signs; if left out, whom the guards trust already, else a new issuer in memory.
        claims: Further claims of the token, see `Issuer.token`.

    Raises:
        LookupError: No route of the app has a guard.
    """
    clients = [app_or_auth.client] if isinstance(app_or_auth, AuthDeps) else list(guarding_clients(app_or_auth))
    if not clients:
        raise LookupError("no route of the app has a guard; pass the AuthDeps instead")
    issuer = issuer or Issuer.of(clients[0]) or _fitting(clients[0])
    with ExitStack() as stack:
        stack.enter_context(issuer.trusted_by(*(client for client in clients if Issuer.of(client) is not issuer)))
        described = issuer.claims(role=role, email=email, **claims)
        token = issuer.sign(described)
        if not isinstance(app_or_auth, AuthDeps):
            stack.enter_context(_with_token(app_or_auth, token))
        yield Caller(token, User.from_claims(described), issuer)


def guarding_clients(app: Any) -> set[SharedClient]:
    """The clients behind all guards of an app, its mounted apps and its routers."""
    calls = (call for one in served(app) for call in dependencies(one.dependant))
    return {call.client for call in calls if isinstance(call, Guard)}


def _fitting(client: SharedClient) -> Issuer:
    options = client.options
    return Issuer(issuer=options.get("issuer", DEFAULT_ISSUER), audience=options.get("audience", DEFAULT_AUDIENCE))


@contextmanager
def _with_token(app: Any, token: str) -> Iterator[None]:
    """Adds the token to requests that bring none, outside of everything the app does."""
    if app.middleware_stack is None:
        app.middleware_stack = app.build_middleware_stack()
    before = app.middleware_stack
    header = (b"authorization", b"Bearer " + token.encode())

    async def with_token(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket") and not any(name == header[0] for name, _ in scope["headers"]):
            scope = {**scope, "headers": [*scope["headers"], header]}
        await before(scope, receive, send)

    app.middleware_stack = with_token
    try:
        yield
    finally:
        app.middleware_stack = before
