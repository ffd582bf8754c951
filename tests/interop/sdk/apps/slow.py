"""The item service with a request that takes as long as a test likes, and routes with policies of their own."""

import time
from pathlib import Path

from fastapi import APIRouter, Depends, WebSocket

from app.deps import CurrentUser, auth, engine
from app.settings import settings
from vestibule.service import AppLifecycle, User, accepted_subprotocol, create_app

router = APIRouter(prefix="/items")


@router.get("/slow")
def slow(user: CurrentUser) -> str:
    """Begins, and answers when the file `go` is there."""
    Path("begun").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    return str(user.id)


@router.get("/closed", dependencies=[Depends(auth.require_role("user", stale_policy="fail_closed"))])
async def closed() -> None:
    """For what nobody must see whose session may have ended."""


@router.get("/open")
async def lenient(user: User = Depends(auth.require_role("user", stale_policy="fail_open"))) -> str:  # noqa: B008
    """For what does little harm."""
    return str(user.id)


@router.websocket("/echo")
async def echo(websocket: WebSocket, user: CurrentUser) -> None:
    """Says who is there, once."""
    await websocket.accept(subprotocol=accepted_subprotocol(websocket))
    await websocket.send_text(str(user.id))
    await websocket.close()


app = create_app(settings, router, lifecycle=AppLifecycle(auth_deps=auth, db_engine=engine))
