"""A look over the settings at start: what will not work is fatal, what is unwise is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from auth_sdk_m8.core.exceptions import ConfigurationError
from auth_sdk_m8.schemas.auth import ASYMMETRIC_ALGORITHMS

_SHORTEST_CACHE_SECONDS = 30
_LOCAL_HOSTS = ("://localhost", "://127.0.0.1")


class _Logger(Protocol):
    def warning(self, msg: str, *args: object) -> None: ...

    def critical(self, msg: str, *args: object) -> None: ...


class _Findings:
    """What was found, in order. `grave` is what only `STRICT_PRODUCTION_MODE` makes fatal."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self.warnings: list[str] = []
        self.fatal: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def fail(self, text: str) -> None:
        self.fatal.append(text)

    def grave(self, text: str) -> None:
        (self.fatal if self._strict else self.warnings).append(text)


def _keys(settings: Any, found: _Findings) -> None:
    algorithm: str = settings.ACCESS_TOKEN_ALGORITHM
    asymmetric = algorithm in ASYMMETRIC_ALGORITHMS
    key_set = getattr(settings, "JWKS_URI", None)
    if asymmetric and not key_set and not getattr(settings, "ACCESS_PUBLIC_KEY", None):
        found.fail(f"nothing verifies {algorithm} tokens: set JWKS_URI or ACCESS_PUBLIC_KEY_FILE")
    if key_set and not asymmetric:
        found.warn(f"JWKS_URI is set but {algorithm} tokens are verified by a shared secret; remove one of the two")
    lifetime = getattr(settings, "JWKS_CACHE_TTL_SECONDS", 300)
    if key_set and asymmetric and lifetime < _SHORTEST_CACHE_SECONDS:
        found.warn(f"JWKS_CACHE_TTL_SECONDS={lifetime} fetches the key set very often; 300 is usual")


def _role(settings: Any, found: _Findings) -> None:
    private_key = getattr(settings, "ACCESS_PRIVATE_KEY_FILE", None)
    if getattr(settings, "AUTH_SERVICE_ROLE", "issuer") == "consumer":
        if private_key:
            found.fail("a consumer must not hold a signing private key; remove ACCESS_PRIVATE_KEY_FILE")
        host = getattr(settings, "DB_HOST", None)
        if settings.is_stateless and host:
            found.warn(f"DB_HOST={host!r} is set in a stateless consumer, which needs no database for tokens")
        return
    if settings.ACCESS_TOKEN_ALGORITHM in ASYMMETRIC_ALGORITHMS and not private_key:
        found.fail("no ACCESS_PRIVATE_KEY_FILE: issuers must hold the signing key")
    if getattr(settings, "JWKS_URI", None):
        found.grave("AUTH_SERVICE_ROLE=issuer has JWKS_URI set, though it verifies tokens by its own key")


def _redis(settings: Any, found: _Findings) -> None:
    if settings.requires_redis and not (
        getattr(settings, "REDIS_HOST", None) and getattr(settings, "REDIS_PASSWORD", None)
    ):
        mode = getattr(settings, "TOKEN_MODE", "stateful")
        found.fail(f"TOKEN_MODE={mode} keeps sessions in Redis; set REDIS_HOST and REDIS_PASSWORD")


def _production(settings: Any, found: _Findings) -> None:
    origins = getattr(settings, "ALLOWED_ORIGINS", [])
    local = [origin for origin in origins if any(host in origin for host in _LOCAL_HOSTS)]
    if local:
        found.fail(f"ALLOWED_ORIGINS lets pages of this machine in: {', '.join(local)}")
    shown = [name for name in ("SET_DOCS", "SET_OPEN_API") if getattr(settings, name, False)]
    if getattr(settings, "SERVE_DOCS_IN_PRODUCTION", False):
        if shown or getattr(settings, "SET_REDOC", False):
            found.warn("SERVE_DOCS_IN_PRODUCTION=true publishes the documentation of this API")
    else:
        for name in shown:
            found.grave(f"{name}=true in production; set it to false, or SERVE_DOCS_IN_PRODUCTION=true if it is meant")
    for name in ("TOKEN_ISSUER", "TOKEN_AUDIENCE"):
        if not getattr(settings, name, None):
            found.grave(f"{name} is not set, so tokens made for somebody else may be good here")


def _strict(settings: Any, found: _Findings) -> None:
    if "*" in getattr(settings, "ALLOWED_ORIGINS", []):
        found.fail("ALLOWED_ORIGINS has a wildcard; name the origins")
    if getattr(settings, "ENVIRONMENT", "") != "local" and not getattr(settings, "SESSION_COOKIE_SECURE", True):
        found.fail("SESSION_COOKIE_SECURE=false lets the session cookie travel unencrypted")


def _limits(settings: Any) -> Iterator[str]:
    for name, per_minute in (("LOGIN", 5.0), ("REFRESH", 20.0)):
        if settings.is_stateless and name == "REFRESH":
            continue
        requests = getattr(settings, f"{name}_RATE_LIMIT_REQUESTS", None)
        minutes = getattr(settings, f"{name}_RATE_LIMIT_WINDOW_MINUTES", None)
        if requests and minutes and requests / minutes > per_minute:
            yield f"{name}_RATE_LIMIT_REQUESTS allows {requests / minutes:g} a minute, which is highly permissive"


def check_config_health(settings: Any, logger: _Logger) -> None:
    """Says what is wrong with the settings.

    Args:
        settings: Anything with the names of `CommonSettings`; what it lacks has its default.
        logger: Hears each warning and, as critical, each finding that can't be lived with.

    Raises:
        ConfigurationError: There was a finding that can't be lived with.
    """
    strict = bool(getattr(settings, "STRICT_PRODUCTION_MODE", False))
    found = _Findings(strict)
    _keys(settings, found)
    _role(settings, found)
    _redis(settings, found)
    if getattr(settings, "ENVIRONMENT", None) == "production":
        _production(settings, found)
    if strict:
        _strict(settings, found)
    for text in _limits(settings):
        found.warn(text)
    for text in found.warnings:
        logger.warning("CONFIG: %s", text)
    for text in found.fatal:
        logger.critical("CONFIG: %s", text)
    if found.fatal:
        raise ConfigurationError("Fatal configuration errors detected during startup.")
