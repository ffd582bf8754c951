"""Checks at start-up: settings that work, and are not wise."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter
from pydantic import SecretStr
from settings_help import MINIMAL, lonely

from vestibule.errors import ConfigurationError
from vestibule.service import ServiceSettings, create_app, create_async_app
from vestibule.service.checks import check_settings, enforce_settings

PRODUCTION: dict[str, Any] = {**MINIMAL, "ENVIRONMENT": "production", "ALLOWED_HOSTS": "items.example.com"}
STRICT: dict[str, Any] = {**PRODUCTION, "STRICT_PRODUCTION_MODE": True}


@pytest.fixture(autouse=True)
def _lonely(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lonely(monkeypatch, tmp_path)


def found(settings: object) -> dict[str, str]:
    """The severity of each finding, by the name of the setting."""
    return {finding.setting: finding.severity for finding in check_settings(settings)}


def check(base: dict[str, Any], **changes: Any) -> dict[str, str]:
    """The findings of a base with changes; a change to nothing leaves the setting out."""
    values = {name: value for name, value in {**base, **changes}.items() if value is not None}
    return found(ServiceSettings(**values))


def test_sound_settings_raise_no_finding() -> None:
    assert check(MINIMAL) == {}
    assert check(PRODUCTION) == {}
    assert check(STRICT) == {}


@pytest.mark.parametrize(
    ("changes", "setting", "normal", "strict"),
    [
        ({"JWKS_CACHE_TTL_SECONDS": 10}, "JWKS_CACHE_TTL_SECONDS", "warning", "warning"),
        ({"BACKEND_CORS_ORIGINS": "http://localhost:3000"}, "BACKEND_CORS_ORIGINS", "fatal", "fatal"),
        ({"FRONTEND_HOST": "http://127.0.0.1:3000"}, "FRONTEND_HOST", "fatal", "fatal"),
        ({"BACKEND_CORS_ORIGINS": "http://[::1]:3000"}, "BACKEND_CORS_ORIGINS", "fatal", "fatal"),
        ({"SET_DOCS": True}, "SET_DOCS", "warning", "fatal"),
        ({"SET_OPEN_API": True}, "SET_OPEN_API", "warning", "fatal"),
        ({"SERVE_DOCS_IN_PRODUCTION": True}, "SERVE_DOCS_IN_PRODUCTION", "warning", "warning"),
        ({"TOKEN_AUDIENCE": None, "TOKEN_STRICT_VALIDATION": False}, "TOKEN_AUDIENCE", "warning", "fatal"),
        ({"SESSION_COOKIE_SECURE": False}, "SESSION_COOKIE_SECURE", "warning", "fatal"),
        ({"SECURITY_HEADERS_ENABLED": False}, "SECURITY_HEADERS_ENABLED", "warning", "fatal"),
        ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS", "warning", "fatal"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS", "warning", "fatal"),
        ({"JWKS_URI": "http://id.example.com/keys"}, "JWKS_URI", "warning", "fatal"),
        ({"INTROSPECTION_URL": "http://id.example.com/i"}, "INTROSPECTION_URL", "warning", "fatal"),
        ({"EVENT_SIGNING_ENABLED": False}, "EVENT_SIGNING_ENABLED", "warning", "fatal"),
        ({"EVENT_SIGNING_ACCEPT_UNSIGNED": True}, "EVENT_SIGNING_ACCEPT_UNSIGNED", "fatal", "fatal"),
        ({"ACCESS_REVOCATION_FAILURE_MODE": "fail_open"}, "ACCESS_REVOCATION_FAILURE_MODE", "warning", "fatal"),
        ({"STALE_FEED_POLICY": "fail_open"}, "STALE_FEED_POLICY", "warning", "fatal"),
        ({"PRIVATE_API_SECRET": "short"}, "PRIVATE_API_SECRET", "warning", "warning"),
        ({"API_KEY_INTROSPECTION_ENABLED": True}, "API_KEY_INTROSPECTION_ENABLED", "warning", "warning"),
        ({"METRICS_ENABLED": True}, "METRICS_SCRAPE_CREDENTIAL", "warning", "warning"),
        ({"REFRESH_SECRET_KEY": "anything"}, "REFRESH_SECRET_KEY", "warning", "warning"),
    ],
)
def test_each_doubt_in_production(changes: dict[str, Any], setting: str, normal: str, strict: str) -> None:
    assert check(PRODUCTION, **changes) == {setting: normal}
    assert check(STRICT, **changes) == {setting: strict}


def test_a_developers_machine_is_left_alone() -> None:
    changes = {
        "ISSUER_URL": "http://localhost:8080",
        "FRONTEND_HOST": "http://localhost:5173",
        "SESSION_COOKIE_SECURE": False,
        "EVENT_SIGNING_ENABLED": False,
        "ACCESS_REVOCATION_FAILURE_MODE": "fail_open",
        "SET_DOCS": True,
        "METRICS_ENABLED": True,
        "PRIVATE_API_SECRET": "x",
    }
    assert check(MINIMAL, **changes) == {}


def test_plain_http_inside_ones_own_network_may_be_meant() -> None:
    assert check(STRICT, ISSUER_URL="http://issuer:8080", ALLOW_INTERNAL_HTTP=True) == {}


def test_a_stateless_service_with_a_database_is_nothing_to_warn_of() -> None:
    database = {"DB_HOST": "db", "DB_DATABASE": "items", "DB_USER": "me", "DB_PASSWORD": "x"}
    assert check(PRODUCTION, TOKEN_MODE="stateless", **database) == {}
    assert check(PRODUCTION, DB_PORT=5432, **database) == {"SELECTED_DB": "warning"}


def test_hs256_has_no_key_set() -> None:
    values = {"ACCESS_TOKEN_ALGORITHM": "HS256", "ACCESS_SECRET_KEY": "Shared_By-The-Issuer-0123456789-xyz"}
    assert check(PRODUCTION, **values) == {}
    assert check(PRODUCTION, **values, JWKS_URI="https://id.example.com/keys") == {"JWKS_URI": "warning"}


def test_a_service_that_says_it_is_an_issuer_is_checked_as_one() -> None:
    told = check(PRODUCTION, AUTH_SERVICE_ROLE="issuer", LOGIN_RATE_LIMIT_REQUESTS=500)
    assert told == {
        "ACCESS_PRIVATE_KEY_FILE": "fatal",
        "REDIS_HOST": "fatal",
        "REDIS_PASSWORD": "fatal",
        "JWKS_URI": "warning",
        "LOGIN_RATE_LIMIT_REQUESTS": "warning",
        "AUTH_SERVICE_ROLE": "warning",
    }


def test_settings_of_another_class_are_checked_by_their_names() -> None:
    foreign = SimpleNamespace(
        ENVIRONMENT="production",
        STRICT_PRODUCTION_MODE=False,
        ACCESS_TOKEN_ALGORITHM="RS256",
        AUTH_SERVICE_ROLE="consumer",
        TOKEN_MODE="stateful",
        ACCESS_PRIVATE_KEY_FILE="/keys/private.pem",
        PRIVATE_API_SECRET=SecretStr("short"),
        ALLOWED_ORIGINS=["*"],
        ALLOWED_HOSTS=["items.example.com"],
        TOKEN_ISSUER="x",
        TOKEN_AUDIENCE="y",
    )
    assert found(foreign) == {
        "JWKS_URI": "fatal",
        "ACCESS_PRIVATE_KEY_FILE": "fatal",
        "BACKEND_CORS_ORIGINS": "warning",
        "PRIVATE_API_SECRET": "warning",
    }
    assert "short" not in " ".join(str(finding).replace("shorter", "") for finding in check_settings(foreign))


def test_fatal_findings_stop_the_start_all_at_once_and_warnings_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    settings = ServiceSettings(
        **PRODUCTION, FRONTEND_HOST="http://localhost:1", EVENT_SIGNING_ACCEPT_UNSIGNED=True, SET_DOCS=True
    )
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(ConfigurationError, match=r"(?s)^2 problems.*FRONTEND_HOST.*EVENT_SIGNING_ACCEPT_UNSIGNED"),
    ):
        enforce_settings(settings, logging.getLogger("vestibule.test"))
    assert [record.levelname for record in caplog.records] == ["CRITICAL", "CRITICAL", "WARNING"]


@pytest.mark.parametrize("create", [create_app, create_async_app])
@pytest.mark.anyio
async def test_the_checks_run_when_an_app_starts(create: Any) -> None:
    settings = ServiceSettings(**{**PRODUCTION, "FRONTEND_HOST": "http://localhost:1"})
    app = create(settings, APIRouter())
    with pytest.raises(ConfigurationError, match="FRONTEND_HOST"):
        async with app.router.lifespan_context(app):
            pass


def test_the_checks_run_quietly_over_sound_settings(caplog: pytest.LogCaptureFixture) -> None:
    enforce_settings(ServiceSettings(**PRODUCTION), logging.getLogger("vestibule.test"))
    assert caplog.records == []
