"""Access tokens that can be revoked."""

from __future__ import annotations

from auth_sdk_m8.core.exceptions import InvalidToken
from auth_sdk_m8.schemas.auth import TokenUserData
from auth_sdk_m8.security.hooks import ValidationHooks
from auth_sdk_m8.security.session_store import SessionStore
from auth_sdk_m8.security.token_validator import TokenValidator


class TokenPolicy:
    """A validator and, if there is one, the store of what was revoked."""

    def __init__(
        self, validator: TokenValidator, store: SessionStore | None = None, hooks: ValidationHooks | None = None
    ) -> None:
        self._validator = validator
        self._store = store
        self._hooks = hooks

    async def validate(self, token: str) -> TokenUserData:
        """The claims of a good token.

        Raises:
            InvalidToken: It isn't good, or not any more.
        """
        payload = self._validator.validate_access_token(token)
        if self._store is not None and await self._store.is_revoked(payload.jti):
            if self._hooks is not None:
                self._hooks.on_failure(reason="revoked", token_type="access")
            raise InvalidToken("Token revoked")
        return payload
