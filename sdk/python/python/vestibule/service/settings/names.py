"""Names of settings: which one was meant, and which belong to somebody else.

A ``.env`` file is seldom one program's own. Its unknown names are therefore told, not refused, except where a name
is so near to a setting which is itself missing that it can only be a slip: ``JWKS_URL``, ``TOKEN-ISSUER``, ``DBHOST``.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection, Mapping
from types import MappingProxyType

ISSUER_ONLY: Mapping[str, bool] = MappingProxyType(
    # name -> whether it is a secret that has no business in a service
    {
        "FIRST_SUPERUSER": False,
        "FIRST_SUPERUSER_PASSWORD": True,
        "TOKENS_ENCRYPTION_KEY": True,
        "TOKENS_ENCRYPTION_KEY_OLD": True,
        "SESSION_SECRET": True,
        "GOOGLE_CLIENT_ID": False,
        "GOOGLE_CLIENT_SECRET": True,
        "GOOGLE_OAUTH_REDIRECT_URI": False,
        "TRUSTED_PROXY_COUNT": False,
        "API_KEY_STRICT_RATE_LIMIT": False,
        "API_KEY_DEFAULT_LIMIT_MINUTE": False,
        "API_KEY_DEFAULT_LIMIT_HOUR": False,
        "API_KEY_DEFAULT_LIMIT_DAY": False,
        "API_KEY_DEFAULT_LIMIT_MONTH": False,
        "API_KEY_MAX_PER_USER": False,
        "PRIVATE_API_CONSUMERS": True,
        "SERVICE_TOKEN_TTL_SECONDS": False,
        "EVENT_STREAM_ENABLED": False,
        "EVENT_STREAM_BUFFER_SIZE": False,
        "EVENT_STREAM_HEARTBEAT_SECONDS": False,
        "EVENT_STREAM_MAX_QUEUE": False,
        "LOGIN_IP_RATE_LIMIT_REQUESTS": False,
        "ACCESS_PUBLIC_KEY_OLD_FILE": False,
        "ACCESS_KEY_ID_OLD": False,
        "OUTBOX_WORKER_ENABLED": False,
        "OUTBOX_DRAIN_INTERVAL_SECONDS": False,
    }
)
"""Settings of issuers that a shared file may hold; a service does not read them."""

PRIVATE_KEYS = frozenset({"ACCESS_PRIVATE_KEY"})
"""Names under which the issuer's private key itself might be given."""

VAULT_NAMES = frozenset({"SECRET_PROVIDER", "VAULT_ADDR", "VAULT_TOKEN"})
"""What other kits read secrets from a vault with; here it is a file for each secret."""

_OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "ALLOWED_ORIGINS": "BACKEND_CORS_ORIGINS",
        "AUDIENCE": "TOKEN_AUDIENCE",
        "CORS_ALLOWED_ORIGINS": "BACKEND_CORS_ORIGINS",
        "CORS_ORIGINS": "BACKEND_CORS_ORIGINS",
        "DATABASE_URI": "DATABASE_URL",
        "DB_NAME": "DB_DATABASE",
        "DB_PASS": "DB_PASSWORD",
        "DB_URI": "DATABASE_URL",
        "DB_URL": "DATABASE_URL",
        "DB_USERNAME": "DB_USER",
        "ENV": "ENVIRONMENT",
        "INTERNAL_API_SECRET": "PRIVATE_API_SECRET",
        "ISSUER": "ISSUER_URL",
        "JWKS": "JWKS_URI",
        "JWT_ALGORITHM": "ACCESS_TOKEN_ALGORITHM",
        "JWT_AUDIENCE": "TOKEN_AUDIENCE",
        "JWT_ISSUER": "TOKEN_ISSUER",
        "SQLALCHEMY_DATABASE_URI": "DATABASE_URL",
        "TRUSTED_HOSTS": "ALLOWED_HOSTS",
    }
)
_LONG_WORD = 7
_MOST_SLIPS = 2


@functools.lru_cache(maxsize=1024)
def _bare(name: str) -> str:
    return "".join(character for character in name.upper() if character.isalnum())


def distance(one: str, other: str, limit: int) -> int:
    """How many letters have to be put in, left out, changed or swapped with their neighbour; at most ``limit + 1``."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        now = [row]
        for column, wanted in enumerate(other, start=1):
            cost = min(last[column] + 1, now[-1] + 1, last[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and wanted == one[row - 2]:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        if min(now) > limit:
            return limit + 1
        before, last = last, now
    return min(last[-1], limit + 1)


@functools.lru_cache(maxsize=1024)
def _slips(name: str, known: frozenset[str]) -> tuple[str, ...]:
    """The settings a name may be a slip for, the likeliest first."""
    bare, letters = _bare(name), set(name)
    found: list[tuple[int, str]] = []
    for candidate in known:
        if bare == _bare(candidate):
            found.append((0, candidate))
        elif abs(len(name) - len(candidate)) <= _MOST_SLIPS and (
            len(letters.symmetric_difference(candidate)) <= 2 * _MOST_SLIPS
        ):
            far = _slips_between(name, candidate)
            if far is not None:
                found.append((far, candidate))
    return tuple(candidate for _, candidate in sorted(found))


def _slips_between(name: str, candidate: str) -> int | None:
    """How many letters differ when no word of a name became another word, as PORT is one and HOST another."""
    words, wanted = name.split("_"), candidate.split("_")
    if len(words) != len(wanted):
        far = distance(name, candidate, 1)
        return far if far == 1 else None
    slips = 0
    for word, meant in zip(words, wanted, strict=True):
        limit = 2 if len(meant) >= _LONG_WORD else 1
        far = distance(word, meant, limit)
        if far > limit:
            return None
        slips += far
    return slips if slips <= _MOST_SLIPS else None


def slip_for(name: str, known: frozenset[str], given: Collection[str]) -> str | None:
    """The setting that an unknown name can only be a slip for, if there is one.

    That is a setting which is not given itself, and whose name differs by nothing but punctuation, or by a letter in
    one or two of its words.
    """
    return next((candidate for candidate in _slips(name.upper(), known) if candidate not in given), None)


def nearest(name: str, known: Collection[str]) -> str | None:
    """The setting an unknown name makes one think of: another product's word for it, or the most alike."""
    upper = name.upper()
    other = _OTHER_NAMES.get(upper)
    if other in known:
        return other
    alike = difflib.get_close_matches(upper, list(known), n=1, cutoff=0.75)
    return alike[0] if alike else None
