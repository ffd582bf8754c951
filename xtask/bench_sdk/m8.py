"""The same route with `CurrentUser` of `fastapi_m8`: the published package's, or the drop-in's in its place."""

from fastapi import FastAPI
from fastapi_m8 import ConsumerServiceSettings, build_auth_deps

auth = build_auth_deps(ConsumerServiceSettings())
app = FastAPI()


@app.get("/me")
async def me(user: auth.CurrentUser) -> dict[str, bool]:
    """Open to whoever holds a good token."""
    return {"ok": True}
