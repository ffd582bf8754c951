"""What the service kit reads of a settings object, read once and in one place.

Settings are told by their names only: `ServiceSettings` and any other object with these attributes will do. An
attribute that is missing has the default that is written here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

_LOCAL: Final = frozenset({"local", "development"})
_DRAIN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions:
    """The settings of an app, in the form in which the kit uses them.

    Attributes:
        title: What the API is called in its documentation.
        version: The version of the service.
        prefix: Path below which documentation and health are served: empty, or with a leading and no trailing slash.
        environment: `local`, `development`, `staging` or `production`.
        strict: Production, or `STRICT_PRODUCTION_MODE`.
        origins: Origins of browsers that may call the service.
        extra_headers: Further request headers that those browsers may send.
        hosts: Host names the service answers to; empty means any.
        metrics: Whether requests are counted.
        metric_groups: Which groups of metrics there are, as a comma-separated list.
        scrape_credential: Bearer credential demanded by `/metrics`; None: anybody may read it.
        detail_credential: Credential for the details of health; None: nobody sees them by credential.
        drain_seconds: How long a service that was told to stop goes on serving while it says that it is not ready.
    """

    title: str = "service"
    version: str = "0.0.0"
    prefix: str = ""
    environment: str = "local"
    strict: bool = False
    origins: tuple[str, ...] = ()
    extra_headers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    metrics: bool = False
    metric_groups: str = "all"
    scrape_credential: bytes | None = None
    detail_credential: bytes | None = None
    drain_seconds: float = 0.0

    @classmethod
    def read(
        cls, settings: object, *, service_name: str | None = None, service_version: str | None = None
    ) -> AppOptions:
        """Reads them from `settings`; `service_name` and `service_version` go before what is set there."""
        environment = plain(getattr(settings, "ENVIRONMENT", "local"))
        hosts = tuple(plain(host) for host in getattr(settings, "ALLOWED_HOSTS", None) or ())
        strict = environment == "production" or bool(getattr(settings, "STRICT_PRODUCTION_MODE", False))
        if hosts and not strict and "testserver" not in hosts:
            hosts = (*hosts, "testserver")
        return cls(
            title=service_name or plain(getattr(settings, "PROJECT_NAME", "service")),
            version=service_version or getattr(settings, "SERVICE_VERSION", None) or "0.0.0",
            prefix=clean_prefix(getattr(settings, "API_PREFIX", "")),
            environment=environment,
            strict=strict,
            origins=tuple(plain(origin) for origin in getattr(settings, "ALLOWED_ORIGINS", None) or ()),
            extra_headers=tuple(getattr(settings, "CORS_EXTRA_HEADERS", None) or ()),
            hosts=hosts,
            metrics=bool(getattr(settings, "METRICS_ENABLED", False)),
            metric_groups=getattr(settings, "METRICS_GROUPS", "all"),
            scrape_credential=secret_bytes(getattr(settings, "METRICS_SCRAPE_CREDENTIAL", None)),
            detail_credential=secret_bytes(getattr(settings, "HEALTH_DETAIL_CREDENTIAL", None))
            or secret_bytes(getattr(settings, "PRIVATE_API_SECRET", None)),
            drain_seconds=_drain_seconds(settings, environment),
        )


def plain(value: Any) -> str:
    """The text of a setting that may be an enum member, a URL object or a string."""
    return str(getattr(value, "value", value))


def secret_bytes(value: Any) -> bytes | None:
    """The bytes of a secret setting; None when it is not set or empty, so that nothing is ever equal to it."""
    if value is None:
        return None
    text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    return str(text).encode() or None


def clean_prefix(prefix: object) -> str:
    """`/api/` and `api` are `/api`; `/` and nothing are nothing."""
    path = re.sub("/{2,}", "/", plain(prefix)).strip("/")
    return f"/{path}" if path else ""


def _drain_seconds(settings: object, environment: str) -> float:
    seconds = getattr(settings, "DRAIN_SECONDS", None)
    if seconds is None:
        return 0.0 if environment in _LOCAL else _DRAIN_SECONDS
    return max(0.0, float(seconds))
