"""The item service, saying in each answer which process gave it."""

import os

from starlette.types import Message, Receive, Scope, Send

from app.main import app as service


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Adds `x-process` to answers."""

    async def numbered(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-process", str(os.getpid()).encode())]
        await send(message)

    await service(scope, receive, numbered)
