"""Resident memory before and after the SDK's client runs; prints MB (10^6 bytes) as JSON."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import uvloop
from fastapi import FastAPI

from vestibule.service import ServiceSettings, build_auth_deps


def resident() -> float:
    """Of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024 / 1e6


async def until(holds: Callable[[], bool]) -> None:
    """Waits for what another thread brings about."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def main() -> None:
    """Measures around the building of the dependencies."""
    app = FastAPI()
    settings = ServiceSettings()
    before = resident()
    auth = build_auth_deps(settings)
    await until(lambda: auth.statistics()["feed_current"] == 1)
    added = resident() - before
    app.state.auth = auth
    print(json.dumps({"before": [before], "added": [added]}))
    await auth.close()


uvloop.run(main())
