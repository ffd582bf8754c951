"""Takes what must not be shown out of the details of health: at any depth, in keys, addresses and running text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

REDACTED: Final = "REDACTED"

_SECRET_WORDS: Final = frozenset(
    {
        "secret",
        "secrets",
        "password",
        "passwords",
        "passwd",
        "pwd",
        "passphrase",
        "token",
        "tokens",
        "apikey",
        "accesskey",
        "privatekey",
        "credential",
        "credentials",
        "dsn",
        "authorization",
        "cookie",
    }
)
_SECRET_PAIRS: Final = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("signing", "key")})
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# Up to the last `@`, since people paste passwords with `@`, `/` and `#` into addresses unescaped.
_USER_INFO: Final = re.compile(r"://[^\s\"'<>]*@")
_BEARER: Final = re.compile(r"\b(Bearer|Basic)\s+[^\s\"',;]+", re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    r"\b([\w-]{0,40}(?:password|passwd|pwd|secret|token|api[_-]?key|credential)[\w-]{0,40}[\"']?\s{0,4}[=:]\s{0,4})(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)",
    re.IGNORECASE,
)

_DEPTH: Final = 8
_ITEMS: Final = 100
_TEXT: Final = 1000


def redact_text(text: str) -> str:
    """The text without credentials: user and password of addresses, `password=…`, `Bearer …`. At most 1000
    characters.
    """
    # Cut twice: what is cut off before could be the end by which a secret is known.
    text = _USER_INFO.sub("://***:***@", text[: 4 * _TEXT])
    text = _BEARER.sub(r"\1 ***", text)
    return _ASSIGNED.sub(r"\1***", text)[:_TEXT]


def redact(value: object, _depth: int = 0) -> Any:
    """A copy that may be shown and that JSON can say.

    Values under a key that names a secret (`db_password`, `apiKey`, …) are replaced whole. What JSON does not know
    becomes text. Mappings and lists are followed eight levels deep and show 100 entries.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return redact_text(value)
    if _depth >= _DEPTH:
        return "…"
    if isinstance(value, Mapping):
        shown = list(value.items())[:_ITEMS]
        return {
            redact_text(str(key)): REDACTED if names_secret(str(key)) else redact(item, _depth + 1)
            for key, item in shown
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, _depth + 1) for item in list(value)[:_ITEMS]]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    try:
        return redact_text(str(value))
    except Exception:  # a `__str__` of somebody else's; that it fails must not hide the rest
        return f"<{type(value).__name__}>"


def names_secret(key: str) -> bool:
    """Whether a key says that its value is secret: `token`, `DB_PASSWORD`, `apiKey`; not `tokenizer` or `key`."""
    words = [word.lower() for word in _WORDS.findall(key)]
    return any(word in _SECRET_WORDS for word in words) or any(pair in _SECRET_PAIRS for pair in pairwise(words))
