"""Refresh tokens that are good once."""

from __future__ import annotations

from uuid import UUID

from auth_sdk_m8 import _jwt, _refresh
from auth_sdk_m8.core.exceptions import InvalidToken
from auth_sdk_m8.schemas.auth import TokenSecret
from auth_sdk_m8.security.hooks import ValidationHooks
from auth_sdk_m8.security.refresh_token_store import RefreshTokenStore


class RefreshTokenPolicy:
    """Reads refresh tokens and, if there is a store, puts a new one in the place of each."""

    def __init__(
        self,
        secrets: TokenSecret,
        store: RefreshTokenStore | None = None,
        hooks: ValidationHooks | None = None,
        old_secrets: TokenSecret | None = None,
    ) -> None:
        self._secrets = secrets
        self._store = store
        self._hooks = hooks
        self._old_secrets = old_secrets

    async def validate_and_rotate(self, token: str, new_jti: str, ttl_seconds: int = 86_400) -> tuple[UUID, str]:
        """The account of a token and the token's id, which is not good any more.

        Args:
            token: As the client sent it.
            new_jti: The id of the token that takes its place.
            ttl_seconds: How long that one is good.

        Raises:
            InvalidToken: It is no good, or was used before.
        """
        try:
            user_id, old_jti = _refresh.read(token, self._secrets, self._old_secrets, _jwt.decode)
        except InvalidToken:
            self._failed("invalid")
            raise
        if self._store is not None:
            if not await self._store.is_valid(old_jti):
                self._failed("reused")
                raise InvalidToken("Refresh token already used or revoked")
            await self._store.rotate(old_jti, new_jti, ttl_seconds)
        if self._hooks is not None:
            self._hooks.on_success(jti=new_jti, sub=str(user_id), token_type="refresh")
        return user_id, old_jti

    async def revoke(self, jti: str) -> None:
        """Ends the token of that id."""
        if self._store is not None:
            await self._store.revoke(jti)

    def _failed(self, reason: str) -> None:
        if self._hooks is not None:
            self._hooks.on_failure(reason=reason, token_type="refresh")
