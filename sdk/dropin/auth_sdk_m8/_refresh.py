"""Reading refresh tokens, which only their issuer does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from auth_sdk_m8 import _claims
from auth_sdk_m8._jwt import SignatureError
from auth_sdk_m8.core.exceptions import InvalidToken
from auth_sdk_m8.schemas.auth import TokenSecret

logger = logging.getLogger(__name__)

_ALGORITHMS = frozenset({"HS256", "RS256", "ES256"})
_INVALID = "Invalid refresh token"
_EXPIRED = "Refresh token expired"

Decode = Callable[[str, TokenSecret], dict[str, Any]]


def read(token: str, secrets: TokenSecret, old_secrets: TokenSecret | None, decode: Decode) -> tuple[UUID, str]:
    """The account and the id of a refresh token. One that the current key doesn't verify is tried with the old one.

    Raises:
        InvalidToken: It is no good, with the text that its holder may see.
    """
    if secrets.algorithm not in _ALGORITHMS:
        raise InvalidToken("Unsupported token algorithm")
    try:
        claims = _verified(token, secrets, decode)
    except InvalidToken as error:
        if old_secrets is None or str(error) == _EXPIRED:
            raise
        claims = _verified(token, old_secrets, decode)
        logger.warning("a refresh token was verified by the old key")
    if claims["type"] != "refresh":
        raise InvalidToken("Not a refresh token")
    try:
        return UUID(claims["sub"]), claims["jti"]
    except ValueError as error:
        raise InvalidToken(_INVALID) from error


def _verified(token: str, secrets: TokenSecret, decode: Decode) -> dict[str, Any]:
    try:
        claims = decode(token, secrets)
        _claims.check(claims, required=("exp", "sub", "jti", "type"))
    except _claims.ExpiredError as error:
        raise InvalidToken(_EXPIRED) from error
    except (SignatureError, _claims.ClaimsError) as error:
        raise InvalidToken(_INVALID) from error
    if not claims["jti"]:
        raise InvalidToken(_INVALID)
    return claims
