"""`build_auth_deps`: everything a service needs to know who is calling."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from inspect import signature
from typing import Annotated, Any, Final, ForwardRef, get_args

from fastapi import Depends
from fastapi.routing import APIRoute, APIWebSocketRoute

from vestibule.errors import ConfigurationError
from vestibule.service.challenge import SUBPROTOCOL, accepted_subprotocol
from vestibule.service.client import SharedClient, client_options, shared_client
from vestibule.service.guards import Guard
from vestibule.service.roles import Role
from vestibule.service.user import User

_log = logging.getLogger("vestibule.auth")


@dataclass(frozen=True, eq=False)
class AuthDeps:
    """The guards of a service. Made by `build_auth_deps`, once, at module level.

    Each guard comes as a dependency (`Depends(auth.get_current_writer)`) and as an annotation
    (`user: auth.CurrentWriter`). Type checkers take no attribute for a type; for them, name it once:
    `CurrentWriter = Annotated[User, Depends(auth.get_current_writer)]`.
    """

    get_current_user: Guard
    get_optional_user: Guard
    get_current_reader: Guard
    get_current_writer: Guard
    get_current_active_admin: Guard
    get_current_active_superuser: Guard
    CurrentUser: Any = field(repr=False)
    OptionalUser: Any = field(repr=False)
    CurrentReader: Any = field(repr=False)
    CurrentWriter: Any = field(repr=False)
    CurrentAdmin: Any = field(repr=False)
    CurrentSuperuser: Any = field(repr=False)
    client: SharedClient = field(repr=False)
    revocations: str
    """How revoked tokens are noticed: `feed`, `introspection`, or `off` without `TOKEN_MODE=stateful`."""
    _token_url: str = field(repr=False)

    def require_role(self, role: Role | str, *, stale_policy: str | None = None) -> Guard:
        """A guard for a role.

        Args:
            role: What the caller has to be at least.
            stale_policy: What this route does while it cannot be known which sessions ended: `introspect` (ask),
                `fail_closed` (503) or `fail_open` (believe the token). `None`: as the service is configured.

        Raises:
            ConfigurationError: No such role or policy.
        """
        return Guard(self.client, token_url=self._token_url, required_role=_role(role), stale_policy=stale_policy)

    def optional_user(self, *, stale_policy: str | None = None) -> Guard:
        """A guard that gives `None` for callers who show no token; a bad token is still refused.

        Raises:
            ConfigurationError: No such policy.
        """
        return Guard(self.client, token_url=self._token_url, optional=True, stale_policy=stale_policy)

    def start(self) -> None:
        """Fetches the key set and listens for revocations from now on, rather than from the first request on.

        Never blocks. Call it at start-up in the process that will serve requests.
        """
        self.client.hold(self)
        self.client.start()

    def statistics(self) -> dict[str, float]:
        """How identity is doing in this process: seconds since the feed was last known to be complete, caches, keys."""
        return self.client.client.statistics()

    async def close(self) -> None:
        """Lets go of connections and of the background thread. May be called twice; a later request starts anew."""
        self.client.release(self)


def build_auth_deps(settings: Any) -> AuthDeps:
    """The guards that settings ask for.

    Nothing is fetched and no thread started before the first request (or `AuthDeps.start`), so that a server may fork
    afterwards.

    Args:
        settings: A `ServiceSettings`, or anything with its names.

    Raises:
        ConfigurationError: The settings cannot work.
    """
    options = client_options(settings)
    client = shared_client(options)
    token_url = f"{getattr(settings, 'AUTH_PREFIX', '/user')}/login/access-token"
    _warn_of_weak_settings(options)

    def guard(role: Role, *, optional: bool = False) -> Guard:
        return Guard(client, token_url=token_url, required_role=role, optional=optional)

    user, optional = guard(Role.USER), guard(Role.USER, optional=True)
    reader, writer = guard(Role.READER), guard(Role.WRITER)
    admin, superuser = guard(Role.ADMIN), guard(Role.SUPERADMIN)
    deps = AuthDeps(
        get_current_user=user,
        get_optional_user=optional,
        get_current_reader=reader,
        get_current_writer=writer,
        get_current_active_admin=admin,
        get_current_active_superuser=superuser,
        CurrentUser=Annotated[User, _depends(user)],
        OptionalUser=Annotated[User | None, _depends(optional)],
        CurrentReader=Annotated[User, _depends(reader)],
        CurrentWriter=Annotated[User, _depends(writer)],
        CurrentAdmin=Annotated[User, _depends(admin)],
        CurrentSuperuser=Annotated[User, _depends(superuser)],
        client=client,
        revocations=options["revocations"],
        _token_url=token_url,
    )
    client.hold(deps)
    return deps


# Says what holds for anything that is no generator; FastAPI would find it out anew at each request.
_SCOPE: Final[dict[str, Any]] = {"scope": "request"} if "scope" in signature(Depends).parameters else {}


def _depends(guard: Guard) -> Any:
    return Depends(guard, **_SCOPE)


def _role(role: Role | str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise ConfigurationError(f"unknown role {role!r}; expected one of {', '.join(Role)}") from None


def _warn_of_weak_settings(options: dict[str, Any]) -> None:
    _log.info(
        "auth: algorithm=%s strict=%s keys=%s revocations=%s stale_policy=%s failure_mode=%s",
        options["algorithm"],
        options["strict"],
        "key set" if "jwks_uri" in options else "fixed",
        options["revocations"],
        options["stale_policy"],
        options["failure_mode"],
    )
    if options["revocations"] != "off" and options["failure_mode"] == "fail_open":
        _log.warning("auth: fail_open: while the issuer cannot be asked, revoked tokens are accepted")


def unresolved_annotations(routes: Iterable[Any]) -> list[str]:
    """Parameters whose annotation FastAPI could not read, one sentence each.

    With `from __future__ import annotations`, `user: auth.CurrentUser` is a string, and a local variable `auth` is
    nowhere to be found when FastAPI reads it: the caller would become a query parameter.
    """
    return [
        f"{route.path}: the annotation {part.__forward_arg__!r} of {param.name!r} cannot be resolved; "
        "define its name at module level, or write `= Depends(auth.get_current_user)`"
        for route in routes
        if isinstance(route, (APIRoute, APIWebSocketRoute))
        for param in route.dependant.query_params
        for part in (param.field_info.annotation, *get_args(param.field_info.annotation))
        if isinstance(part, ForwardRef)
    ]


__all__ = [
    "SUBPROTOCOL",
    "AuthDeps",
    "Guard",
    "Role",
    "User",
    "accepted_subprotocol",
    "build_auth_deps",
    "unresolved_annotations",
]
