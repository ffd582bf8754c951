"""A service as people write them for `fastapi-m8` 1.3. It knows nothing of whose modules it runs on."""

import os
from typing import Annotated, Any

from auth_sdk_m8.controllers.base import BaseController
from auth_sdk_m8.schemas.user import UserModel
from fastapi import APIRouter, Depends, HTTPException, Response
from fastapi_m8 import (
    AppLifecycle,
    ConsumerServiceSettings,
    HealthAggregatePolicy,
    HealthCheckResult,
    HealthConfig,
    HealthStatus,
    build_auth_deps,
    create_app,
)
from pydantic_settings import SettingsConfigDict


class Settings(ConsumerServiceSettings):
    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8")


settings = Settings()
auth = build_auth_deps(settings)
router = APIRouter(prefix="/items", tags=["items"])


@router.get("/me")
async def me(user: auth.CurrentUser) -> UserModel:
    return user


@router.get("/also-me")
def also_me(user: Annotated[UserModel, Depends(auth.get_current_user)]) -> dict[str, Any]:
    return {"id": str(user.id), "role": user.role.value}


@router.get("/admin")
def admin(user: UserModel = Depends(auth.get_current_active_admin)) -> str:  # noqa: B008 # as people write it
    return user.email


@router.get("/superuser", dependencies=[Depends(auth.get_current_active_superuser)])
def superuser() -> str:
    return "superuser"


@router.get("/own-headers")
def own_headers(response: Response) -> str:
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["X-Own"] = "1"
    return "own"


@router.get("/broken")
def broken() -> None:
    raise RuntimeError("broken")


@router.get("/answered", responses=BaseController.get_error_responses())
def answered() -> Any:
    try:
        raise ValueError("no good")
    except Exception as error:
        return BaseController.handle_exception(error)


@router.get("/refused")
def refused() -> None:
    raise HTTPException(418, "a teapot", {"X-Tea": "green"})


@router.get("/{item}")
def item(item: int) -> int:
    return item


async def database() -> HealthCheckResult:
    return HealthCheckResult(
        name="database",
        status=HealthStatus(os.environ.get("DATABASE", "ok")),
        error="postgres://ada:secret@db/items is slow",
        meta={"host": "db", "password": "secret", "pool_size": 5, "dsn": "postgres://a:b@c"},
    )


async def cache() -> HealthCheckResult:
    return HealthCheckResult.from_bool("cache", True, url="redis://u:p@cache:6379")


async def crashing() -> HealthCheckResult:
    raise RuntimeError("cannot reach https://ada:secret@files")


checks: dict[str, Any] = {"database": database, "cache": cache, "crashing": crashing}
health = HealthConfig(
    checks=[checks[name] for name in os.environ.get("CHECKS", "").split(",") if name],
    detail_public=os.environ.get("DETAIL") == "public",
    policy=HealthAggregatePolicy(os.environ.get("POLICY", "lenient")),
)
app = create_app(
    settings,
    router,
    service_name=os.environ.get("NAME"),
    service_version=os.environ.get("VERSION"),
    health=health,
    lifecycle=AppLifecycle(auth_deps=auth),
)
