"""The same route with `CurrentUser` of `vestibule.service`, on a plain application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from vestibule.service import ServiceSettings, build_auth_deps

auth = build_auth_deps(ServiceSettings())


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Ends the reader of the event stream with the service."""
    yield
    await auth.close()


app = FastAPI(lifespan=lifespan)


@app.get("/me")
async def me(user: auth.CurrentUser) -> dict[str, bool]:
    """Open to whoever holds a good token."""
    return {"ok": True}
