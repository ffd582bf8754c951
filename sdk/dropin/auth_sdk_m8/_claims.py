"""What the claims of a token must say (RFC 7519 §4.1)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class ClaimsError(Exception):
    """A claim is missing, or says what must not be."""


class ExpiredError(ClaimsError):
    """The token's time is over."""


def check(
    claims: Mapping[str, Any],
    *,
    required: Iterable[str],
    leeway: float = 0,
    issuer: str | None = None,
    audience: Sequence[str] | str | None = None,
    any_audience: bool = False,
) -> None:
    """Holds the claims against the clock and against whom they are for.

    Args:
        claims: The verified claims.
        required: Those that must be there.
        leeway: Seconds by which clocks may differ.
        issuer: Who must have issued the token; anybody, without.
        audience: For whom it must be, one of them at least.
        any_audience: For whom it is doesn't matter. Otherwise a token that names an audience is no good to one who
            expects none.

    Raises:
        ExpiredError: It was good once.
        ClaimsError: It never was.
    """
    missing = [name for name in required if claims.get(name) is None]
    if missing:
        raise ClaimsError(f"no {missing[0]}")
    for name in ("sub", "jti"):
        if claims.get(name) is not None and not isinstance(claims[name], str):
            raise ClaimsError(f"{name} is no text")
    now = time.time()
    for name in ("iat", "nbf"):
        if name in claims and _seconds(claims, name) > now + leeway:
            raise ClaimsError(f"{name} is in the future")
    if "exp" in claims and _seconds(claims, "exp") <= now - leeway:
        raise ExpiredError("expired")
    if issuer is not None and claims.get("iss") != issuer:
        raise ClaimsError("from another issuer")
    if not any_audience:
        _check_audience(claims.get("aud"), audience)


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    try:
        return int(claims[name])
    except (TypeError, ValueError, OverflowError) as error:
        raise ClaimsError(f"{name} is no time") from error


def _check_audience(named: Any, wanted: Sequence[str] | str | None) -> None:
    if wanted is None:
        if named:
            raise ClaimsError("for an audience, and nobody is expected")
        return
    for_whom = [named] if isinstance(named, str) else named
    if not isinstance(for_whom, list) or not all(isinstance(item, str) for item in for_whom):
        raise ClaimsError("aud is no text")
    if not set(for_whom) & ({wanted} if isinstance(wanted, str) else set(wanted)):
        raise ClaimsError("for another audience")
