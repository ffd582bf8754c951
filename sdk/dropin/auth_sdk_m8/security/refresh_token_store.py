"""Where refresh tokens are kept by their ids."""

from typing import Protocol


class RefreshTokenStore(Protocol):
    """Knows which refresh tokens are good."""

    async def is_valid(self, jti: str) -> bool:
        """Whether that one is."""
        ...

    async def rotate(self, old_jti: str, new_jti: str, ttl_seconds: int) -> None:
        """Puts one in the place of another, in one step."""
        ...

    async def revoke(self, jti: str) -> None:
        """Ends one."""
        ...
