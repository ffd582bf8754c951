"""Hearing of what validators decide."""

from typing import Protocol


class ValidationHooks(Protocol):
    """Told of every token: counters and logs."""

    def on_success(self, *, jti: str, sub: str, token_type: str) -> None:
        """A token was good."""

    def on_failure(self, *, reason: str, token_type: str) -> None:
        """A token was not; the reason is one word."""
