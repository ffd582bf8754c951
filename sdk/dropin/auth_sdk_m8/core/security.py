"""Helpers of older services; `auth_sdk_m8.security` has what took their place."""

from __future__ import annotations

import hashlib
import json
import secrets as randomness
import warnings
from base64 import b64encode, urlsafe_b64encode
from typing import Annotated, Literal, overload
from uuid import UUID

from fastapi import Cookie, HTTPException

from auth_sdk_m8 import _jwt as jwt
from auth_sdk_m8 import _refresh
from auth_sdk_m8.schemas.auth import TokenDecodeProps, TokenSecret, TokenUserData
from auth_sdk_m8.security.token_validator import TokenValidator
from auth_sdk_m8.security.validation import TokenValidationConfig

LEGACY_ACCESS_TOKEN_VALIDATION_CONFIG = TokenValidationConfig(required_claims=["exp"], leeway_seconds=0)


class ComSecurityHelper:
    """Tokens, cookies and the values of an OAuth sign-in."""

    @staticmethod
    def decode_access_token(token_data: TokenDecodeProps) -> TokenUserData:
        """The claims of an access token. Deprecated: `TokenValidator` asks for more."""
        warnings.warn("decode_access_token is deprecated: use TokenValidator", DeprecationWarning, stacklevel=2)
        config = LEGACY_ACCESS_TOKEN_VALIDATION_CONFIG.model_copy(update={"allowed_algorithms": [token_data.algorithm]})
        secrets = TokenSecret(secret_key=token_data.secret_key, algorithm=token_data.algorithm)
        return TokenValidator(secrets=secrets, config=config).validate_access_token(token_data.access_token)

    @overload
    @staticmethod
    def decode_refresh_token(
        token: str, secrets: TokenSecret, return_jti: Literal[False] = False, old_secrets: TokenSecret | None = None
    ) -> UUID: ...

    @overload
    @staticmethod
    def decode_refresh_token(
        token: str, secrets: TokenSecret, return_jti: Literal[True], old_secrets: TokenSecret | None = None
    ) -> tuple[UUID, str]: ...

    @staticmethod
    def decode_refresh_token(
        token: str, secrets: TokenSecret, return_jti: bool = False, old_secrets: TokenSecret | None = None
    ) -> UUID | tuple[UUID, str]:
        """The account of a refresh token, and the token's id if it is wanted.

        Raises:
            InvalidToken: It is no good.
        """
        user_id, jti = _refresh.read(token, secrets, old_secrets, lambda text, by: jwt.decode(text, by))
        return (user_id, jti) if return_jti else user_id

    @staticmethod
    def get_refresh_token_from_cookie(refresh_token: Annotated[str | None, Cookie()] = None) -> str:
        """The refresh token of the cookie.

        Raises:
            HTTPException: 401, there is none.
        """
        if not refresh_token:
            raise HTTPException(401, "Refresh token missing")
        return refresh_token

    @staticmethod
    def get_access_token_from_cookie(access_token: Annotated[str | None, Cookie()] = None) -> str:
        """The access token of the cookie.

        Raises:
            HTTPException: 401, there is none.
        """
        if not access_token:
            raise HTTPException(401, "Access token missing")
        return access_token

    @staticmethod
    def hash_token(token: str) -> str:
        """The form in which a token is kept: SHA-256, in hexadecimal digits."""
        return hashlib.sha256(token.encode()).hexdigest()

    @staticmethod
    def create_state(pkce: str) -> str:
        """A state for an OAuth sign-in that carries the verifier."""
        return b64encode(json.dumps({"pkce": pkce}).encode()).decode()

    @staticmethod
    def create_pkce() -> str:
        """A code verifier (RFC 7636 §4.1) of 32 random bytes."""
        return urlsafe_b64encode(randomness.token_bytes(32)).rstrip(b"=").decode()
