"""Finding the key that a token names."""

from typing import Protocol

from auth_sdk_m8.schemas.auth import TokenSecret


class KeyResolver(Protocol):
    """Knows keys by their ids."""

    def resolve(self, kid: str | None) -> TokenSecret:
        """The key of that id.

        Raises:
            LookupError: There is none.
        """
        ...
