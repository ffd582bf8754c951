"""Keys of an issuer, by its key set. It is for code that has no event loop: the fetch blocks its thread. The
dependencies of `fastapi_m8.build_auth_deps` don't use it."""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.request
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr
from vestibule._core import Keys

from auth_sdk_m8.schemas.auth import TokenAlgorithm, TokenSecret

_logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 5
_MAX_JWKS_BYTES = 1024 * 1024
# Tokens that name keys nobody has must not become a storm of fetches.
_MIN_REFRESH_INTERVAL = 1.0


class JwksKeyResolver:
    """Fetches the key set when it is old or lacks a key, and keeps the last one when that fails.

    Args:
        jwks_uri: Where the key set is.
        algorithm: What its keys are used with.
        cache_ttl: Seconds for which a set is good.

    Raises:
        ValueError: The address is not of HTTP.
    """

    def __init__(self, jwks_uri: str, algorithm: str = "RS256", cache_ttl: int = 300) -> None:
        if urlsplit(jwks_uri).scheme not in ("http", "https"):
            raise ValueError(f"the key set's address must be http or https: {jwks_uri!r}")
        self._uri = jwks_uri
        self._algorithm = algorithm
        self._cache_ttl = cache_ttl
        self._cache: dict[str | None, TokenSecret] = {}
        self._cache_expires_at = 0.0
        self._last_refresh_attempt = float("-inf")
        self._lock = threading.Lock()

    def resolve(self, kid: str | None) -> TokenSecret:
        """The key of that id.

        Raises:
            LookupError: The issuer has none.
            OSError: There never was a key set, and it can't be fetched.
            ValueError: There never was a key set, and what was fetched is none.
        """
        if kid not in self._cache or time.monotonic() >= self._cache_expires_at:
            self._guarded_refresh()
        return self._get_or_raise(kid)

    def _get_or_raise(self, kid: str | None) -> TokenSecret:
        try:
            return self._cache[kid]
        except KeyError:
            raise LookupError(f"the key set has no key {kid!r}") from None

    def _refreshed_just_now(self) -> bool:
        return time.monotonic() - self._last_refresh_attempt <= _MIN_REFRESH_INTERVAL

    def _guarded_refresh(self) -> None:
        if self._refreshed_just_now():
            return
        with self._lock:
            # Somebody else may have done it meanwhile.
            if not self._refreshed_just_now():
                self._last_refresh_attempt = time.monotonic()
                self._refresh()

    def _refresh(self) -> None:
        try:
            entries = self._fetch_jwks()
        except (OSError, ValueError) as error:
            if not self._cache:
                raise
            _logger.warning("the key set could not be fetched, the last one is used: %s", error)
            return
        self._cache = {kid: key for kid, key in map(self._key, entries) if key is not None}
        self._cache_expires_at = time.monotonic() + self._cache_ttl

    def _key(self, entry: Any) -> tuple[str | None, TokenSecret | None]:
        """One bad or foreign entry takes nothing from the others."""
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            return None, None
        kid = entry.get("kid")
        try:
            pem = self._jwk_to_pem(entry)
        except (LookupError, TypeError, ValueError) as error:
            _logger.warning("an entry of the key set was skipped: %s", error)
            return kid, None
        algorithm = cast("TokenAlgorithm", self._algorithm)
        return kid, TokenSecret(secret_key=SecretStr(pem), algorithm=algorithm)

    def _fetch_jwks(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(self._uri, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 # HTTP only, see above
            body = answer.read(_MAX_JWKS_BYTES + 1)
        if len(body) > _MAX_JWKS_BYTES:
            raise ValueError(f"the key set is over the byte cap of {_MAX_JWKS_BYTES}")
        document = json.loads(body)
        keys = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(keys, list):
            raise ValueError("the issuer's answer is no key set")
        return keys

    @staticmethod
    def _jwk_to_pem(jwk: dict[str, Any]) -> str:
        pem = Keys.from_jwks(json.dumps({"keys": [jwk]})).public_pem(jwk.get("kid"))
        if pem is None:
            raise LookupError(f"a key of type {jwk.get('kty')!r} can't be used")
        return pem
