"""The app that `cargo xtask bench` publishes: calls to the store timed from inside, and an answer that costs nothing."""

import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI

import vestibule

app = FastAPI()

VALUE = {"text": "x" * 186}
ANSWER = b"x" * 256


async def plain(
    _scope: dict[str, Any],
    _receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answers without a framework, so that whoever stands in front of the app is what counts."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"256")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


app.mount("/plain", plain)


@app.get("/proof")
def proof() -> str:
    """What shows the app that a request came by the gateway; nginx has to show it, too."""
    return os.environ["VESTIBULE_GATEWAY_SECRET"]


@app.get("/kv")
def kv(operation: str, seconds: float, skip: float = 0.0) -> dict[str, list[float]]:
    """The time of each call in microseconds, those of the first `skip` seconds left out."""
    vestibule.kv.set("bench", VALUE)
    calls = {
        "get": lambda: vestibule.kv.get("bench"),
        "set": lambda: vestibule.kv.set("bench", VALUE),
        "append": lambda: vestibule.kv.append("bench-list", 1),
        "incr": lambda: vestibule.kv.incr("bench-count"),
    }
    call = calls[operation]
    times = []
    begun = time.perf_counter()
    if operation == "append":
        vestibule.kv.delete("bench-list")
    while True:
        before = time.perf_counter()
        call()
        after = time.perf_counter()
        if after - begun > skip:
            times.append((after - before) * 1e6)
        if after - begun > seconds:
            return {"times": times}
