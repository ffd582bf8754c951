"""Looks at settings that make sense and asks whether they are wise: for production above all.

What cannot work at all, :class:`~vestibule.service.settings.ServiceSettings` refuses when it is made. The checks here
are about the rest, and they take any object with attributes of the same names, also a settings class that is not ours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from vestibule.errors import ConfigurationError
from vestibule.service.findings import Finding, Severity, as_list, fatal, warning
from vestibule.service.settings.loading import private_key
from vestibule.service.settings.rules import SHORTEST_KEY

_SHORTEST_TTL = 30
_MOST_LOGINS_A_MINUTE = 5
_MOST_REFRESHES_A_MINUTE = 20
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 -- recognised, not listened on


def check_settings(settings: object) -> list[Finding]:
    """Everything doubtful about settings; the fatal findings first.

    With ``STRICT_PRODUCTION_MODE`` most warnings are fatal.

    Args:
        settings: A :class:`~vestibule.service.settings.ServiceSettings`, or an object with such attributes.
    """
    view = _View(settings)
    found: list[Finding] = list(getattr(settings, "loading_findings", ()))
    for check in (_keys, _issuer, _claims, _browsers, _documentation, _transport, _revocation, _database, _operation):
        found.extend(check(view))
    return sorted(found, key=lambda finding: finding.severity != "fatal")


def enforce_settings(settings: object, logger: logging.Logger) -> None:
    """Logs what is doubtful and stops what must not start.

    Args:
        settings: As for :func:`check_settings`.
        logger: Gets a line for each finding: a warning, or a critical one.

    Raises:
        ConfigurationError: There is a fatal finding; the text lists all of them.
    """
    findings = check_settings(settings)
    for finding in findings:
        logger.log(logging.CRITICAL if finding.severity == "fatal" else logging.WARNING, "settings: %s", finding)
    fatal_ones = [finding for finding in findings if finding.severity == "fatal"]
    if fatal_ones:
        count = f"{len(fatal_ones)} {'problem' if len(fatal_ones) == 1 else 'problems'}"
        raise ConfigurationError(as_list(f"{count} in the settings keep the service from starting:", fatal_ones))


@dataclass(frozen=True)
class _View:
    """Settings of whatever class, read by name."""

    settings: object

    def get(self, name: str, default: Any = None) -> Any:
        value = getattr(self.settings, name, default)
        reveal = getattr(value, "get_secret_value", None)
        return reveal() if reveal is not None else value

    def given(self, name: str) -> bool:
        """Whether somebody set it; unknown means yes."""
        names = getattr(self.settings, "model_fields_set", None)
        return names is None or name in names

    def text(self, name: str) -> str:
        value = self.get(name)
        return "" if value is None else str(value)

    @property
    def strict(self) -> bool:
        return bool(self.get("STRICT_PRODUCTION_MODE"))

    @property
    def production(self) -> bool:
        return self.strict or self.text("ENVIRONMENT") == "production"

    @property
    def relaxed(self) -> bool:
        return not self.strict and self.text("ENVIRONMENT") in {"local", "development"}

    @property
    def issuer(self) -> bool:
        return self.text("AUTH_SERVICE_ROLE") == "issuer"

    @property
    def stateful(self) -> bool:
        return self.text("TOKEN_MODE") == "stateful"

    @property
    def asymmetric(self) -> bool:
        return self.text("ACCESS_TOKEN_ALGORITHM") != "HS256"

    def origins(self) -> Iterable[str]:
        return [str(origin) for origin in self.get("ALLOWED_ORIGINS") or []]

    def severity(self) -> Severity:
        return "fatal" if self.strict else "warning"

    def doubt(self, setting: str, text: str, remedy: str = "") -> Finding:
        """A warning, fatal in strict production mode."""
        return Finding(self.severity(), setting, text, remedy)


def _keys(view: _View) -> Iterator[Finding]:
    if view.asymmetric and not view.issuer and not view.get("JWKS_URI") and not view.get("ACCESS_PUBLIC_KEY_FILE"):
        yield fatal("JWKS_URI", "is missing: nothing says where the issuer's keys are.", "Set ISSUER_URL or JWKS_URI.")
    if not view.asymmetric and view.get("JWKS_URI"):
        yield warning("JWKS_URI", "has no use with HS256, which has no public keys.", "Remove it, or use RS256.")
    if view.get("JWKS_URI") and view.get("JWKS_CACHE_TTL_SECONDS", 300) < _SHORTEST_TTL:
        text = f"is below {_SHORTEST_TTL} seconds, so that the issuer is asked for its keys again and again."
        yield warning("JWKS_CACHE_TTL_SECONDS", text, "300 does: a new key is fetched when it is first seen anyway.")
    if view.get("ACCESS_PRIVATE_KEY_FILE") and not view.issuer:
        yield private_key("ACCESS_PRIVATE_KEY_FILE")


def _issuer(view: _View) -> Iterator[Finding]:
    """Of a service that says it is an issuer. The kit makes none; code for other kits may."""
    if not view.issuer:
        return
    if view.asymmetric and not view.get("ACCESS_PRIVATE_KEY_FILE"):
        yield fatal(
            "ACCESS_PRIVATE_KEY_FILE", "is missing: an issuer signs with it.", "Or set AUTH_SERVICE_ROLE=consumer."
        )
    if view.get("JWKS_URI"):
        yield view.doubt("JWKS_URI", "is set for an issuer, which has the keys itself.", "AUTH_SERVICE_ROLE=consumer?")
    if view.text("TOKEN_MODE") == "stateless":
        return
    for name in ("REDIS_HOST", "REDIS_PASSWORD"):
        if not view.get(name):
            yield fatal(name, "is missing: an issuer that keeps state needs Redis.", "Or set TOKEN_MODE=stateless.")
    for name, most in (("LOGIN", _MOST_LOGINS_A_MINUTE), ("REFRESH", _MOST_REFRESHES_A_MINUTE)):
        requests = view.get(f"{name}_RATE_LIMIT_REQUESTS", 0)
        minutes = view.get(f"{name}_RATE_LIMIT_WINDOW_MINUTES", 1)
        if minutes and requests / minutes > most:
            yield warning(f"{name}_RATE_LIMIT_REQUESTS", f"allows more than {most} a minute.", "Lower it.")


def _claims(view: _View) -> Iterator[Finding]:
    if not view.production:
        return
    for name in ("TOKEN_ISSUER", "TOKEN_AUDIENCE"):
        if not view.text(name).strip():
            yield view.doubt(name, "is not set, so that tokens made for others do here.", "Set it.")


def _browsers(view: _View) -> Iterator[Finding]:
    for origin in view.origins():
        if origin == "*":
            yield view.doubt(
                "BACKEND_CORS_ORIGINS", "holds *: every page may call with people's credentials.", "List them."
            )
        elif view.production and urlsplit(origin).hostname in _LOCAL_HOSTS:
            text = f"holds {origin}: in production, pages on people's own machines could call with their credentials."
            which = "FRONTEND_HOST" if origin == view.text("FRONTEND_HOST").rstrip("/") else "BACKEND_CORS_ORIGINS"
            yield fatal(which, text, "Remove it, or set ENVIRONMENT=local on your machine.")
    hosts = list(view.get("ALLOWED_HOSTS") or [])
    if "*" in hosts or (view.production and not hosts):
        text = "holds *" if "*" in hosts else "is empty"
        remedy = "List the names the service is reached by."
        yield view.doubt(
            "ALLOWED_HOSTS", f"{text}: requests may claim any Host, and links made from it go there.", remedy
        )
    if view.get("SESSION_COOKIE_SECURE") is False and not view.relaxed:
        yield view.doubt("SESSION_COOKIE_SECURE", "is off: cookies travel without encryption, too.", "Set it to true.")
    if view.production and view.get("SECURITY_HEADERS_ENABLED") is False:
        yield view.doubt("SECURITY_HEADERS_ENABLED", "is off: browsers are not told to be strict.", "Set it to true.")


def _documentation(view: _View) -> Iterator[Finding]:
    if not view.production:
        return
    if view.get("SERVE_DOCS_IN_PRODUCTION"):
        yield warning(
            "SERVE_DOCS_IN_PRODUCTION", "shows the whole API to everybody.", "Leave it out unless that is meant."
        )
        return
    for name in ("SET_OPEN_API", "SET_DOCS"):
        if view.get(name) and view.given(name):
            remedy = "Remove it, or set SERVE_DOCS_IN_PRODUCTION=true if they are for everybody."
            yield view.doubt(name, "is set to true, but in production the docs stay off.", remedy)


def _transport(view: _View) -> Iterator[Finding]:
    if view.relaxed or view.get("ALLOW_INTERNAL_HTTP"):
        return
    for name in ("JWKS_URI", "INTROSPECTION_URL"):
        if view.text(name).lower().startswith("http://"):
            what = "could be given other keys" if name == "JWKS_URI" else "shows its secret"
            text = f"is plain http: on the way to the issuer, the service {what}."
            yield view.doubt(name, text, "Use https, or set ALLOW_INTERNAL_HTTP=true inside a network of your own.")


def _revocation(view: _View) -> Iterator[Finding]:
    if view.get("EVENT_SIGNING_ACCEPT_UNSIGNED"):
        text = "lets unsigned events through."
        severity: Severity = "fatal" if view.production else "warning"
        yield Finding(severity, "EVENT_SIGNING_ACCEPT_UNSIGNED", text, "Remove it once every sender signs.")
    if not view.stateful or view.issuer:
        return
    if view.get("EVENT_SIGNING_ENABLED") is False and not view.relaxed:
        remedy = "Set EVENT_SIGNING_KEY to the issuer's and remove this."
        yield view.doubt("EVENT_SIGNING_ENABLED", "is off: events are believed without a signature.", remedy)
    for name in ("ACCESS_REVOCATION_FAILURE_MODE", "STALE_FEED_POLICY"):
        if view.text(name) == "fail_open" and not view.relaxed:
            text = "is fail_open: while the issuer cannot be asked, also for a wrong secret, ended tokens stay good."
            yield view.doubt(name, text, "Use fail_closed, or watch the staleness metric.")
    if view.production and 0 < len(view.text("PRIVATE_API_SECRET")) < SHORTEST_KEY:
        text = f"is shorter than {SHORTEST_KEY} characters."
        yield warning("PRIVATE_API_SECRET", text, "Register the service: `vestibule services add` makes a strong one.")


def _database(view: _View) -> Iterator[Finding]:
    if view.get("DB_HOST") and not view.given("SELECTED_DB") and view.get("DB_PORT") == 5432:
        yield warning(
            "SELECTED_DB", "is not set, which means Mysql, but DB_PORT is PostgreSQL's.", "SELECTED_DB=Postgres?"
        )


def _operation(view: _View) -> Iterator[Finding]:
    if view.production and view.get("METRICS_ENABLED") and view.get("METRICS_SCRAPE_CREDENTIAL", "none") is None:
        text = "is not set: everybody who reaches the service can read its metrics."
        yield warning("METRICS_SCRAPE_CREDENTIAL", text, "Set it, or keep /metrics from the outside.")
    if view.get("API_KEY_INTROSPECTION_ENABLED"):
        text = "is on, but guards take access tokens only: nobody is let in by an API key."
        yield warning("API_KEY_INTROSPECTION_ENABLED", text, "Leave it out.")
    if view.issuer and hasattr(view.settings, "loading_findings"):
        text = "is issuer, but services built with this kit trust one; the issuer itself is `vestibule serve`."
        yield warning("AUTH_SERVICE_ROLE", text, "Leave it out.")
