"""What can go wrong when the SDK finds out who is calling."""

from __future__ import annotations

from typing import Final, Literal

Reason = Literal["expired", "invalid", "wrong_type", "invalid_payload", "inconsistent_privilege_claims", "revoked"]
"""Why a token was refused; the words that metrics and logs use."""

_TEXTS: Final[dict[str, str]] = {
    "expired": "The access token expired",
    "invalid": "The access token is invalid",
    "wrong_type": "The token is not an access token",
    "invalid_payload": "The access token is malformed",
    "inconsistent_privilege_claims": "The access token contradicts itself about privileges",
    "revoked": "The access token was revoked",
}


class VestibuleError(Exception):
    """The root of every error that the SDK raises on purpose."""


class InvalidToken(VestibuleError):
    """The token proves nothing: the caller has to sign in again. Answered with 401.

    Attributes:
        reason: Why, in one word. It never holds anything of the token itself.
    """

    reason: Reason

    def __init__(self, reason: Reason = "invalid") -> None:
        super().__init__(_TEXTS.get(reason, _TEXTS["invalid"]))
        self.reason = reason

    def __reduce__(self) -> tuple[type[InvalidToken], tuple[Reason]]:
        return type(self), (self.reason,)


class IdentityUnavailable(VestibuleError):
    """Whether the token is good could not be found out, through no fault of the caller. Answered with 503.

    Attributes:
        cause: What was missing: the issuer's `keys`, or its word on `revocation`.
        retry_after: Seconds after which it is worth another try.
        detail: What went wrong, for the log. It names no secret.
    """

    cause: Literal["keys", "revocation"]
    retry_after: int
    detail: str

    def __init__(
        self, cause: Literal["keys", "revocation"] = "revocation", retry_after: int = 1, detail: str = "no answer"
    ) -> None:
        super().__init__(f"Identity could not be checked: {detail}")
        self.cause = cause
        self.retry_after = retry_after
        self.detail = detail

    def __reduce__(self) -> tuple[type[IdentityUnavailable], tuple[str, int, str]]:
        return type(self), (self.cause, self.retry_after, self.detail)


class ConfigurationError(VestibuleError):
    """The service is configured in a way that cannot work; the text says what to change."""
