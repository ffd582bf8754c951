"""The downstream service that the suite expects: a list at `/category/` for everybody who signed in."""

from fastapi import APIRouter, Depends
from fastapi_m8 import AppLifecycle, ConsumerServiceSettings, build_auth_deps, create_app
from pydantic_settings import SettingsConfigDict


class Settings(ConsumerServiceSettings):
    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8")


settings = Settings()
auth = build_auth_deps(settings)
router = APIRouter(prefix="/items")


@router.get("/category/", dependencies=[Depends(auth.get_current_user)])
def category() -> list[str]:
    return []


app = create_app(settings, router, lifecycle=AppLifecycle(auth_deps=auth))
