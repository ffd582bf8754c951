"""A small service on `fastapi-m8` 1.3: who may open what is decided by tokens of the issuer in `.env`."""

from auth_sdk_m8.schemas.user import UserModel
from fastapi import APIRouter, Depends
from fastapi_m8 import AppLifecycle, ConsumerServiceSettings, build_auth_deps, create_app
from pydantic_settings import SettingsConfigDict


class Settings(ConsumerServiceSettings):
    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8")


settings = Settings()
auth = build_auth_deps(settings)
router = APIRouter(prefix="/items")


@router.get("/me")
def me(user: auth.CurrentUser) -> UserModel:
    return user


@router.get("/admin", dependencies=[Depends(auth.get_current_active_admin)])
def admin() -> str:
    return "for administrators"


@router.get("/superuser", dependencies=[Depends(auth.get_current_active_superuser)])
def superuser() -> str:
    return "for superusers"


app = create_app(settings, router, lifecycle=AppLifecycle(auth_deps=auth))
