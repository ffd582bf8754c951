"""Guards: dependencies that find out who is calling and demand a role of them."""

# No postponed annotations here: FastAPI reads those of `Guard.__call__`, and cannot resolve strings of an object.

from typing import Any

from fastapi.openapi.models import OAuth2, OAuthFlowPassword, OAuthFlows
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from vestibule.errors import ConfigurationError, IdentityUnavailable, InvalidToken
from vestibule.service import challenge
from vestibule.service.client import STALE_POLICIES, SharedClient
from vestibule.service.roles import Role
from vestibule.service.user import User

SCHEME_NAME = "OAuth2PasswordBearer"
"""What the scheme is called in OpenAPI, where clients generated from it look it up."""


class Guard(SecurityBase):
    """A dependency that gives the caller as a `User`, or refuses the request.

    It is a security scheme to FastAPI, so one level of dependencies does it all and OpenAPI shows how to sign in. It
    works for WebSockets too, where it answers before the handshake is accepted.

    Args:
        client: Whom to ask.
        token_url: Where OpenAPI says that one signs in.
        required_role: What the caller has to be at least.
        optional: Let callers through who show no token at all; they are `None`.
        stale_policy: What to do while it cannot be known which sessions ended; `None` for the service's own.
    """

    def __init__(
        self,
        client: SharedClient,
        *,
        token_url: str,
        required_role: Role = Role.USER,
        optional: bool = False,
        stale_policy: str | None = None,
    ) -> None:
        if stale_policy is not None and stale_policy not in STALE_POLICIES:
            raise ConfigurationError(f"unknown stale_policy {stale_policy!r}; expected one of {STALE_POLICIES}")
        self.model = OAuth2(flows=OAuthFlows(password=OAuthFlowPassword(tokenUrl=token_url, scopes={})))
        self.scheme_name = SCHEME_NAME
        # What `vestibule audit` lists; a guard that lets anybody through guards nothing.
        self.required_role = None if optional else required_role
        self.optional = optional
        self.stale_policy = stale_policy
        self.client = client
        self._required_rank = required_role.rank

    async def __call__(self, connection: HTTPConnection) -> Any:
        """The caller.

        Returns:
            A `User`, or `None` where the guard is optional and no token was shown.

        Raises:
            HTTPException: 401, 403 or 503, see `vestibule.service.challenge`.
            WebSocketException: The same for WebSockets, where the server cannot answer them by a status.
        """
        try:
            token = challenge.token_of(connection.scope)
            if token is None:
                if self.optional:
                    return None
                challenge.refuse_without_token(connection)
            client = self.client.current or self.client.client
            user = client.check(token, self.stale_policy)
            if user is None:
                user = await self.client.check(token, self.stale_policy)
        except InvalidToken as error:
            challenge.refuse_token(connection, error)
        except IdentityUnavailable as error:
            refused = self.client.client.statistics().get("credential_refused") == 1.0
            challenge.refuse_unavailable(connection, error, credential_refused=refused)
        if not user.is_active:
            challenge.refuse_inactive(connection)
        if self._required_rank and user.role.rank < self._required_rank:
            challenge.refuse_role(connection)
        return user

    def __repr__(self) -> str:
        optional = ", optional" if self.optional else ""
        return f"<Guard {self.required_role or Role.USER}{optional}>"


__all__ = ["SCHEME_NAME", "Guard", "User"]
