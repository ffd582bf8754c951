"""`build_auth_deps`: the dependencies of a service that trusts an issuer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends
from vestibule.errors import ConfigurationError
from vestibule.service.client import client_options

from auth_sdk_m8.schemas.base import RoleType
from auth_sdk_m8.schemas.user import UserModel
from fastapi_m8._compat import _assert_compat
from fastapi_m8._guards import Clients, CurrentUser, role_guard
from fastapi_m8._revocation import RemoteRevocationClient

if TYPE_CHECKING:
    from fastapi_m8.config import ConsumerServiceSettings

_logger = logging.getLogger(__name__)

Guard = Callable[..., UserModel]

# What verifies tokens. The rest is about revoked ones, which RemoteRevocationClient asks about.
_VERIFYING = {
    "algorithm",
    "issuer",
    "audience",
    "strict",
    "secret",
    "jwks_uri",
    "jwks_cache_seconds",
    "public_key_pem",
}
# Tokens are looked at as leniently as these names promise, and the issuer is asked by the token's id alone.
_AS_EVER = {
    "consistent_privileges": False,
    "uuid_subject": False,
    "raw_claims": True,
    "introspection_version": 1,
}


class _LoggingHooks:
    """Says what was decided about each token, and never the token."""

    def on_success(self, *, jti: str, sub: str, token_type: str) -> None:
        """It was good."""
        _logger.debug("auth.ok type=%s sub=%s jti=%s", token_type, sub, jti)

    def on_failure(self, *, reason: str, token_type: str) -> None:
        """It wasn't."""
        _logger.warning("auth.fail type=%s reason=%s", token_type, reason)


def _absent(*_: Any, **__: Any) -> Any:
    raise RuntimeError("these dependencies were not made by build_auth_deps")


@dataclass(frozen=True, eq=False)
class AuthDeps:
    """The dependencies. Each may also be called by hand: with a token, and with a user."""

    get_current_user: Callable[..., Awaitable[UserModel]]
    CurrentUser: Any
    get_current_active_admin: Guard
    get_current_active_superuser: Guard
    revocation_client: RemoteRevocationClient | None
    # Of later releases. Who makes such an object by hand knows the first five.
    get_current_active_writer: Guard = field(default=_absent)
    get_current_active_reader: Guard = field(default=_absent)
    require_role: Callable[[RoleType], Guard] = field(default=_absent)
    _client: Clients | None = field(default=None, repr=False)

    async def close(self) -> None:
        """Closes the connections. A later request opens others."""
        try:
            if self.revocation_client is not None:
                await self.revocation_client.close()
        finally:
            if self._client is not None:
                self._client.release(self)


def build_auth_deps(settings: ConsumerServiceSettings) -> AuthDeps:
    """The dependencies that the settings ask for. Nothing is fetched before the first request.

    Raises:
        ValueError: The settings can't work.
        RuntimeError: `auth_sdk_m8` is of a version that doesn't fit.
    """
    _assert_compat()
    asks = settings.is_stateful and settings.AUTH_SERVICE_ROLE == "consumer"
    listens = asks and getattr(settings, "REVOCATION_SOURCE", "introspection") == "feed"
    try:
        options = client_options(settings)
        if not listens:
            options = {name: value for name, value in options.items() if name in _VERIFYING}
        client = Clients(options | _AS_EVER)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
    _logger.info(
        "auth.validation algorithm=%s strict=%s jwks=%s iss=%s aud=%s role=%s",
        settings.ACCESS_TOKEN_ALGORITHM,
        settings.TOKEN_STRICT_VALIDATION,
        bool(settings.JWKS_URI),
        bool(settings.TOKEN_ISSUER),
        bool(settings.TOKEN_AUDIENCE),
        settings.AUTH_SERVICE_ROLE,
    )
    revocation = _revocation_client(settings) if asks else None
    user = CurrentUser(
        client,
        token_url=f"{settings.AUTH_PREFIX}/login/access-token",
        revocation=None if listens else revocation,
        hooks=_LoggingHooks(),
    )

    def require_role(role: RoleType) -> Guard:
        guard: Guard = role_guard(user, RoleType(role))
        return guard

    deps = AuthDeps(
        get_current_user=user,
        CurrentUser=Annotated[UserModel, Depends(user)],
        get_current_active_admin=require_role(RoleType.ADMIN),
        get_current_active_superuser=role_guard(user, RoleType.SUPERADMIN, flag=True),
        revocation_client=revocation,
        get_current_active_writer=require_role(RoleType.WRITER),
        get_current_active_reader=require_role(RoleType.READER),
        require_role=require_role,
        _client=client,
    )
    client.hold(deps)
    return deps


def _revocation_client(settings: ConsumerServiceSettings) -> RemoteRevocationClient:
    mode = settings.effective_failure_mode("access_revocation")
    _logger.info("revocation.mode effective=%s source=%s", mode, getattr(settings, "REVOCATION_SOURCE", None))
    secret = settings.PRIVATE_API_SECRET
    return RemoteRevocationClient(
        introspection_url=str(settings.INTROSPECTION_URL),
        private_api_secret=secret.get_secret_value() if secret is not None else "",
        fail_closed=mode == "fail_closed",
    )
