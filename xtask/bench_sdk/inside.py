"""Drives the services inside this process, without a server, in short bursts that take turns.

Prints microseconds of CPU time a request as JSON, a list of bursts for each service. Bursts are shorter than a time
slice, so most of them are not disturbed by whatever else the machine does.
"""

import asyncio
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

REQUESTS, BURSTS = 20, 300
HEADERS = [
    (b"host", b"127.0.0.1"),
    (b"authorization", b"Bearer " + os.environ["BENCH_TOKEN"].encode()),
]


def scope() -> dict[str, Any]:
    """A request as uvicorn describes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": "/me",
        "raw_path": b"/me",
        "query_string": b"",
        "headers": list(HEADERS),
        "state": {},
    }


statuses: list[int] = []


async def receive() -> dict[str, Any]:
    """An empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: dict[str, Any]) -> None:
    """Keeps the status."""
    if message["type"] == "http.response.start":
        statuses.append(message["status"])


async def burst(app: Application, requests: int) -> float:
    """Microseconds of CPU time a request, of this thread."""
    before = time.thread_time_ns()
    for _ in range(requests):
        await app(scope(), receive, send)
    return (time.thread_time_ns() - before) / requests / 1e3


async def ready(name: str, app: Application) -> None:
    """Waits until a good token is let in: the key set may still be on its way."""
    for _ in range(100):
        statuses.clear()
        await burst(app, 1)
        if statuses == [200]:
            await burst(app, 50)
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"{name} answers {statuses}")


async def main(names: list[str]) -> None:
    """Times the services, each in a module of its own."""
    apps: dict[str, Application] = {name: importlib.import_module(name).app for name in names}
    for name, app in apps.items():
        await ready(name, app)
    times: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    gc.freeze()
    for _ in range(BURSTS):
        for name, app in apps.items():
            times[name].append(await burst(app, REQUESTS))
        statuses.clear()
    print(json.dumps(times))


uvloop.run(main(sys.argv[1:]))
