"""What all tests share: an issuer, settings that trust it, and an application on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_issuer import SECRET, FakeIssuer
from fastapi import APIRouter, Depends, FastAPI
from pydantic_settings import SettingsConfigDict

from fastapi_m8 import AppLifecycle, AuthDeps, ConsumerServiceSettings, build_auth_deps, create_app

KEY = "Never_Used-By-A-Consumer-0123456789"
Claims = Callable[..., dict[str, Any]]
MakeSettings = Callable[..., ConsumerServiceSettings]


class Settings(ConsumerServiceSettings):
    model_config = SettingsConfigDict(env_file=None)


@pytest.fixture
def anyio_backend() -> str:
    """Servers of FastAPI apps run on asyncio."""
    return "asyncio"


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    issuer = FakeIssuer()
    yield issuer
    issuer.close()


@pytest.fixture
def make_settings(issuer: FakeIssuer) -> MakeSettings:
    """Settings of a service that trusts the issuer; a value of None is left out."""

    def make(**changes: Any) -> ConsumerServiceSettings:
        values = {
            "PROJECT_NAME": "items",
            "STACK_NAME": "items",
            "DOMAIN": "localhost",
            "ENVIRONMENT": "local",
            "API_PREFIX": "/items",
            "BACKEND_HOST": "http://localhost:9000",
            "FRONTEND_HOST": "http://localhost:5173",
            "BACKEND_CORS_ORIGINS": "http://localhost:5173",
            "AUTH_SERVICE_ROLE": "consumer",
            "TOKEN_MODE": "stateful",
            "TOKEN_ISSUER": "https://issuer.example.com",
            "TOKEN_AUDIENCE": "items",
            "JWKS_URI": f"{issuer.base}/jwks.json",
            "INTROSPECTION_URL": f"{issuer.base}/private/v1/jti-status",
            "PRIVATE_API_SECRET": SECRET,
            "REFRESH_SECRET_KEY": KEY,
            "EVENT_SIGNING_ENABLED": False,
            "DB_HOST": "localhost",
            "DB_PORT": 5432,
            "DB_DATABASE": "unused",
            "DB_USER": "unused",
            "DB_PASSWORD": "Never_Used-1",
        }
        return Settings(**{name: value for name, value in (values | changes).items() if value is not None})

    return make


@pytest.fixture
def make_token(issuer: FakeIssuer) -> Callable[..., str]:
    """An access token of the issuer, signed by what signs now."""

    def make(**changes: Any) -> str:
        now = int(time.time())
        claims = {
            "sub": "550e8400-e29b-41d4-a716-446655440000",
            "type": "access",
            "email": "ada@example.com",
            "role": "writer",
            "is_superuser": False,
            "exp": now + 3600,
            "iat": now,
            "nbf": now,
            "jti": "good",
            "iss": "https://issuer.example.com",
            "aud": "items",
        }
        return issuer.key.sign(claims | changes)

    return make


def application(settings: ConsumerServiceSettings) -> tuple[FastAPI, AuthDeps]:
    """A service with a route for each guard, and one that is broken."""
    auth = build_auth_deps(settings)
    router = APIRouter()

    @router.get("/me")
    async def me(user: Any = Depends(auth.get_current_user)) -> str:  # noqa: B008 # a local name can't be annotated by
        return str(user.email)

    guards = {
        "reader": auth.get_current_active_reader,
        "writer": auth.get_current_active_writer,
        "admin": auth.get_current_active_admin,
        "superuser": auth.get_current_active_superuser,
    }
    for name, guard in guards.items():
        router.add_api_route(f"/{name}", lambda: "passed", dependencies=[Depends(guard)], name=name)

    @router.get("/broken")
    async def broken() -> None:
        raise RuntimeError("broken")

    return create_app(settings, router, lifecycle=AppLifecycle(auth_deps=auth)), auth
