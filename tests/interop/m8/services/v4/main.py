"""A small service on `fastapi-m8` 4.1: roles, API keys, and a cache that the issuer's event stream empties."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from auth_sdk_m8.events import AuthStreamEvent
from auth_sdk_m8.schemas.api_key import ApiKeyPrincipal
from auth_sdk_m8.schemas.user import UserModel
from fastapi import APIRouter, Depends, FastAPI
from fastapi_m8 import (
    AppLifecycle,
    ConsumerServiceSettings,
    build_auth_deps,
    build_event_stream_client,
    create_app,
)
from pydantic_settings import SettingsConfigDict


class Settings(ConsumerServiceSettings):
    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8")


settings = Settings()
auth = build_auth_deps(settings)
router = APIRouter(prefix="/items")
# What the tests look at: the events that came, and how often a gap was told of.
events: list[dict[str, object]] = []


@router.get("/me")
def me(user: auth.CurrentUser) -> UserModel:
    return user


@router.get("/writer", dependencies=[Depends(auth.get_current_active_writer)])
def writer() -> str:
    return "for writers"


@router.get("/admin", dependencies=[Depends(auth.get_current_active_admin)])
def admin() -> str:
    return "for administrators"


@router.get("/superuser", dependencies=[Depends(auth.get_current_active_superuser)])
def superuser() -> str:
    return "for superusers"


@router.get("/events")
def seen() -> list[dict[str, object]]:
    return events


if auth.get_current_api_key_principal is not None:

    @router.get("/key")
    def key(principal: ApiKeyPrincipal = Depends(auth.get_current_api_key_principal)) -> ApiKeyPrincipal:  # noqa: B008
        return principal

    @router.get("/key/reader", dependencies=[Depends(auth.get_current_api_key_reader)])
    def key_reader() -> str:
        return "for keys that may read"

    @router.get("/key/writer", dependencies=[Depends(auth.get_current_api_key_writer)])
    def key_writer() -> str:
        return "for keys that may write"


async def on_event(event: AuthStreamEvent) -> None:
    events.append({"id": event.event_id, "event": event.event_type, "payload": event.payload})
    await auth.handle_auth_event(event)


async def on_gap() -> None:
    events.append({"event": "gap"})
    auth.flush_cache()


@asynccontextmanager
async def following_events(_: FastAPI) -> AsyncIterator[None]:
    """Keeps the stream open while a cache of good tokens is wanted."""
    if settings.REVOCATION_CACHE_TTL_SECONDS == 0:
        yield
        return
    client = build_event_stream_client(settings, on_event=on_event, on_gap=on_gap)
    client.start()
    try:
        yield
    finally:
        await client.stop()


app = create_app(settings, router, lifecycle=AppLifecycle(auth_deps=auth, lifespan_extras=following_events))
