"""Which kind of key a PEM text holds, and whether it is strong enough."""

from __future__ import annotations

import base64
import re

from vestibule._core import Keys, SigningKey
from vestibule.errors import ConfigurationError

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
# What an algorithm needs, and the DER of the object identifier that says a key is of that kind (RFC 3279 §2.3).
_NEEDS = {"RS256": "RSA", "ES256": "EC"}
_KINDS = {"RSA": bytes.fromhex("06092a864886f70d010101"), "EC": bytes.fromhex("06072a8648ce3d0201")}
_WEAK = {
    "RSA": "RS256 requires a minimum 2048-bit RSA key",
    "EC": "ES256 requires an EC key on P-256",
}


def _kind(pem: str, is_private: bool) -> str | None:
    for label, body in _BLOCK.findall(pem):
        if is_private != label.endswith("PRIVATE KEY"):
            continue
        if label.split()[0] in _KINDS:
            return str(label.split()[0])
        try:
            der = base64.b64decode(body)
        except ValueError:
            continue
        return next((kind for kind, identifier in _KINDS.items() if identifier in der), None)
    return None


def assert_key_strength(pem: str, algo: str, *, is_private: bool) -> None:
    """Refuses a key that is no key, of the wrong kind or too weak for `algo`; other algorithms have no rule.

    Raises:
        ValueError: Why it was refused.
    """
    needed = _NEEDS.get(algo)
    if needed is None:
        return
    kind = _kind(pem, is_private)
    if kind is None:
        raise ValueError(f"Cannot parse PEM key material: no {'private' if is_private else 'public'} key in it")
    if kind != needed:
        raise ValueError(f"{algo} requires an {needed} key; got one of kind {kind}")
    try:
        _ = SigningKey.from_pem(pem) if is_private else Keys.from_pem(pem)
    except (ConfigurationError, ValueError) as error:
        raise ValueError(_WEAK[kind]) from error
