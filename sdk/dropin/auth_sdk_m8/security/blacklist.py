"""Revoked access tokens, in the Redis of their issuer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from redis import Redis


class AccessTokenBlacklist:
    """Looks ids up. A token is revoked while its key is there."""

    PREFIX: ClassVar[str] = "jwt:blacklist:"

    def __init__(self, client: Redis) -> None:
        self._client = client

    def is_revoked(self, jti: str) -> bool:
        """Whether the token of that id is revoked."""
        return bool(self._client.exists(f"{self.PREFIX}{jti}"))
