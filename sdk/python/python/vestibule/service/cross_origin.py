"""Which browsers may call from pages of other origins (CORS, Fetch section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from vestibule.service.headers import RawHeader

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REQUEST_HEADERS: Final = ("Authorization", "Content-Type", "X-Requested-With", "X-API-Key", "X-Request-ID")
EXPOSED_HEADERS: Final = ("X-Request-ID", "Retry-After", "WWW-Authenticate")
PREFLIGHT_SECONDS: Final = 3600

_VARY: Final[RawHeader] = (b"vary", b"Origin")


class CrossOrigin:
    """What pages of other origins are told.

    Preflights are answered by Starlette's middleware. All other answers get a handful of fixed headers.

    Args:
        origins: Origins whose pages may call, with credentials; never `*`.
        more_headers: Request headers they may send beyond `REQUEST_HEADERS`.

    Raises:
        ValueError: An origin is `*`, which browsers refuse together with credentials.
    """

    def __init__(self, origins: Sequence[str], more_headers: Sequence[str] = ()) -> None:
        if "*" in origins:
            raise ValueError("any origin may not call with credentials: name the origins")
        told = (
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", ", ".join(EXPOSED_HEADERS).encode()),
            _VARY,
        )
        self._told: dict[bytes, tuple[RawHeader, ...]] = {
            origin.encode(): ((b"access-control-allow-origin", origin.encode()), *told) for origin in origins
        }
        self.preflight: ASGIApp = CORSMiddleware(
            _nothing,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=METHODS,
            allow_headers=(*REQUEST_HEADERS, *more_headers),
            max_age=PREFLIGHT_SECONDS,
        )

    def headers(self, origin: bytes | None) -> tuple[RawHeader, ...]:
        """What an answer to a page of `origin` carries.

        `Vary` stands in all of them: caches must know that the answer to another page differs.
        """
        return (_VARY,) if origin is None else self._told.get(origin, (_VARY,))


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks what it may send; to be asked only when there is an origin."""
    return scope["method"] == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in scope["headers"]
    )


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Never reached: what gets here was a preflight."""
