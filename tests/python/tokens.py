"""Makes viewer tokens the way the platform does, and the wrong ones that an attacker would try."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import time
from typing import Any

KEY = bytes(range(32))
APP_ID = "app-1"
ISSUER = "http://shell.test"
SECRET = "5e" * 32

_numbers = itertools.count()


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(signed: str, key: bytes = KEY, digest: str = "sha256") -> str:
    return part(hmac.new(key, signed.encode(), getattr(hashlib, digest)).digest())


def claims(username: str = "alice", **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    content = {
        "iss": ISSUER,
        "aud": APP_ID,
        "sub": f"id-of-{username}",
        "email": f"{username}@example.test",
        "username": username,
        "verified": True,
        "grp": "g1",
        "role": "member",
        "sid": "s1",
        "iat": now,
        "exp": now + 900,
        "jti": f"t{next(_numbers)}",
        "cap": "c",
    }
    content.update(changes)
    return {name: value for name, value in content.items() if value is not ...}


def token(username: str = "alice", *, header: Any = None, key: bytes = KEY, **changes: Any) -> str:
    head = {"alg": "HS256", "typ": "JWT"} if header is None else header
    signed = f"{part(head)}.{part(claims(username, **changes))}"
    return f"{signed}.{sign(signed, key)}"
