"""The same route in an application made by `fastapi_m8.create_app`: the published package's, or the drop-in's."""

from fastapi import APIRouter
from fastapi_m8 import AppLifecycle, ConsumerServiceSettings, HealthConfig, build_auth_deps, create_app

settings = ConsumerServiceSettings()
auth = build_auth_deps(settings)
router = APIRouter()


@router.get("/me")
async def me(user: auth.CurrentUser) -> dict[str, bool]:
    """Open to whoever holds a good token."""
    return {"ok": True}


app = create_app(settings, router, health=HealthConfig(), lifecycle=AppLifecycle(auth_deps=auth))
