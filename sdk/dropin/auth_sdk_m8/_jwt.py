"""Signatures of tokens, by Vestibule's core; what the claims say is looked at elsewhere."""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import Any

from vestibule import _core
from vestibule.errors import ConfigurationError
from vestibule.errors import InvalidToken as Refused

from auth_sdk_m8.schemas.auth import ASYMMETRIC_ALGORITHMS, TokenSecret


class SignatureError(Exception):
    """The token is no token, or nobody who may has signed it."""


@lru_cache(maxsize=64)
def _keys(algorithm: str, secret: str) -> _core.Keys:
    # Parsing a key costs more than using it.
    return _core.Keys.from_pem(secret) if algorithm in ASYMMETRIC_ALGORITHMS else _core.Keys.from_secret(secret)


def decode(token: str, secrets: TokenSecret) -> dict[str, Any]:
    """The claims of a token that `secrets` verifies.

    Raises:
        SignatureError: It doesn't.
    """
    try:
        keys = _keys(secrets.algorithm, secrets.secret_key.get_secret_value())
        return _core.verify_signature(token, keys, algorithm=secrets.algorithm)
    except (Refused, ConfigurationError, TypeError, ValueError) as error:
        raise SignatureError("the signature is wrong") from error


def key_id(token: str) -> str | None:
    """Which key the header names. Nothing has been verified.

    Raises:
        SignatureError: There is no header that could be read.
    """
    try:
        header = token.split(".", 1)[0]
        fields = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
        name = fields.get("kid")
    except (AttributeError, ValueError) as error:
        raise SignatureError("the header can't be read") from error
    if name is not None and not isinstance(name, str):
        raise SignatureError("the header names a key that can't be")
    return name
