"""Where revoked access tokens are looked up."""

from typing import Protocol


class SessionStore(Protocol):
    """Knows which access tokens are revoked."""

    async def is_revoked(self, jti: str) -> bool:
        """Whether the token of that id is."""
        ...
