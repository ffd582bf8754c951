"""Checks of what almost every service has: a database, and the client that finds out who is calling."""

from __future__ import annotations

from typing import Any, Final

from vestibule.service.health import HealthCheck, HealthCheckResult, HealthStatus

_SHOWN: Final = ("keys_loaded", "key_set_age_seconds", "feed_current", "staleness_seconds")


def database_check(engine: Any, *, name: str = "database") -> HealthCheck:
    """Asks whether the database answers.

    Args:
        engine: From `create_db_engine` or `create_async_db_engine`.
        name: What the check is called.
    """

    async def ping() -> HealthCheckResult:
        await engine.ping()
        return HealthCheckResult(name, HealthStatus.OK)

    def ping_in_thread() -> HealthCheckResult:
        engine.ping()
        return HealthCheckResult(name, HealthStatus.OK)

    check = ping if getattr(engine, "is_async", False) else ping_in_thread
    check.__name__ = name
    return check


def identity_check(auth_deps: Any, *, name: str = "identity") -> HealthCheck:
    """Asks whether tokens can be checked: `fail` without any key, `degraded` while the feed of revocations is stale.

    Args:
        auth_deps: From `build_auth_deps`.
        name: What the check is called.
    """

    async def identity() -> HealthCheckResult:
        numbers: dict[str, float] = auth_deps.statistics()
        meta: dict[str, Any] = {key: round(numbers[key], 3) for key in _SHOWN if key in numbers}
        if numbers.get("keys_loaded", 1) < 1:
            return HealthCheckResult(name, HealthStatus.FAIL, error="no key of the issuer is known yet", meta=meta)
        if numbers.get("credential_refused", 0) > 0:
            text = "the issuer refuses this service's credential"
            return HealthCheckResult(name, HealthStatus.DEGRADED, error=text, meta=meta)
        if numbers.get("feed_current", 1) < 1:
            text = "revocations are not told at the moment"
            return HealthCheckResult(name, HealthStatus.DEGRADED, error=text, meta=meta)
        return HealthCheckResult(name, HealthStatus.OK, meta=meta)

    identity.__name__ = name
    return identity
