"""The dependencies that say who is calling, and refuse those who may not."""

# No postponed annotations here: FastAPI reads those of `__call__`, and can't resolve strings of an object.

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Depends, HTTPException
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import ValidationError
from starlette.requests import HTTPConnection
from vestibule import _core
from vestibule.errors import IdentityUnavailable, InvalidToken
from vestibule.service.client import CheckingClient, SharedClient

from auth_sdk_m8.schemas.auth import TokenUserData
from auth_sdk_m8.schemas.base import RoleType
from auth_sdk_m8.schemas.user import UserModel
from auth_sdk_m8.security.hooks import ValidationHooks
from fastapi_m8._revocation import RemoteRevocationClient, RevocationCheckError

_logger = logging.getLogger("fastapi_m8._deps")

_INVALID = "Could not validate credentials."
_REVOKED = "Token has been revoked."
_INACTIVE = "Inactive user"
_NO_PRIVILEGES = "The user doesn't have enough privileges"
# What could not be asked, and what that is called.
_UNAVAILABLE = {"revocation": "Token revocation check unavailable.", "keys": "Token validation keys unavailable."}


@dataclass(frozen=True)
class Caller:
    """Whose token it is, kept as long as the token is known."""

    user: UserModel
    jti: str
    sub: str


def caller_of(claims: Mapping[str, Any]) -> Caller:
    """The caller by the claims of a verified token.

    Raises:
        InvalidToken: The claims describe nobody.
    """
    try:
        payload = TokenUserData.model_validate(claims)
        user = UserModel.model_validate(payload.model_dump(exclude={"sub", "type", "jti", "exp"}) | {"id": payload.sub})
    except ValidationError as error:
        raise InvalidToken("invalid_payload") from error
    return Caller(user, payload.jti, payload.sub)


class Clients(SharedClient):
    """The core's client of this process, which gives callers as services know them."""

    def _make(self) -> CheckingClient:
        client: Any = _core.Client(make_user=caller_of, **self._options)
        checking: CheckingClient = client
        return checking


class CurrentUser(OAuth2PasswordBearer):
    """Gives the caller. As a dependency it is handed the request, and by its own name a token is as good."""

    required_role = RoleType.USER.value

    def __init__(
        self, client: Clients, *, token_url: str, revocation: RemoteRevocationClient | None, hooks: ValidationHooks
    ) -> None:
        super().__init__(tokenUrl=token_url, scheme_name="OAuth2PasswordBearer")
        self._client = client
        self._revocation = revocation
        self._hooks = hooks

    async def __call__(self, token: HTTPConnection) -> UserModel:  # type: ignore[override]
        """The caller.

        Args:
            token: The request, or the token itself.

        Raises:
            HTTPException: 401 without a token, 403 for one that is no good or of an inactive account, 503 when that
                can't be found out.
        """
        caller = await self._identify(token if isinstance(token, str) else _shown_by(token))
        await self._refuse_revoked(caller)
        if not caller.user.is_active:
            raise HTTPException(403, _INACTIVE)
        # A copy, since a service may change it.
        return caller.user.model_copy()

    async def _identify(self, token: str) -> Caller:
        shown = token.encode("utf-8", "replace")
        try:
            # Another kind of user than the service kit's comes out of it.
            caller: Any = self._client.client.check(shown)
            if caller is None:
                caller = await self._client.check(shown, None)
        except InvalidToken as error:
            self._hooks.on_failure(reason=error.reason, token_type="access")
            raise HTTPException(403, _REVOKED if error.reason == "revoked" else _INVALID) from error
        except IdentityUnavailable as error:
            _logger.warning("who is calling could not be found out: %s", error.cause)
            raise HTTPException(503, _UNAVAILABLE[error.cause], {"Retry-After": str(error.retry_after)}) from error
        identified: Caller = caller
        self._hooks.on_success(jti=identified.jti, sub=identified.sub, token_type="access")
        return identified

    async def _refuse_revoked(self, caller: Caller) -> None:
        if self._revocation is None:
            return
        try:
            revoked = await self._revocation.is_revoked(caller.jti)
        except RevocationCheckError as error:
            raise HTTPException(503, _UNAVAILABLE["revocation"]) from error
        if revoked:
            self._hooks.on_failure(reason="revoked", token_type="access")
            raise HTTPException(403, _REVOKED)


def _shown_by(connection: HTTPConnection) -> str:
    scheme, token = get_authorization_scheme_param(connection.headers.get("Authorization"))
    if scheme.lower() != "bearer":
        raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Bearer"})
    return token


_Function = TypeVar("_Function")


def _awaited_by_fastapi(function: _Function) -> _Function:
    """Lets FastAPI know that `function` gives it a coroutine, so that it needs no thread."""
    mark: Callable[[_Function], _Function] | None = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        return mark(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return function


def role_guard(current_user: CurrentUser, role: RoleType, *, flag: bool = False) -> Any:
    """A dependency that gives the caller if they have `role` or one above it.

    Args:
        current_user: Who says who is calling. It stands in the signature, so that a test which puts another in its
            place does so for the guards, too.
        role: What is demanded.
        flag: Whether the caller must be marked as superuser besides.
    """

    def check(user: UserModel) -> UserModel:
        if (flag and not user.is_superuser) or not RoleType.is_valid_role_auth(user.role, role):
            raise HTTPException(403, _NO_PRIVILEGES)
        return user

    async def soon(user: UserModel) -> UserModel:
        return check(user)

    def guard(
        current_user: UserModel = Depends(current_user),  # noqa: B008
        connection: HTTPConnection = None,  # type: ignore[assignment]
    ) -> UserModel | Coroutine[Any, Any, UserModel]:
        # FastAPI gives the connection, and awaits; who calls it by hand has the user only, and wants the answer.
        return check(current_user) if connection is None else soon(current_user)

    guard.__name__ = guard.__qualname__ = f"get_current_active_{'superuser' if flag else role.value}"
    # What `vestibule audit` lists.
    guard.required_role = role.value  # type: ignore[attr-defined]
    return _awaited_by_fastapi(guard)
