"""Counters and histograms of a service, by groups. Needs `prometheus-client` (extra `metrics`)."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

GROUP_ALL = "all"
GROUP_TRAFFIC = "traffic"
GROUP_PERFORMANCE = "performance"
GROUP_RELIABILITY = "reliability"
GROUP_HEALTH = "health"
GROUP_AUTH = "auth"
_ALL_GROUPS = frozenset({GROUP_TRAFFIC, GROUP_PERFORMANCE, GROUP_RELIABILITY, GROUP_HEALTH, GROUP_AUTH})

REGISTRY = CollectorRegistry(auto_describe=False)

_FLUSH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_LATENCY_BUCKETS = (*_FLUSH_BUCKETS, 2.5, 5.0, 10.0)


class _Series(NamedTuple):
    group: str
    kind: type[Counter] | type[Gauge] | type[Histogram]
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# By the attribute that holds it.
_SERIES = {
    "requests_total": _Series(
        GROUP_TRAFFIC, Counter, "http_requests_total", "Requests answered", ("method", "endpoint", "status_code")
    ),
    "request_duration_seconds": _Series(
        GROUP_PERFORMANCE,
        Histogram,
        "http_request_duration_seconds",
        "Seconds until a request was answered",
        ("method", "endpoint"),
        _LATENCY_BUCKETS,
    ),
    "errors_total": _Series(
        GROUP_RELIABILITY,
        Counter,
        "http_errors_total",
        "Requests answered with 400 or more",
        ("method", "endpoint", "status_class"),
    ),
    "status_total": _Series(GROUP_HEALTH, Counter, "http_status_total", "Answers by their status", ("status_code",)),
    "login_attempts_total": _Series(GROUP_AUTH, Counter, "auth_login_attempts_total", "Sign-ins", ("result",)),
    "token_refresh_total": _Series(GROUP_AUTH, Counter, "auth_token_refresh_total", "Refreshes", ("result",)),
    "logout_total": _Series(GROUP_AUTH, Counter, "auth_logout_total", "Sign-outs"),
    "token_validation_failures_total": _Series(
        GROUP_AUTH, Counter, "auth_token_validation_failures_total", "Access tokens refused", ("reason",)
    ),
    "oauth_attempts_total": _Series(
        GROUP_AUTH, Counter, "auth_oauth_attempts_total", "Sign-ins by a provider", ("provider", "result")
    ),
    "auth_code_exchange_total": _Series(
        GROUP_AUTH, Counter, "auth_code_exchange_total", "Exchanges of one-time codes", ("result",)
    ),
    "revocation_failure_total": _Series(
        GROUP_AUTH, Counter, "auth_revocation_failure_total", "Revocations that failed", ("operation",)
    ),
    "degraded_decision_total": _Series(
        GROUP_AUTH,
        Counter,
        "auth_degraded_decision_total",
        "Decisions while something could not be checked",
        ("control", "mode", "reason"),
    ),
    "redis_circuit_breaker_open": _Series(
        GROUP_AUTH, Gauge, "auth_redis_circuit_breaker_open", "1 while Redis is not asked"
    ),
    "degradation_mode_active": _Series(
        GROUP_AUTH,
        Gauge,
        "auth_degradation_mode_active",
        "1 for the mode in force of each control",
        ("control", "mode"),
    ),
    "session_integrity_denial_total": _Series(
        GROUP_AUTH, Counter, "auth_session_integrity_denial_total", "Sessions ended for reuse of a token", ("trigger",)
    ),
    "api_key_validations_total": _Series(
        GROUP_AUTH, Counter, "auth_api_key_validations_total", "API keys looked at", ("result",)
    ),
    "api_key_rate_limit_checks_total": _Series(
        GROUP_AUTH, Counter, "auth_api_key_rate_limit_checks_total", "Quotas of API keys looked at", ("result",)
    ),
    "api_key_rate_limit_hits_total": _Series(
        GROUP_AUTH, Counter, "auth_api_key_rate_limit_hits_total", "Quotas of API keys used up", ("period",)
    ),
    "api_key_lifecycle_total": _Series(
        GROUP_AUTH, Counter, "auth_api_key_lifecycle_total", "API keys made and revoked", ("action",)
    ),
    "api_key_flush_duration_seconds": _Series(
        GROUP_AUTH,
        Histogram,
        "auth_api_key_flush_duration_seconds",
        "Seconds for writing down when API keys were used",
        (),
        _FLUSH_BUCKETS,
    ),
}


class _Metrics:
    """What is counted; a series whose group is off is None."""

    def __init__(self, groups: set[str], prefix: str) -> None:
        for attribute, series in _SERIES.items():
            setattr(self, attribute, _collector(series, prefix) if series.group in groups else None)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


_collectors: WeakKeyDictionary[CollectorRegistry, dict[str, Any]] = WeakKeyDictionary()
_m: _Metrics | None = None


def _collector(series: _Series, prefix: str) -> Any:
    """The series of that name: a second application with the same prefix counts in the same one."""
    known = _collectors.setdefault(REGISTRY, {})
    name = prefix + series.name
    if name not in known:
        buckets = {"buckets": series.buckets} if series.buckets else {}
        known[name] = series.kind(name, series.help, series.labels, registry=REGISTRY, **buckets)  # type: ignore[arg-type]
    return known[name]


def _resolve_groups(groups_str: str) -> set[str]:
    named = {name.strip().lower() for name in groups_str.split(",")}
    return set(_ALL_GROUPS) if GROUP_ALL in named else named & _ALL_GROUPS


def _norm_prefix(api_prefix: str) -> str:
    name = api_prefix.lstrip("/").replace("-", "_").replace("/", "_")
    return f"{name}_" if name else ""


def setup(enabled: bool, groups_str: str, api_prefix: str) -> None:
    """Begins to count, or stops.

    Args:
        enabled: Whether to count.
        groups_str: Names of groups with commas between; `all` is all.
        api_prefix: The prefix of the service's paths, which the names of the series begin with.
    """
    global _m
    _m = _Metrics(_resolve_groups(groups_str), _norm_prefix(api_prefix)) if enabled else None


def get() -> _Metrics | None:
    """What is counted, if anything is."""
    return _m


def render() -> tuple[bytes, str]:
    """All series as Prometheus reads them, and the type of that text."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
