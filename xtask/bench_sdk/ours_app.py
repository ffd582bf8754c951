"""The same route in an application made by `vestibule.service.create_app` with everything on."""

from fastapi import APIRouter

from vestibule.service import AppLifecycle, HealthConfig, ServiceSettings, build_auth_deps, create_app

settings = ServiceSettings()
auth = build_auth_deps(settings)
router = APIRouter()


@router.get("/me")
async def me(user: auth.CurrentUser) -> dict[str, bool]:
    """Open to whoever holds a good token."""
    return {"ok": True}


app = create_app(settings, router, health=HealthConfig(), lifecycle=AppLifecycle(auth_deps=auth))
