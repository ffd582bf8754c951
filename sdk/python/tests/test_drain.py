"""A service that is told to stop says so first, serves on for a while, and loses nothing. With a real server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import vestibule

APP = """
import pathlib
import anyio
from fastapi import APIRouter
from vestibule.service import create_app, ServiceSettings, AppLifecycle

router = APIRouter()

@router.get("/slow")
async def slow() -> str:
    pathlib.Path("begun").touch()
    await anyio.sleep(0.6)
    return "done"

class Held:
    async def close(self): print("closed identity", flush=True)
    def dispose(self): print("closed database", flush=True)
    is_async = False
    def ping(self): ...

app = create_app(
    ServiceSettings(ENVIRONMENT="local", ISSUER_URL="https://id.example.com", TOKEN_AUDIENCE="items",
                    PRIVATE_API_SECRET="Shared-With_Vestibule-0123456789-abc", DRAIN_SECONDS={seconds}),
    router,
    lifecycle=AppLifecycle(auth_deps=Held(), db_engine=Held()),
)
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


@contextmanager
def server(folder: Path, seconds: float, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    (folder / "drained.py").write_text(APP.replace("{seconds}", str(seconds)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    source = str(Path(vestibule.__file__).parents[1])
    command = [sys.executable, "-m", "uvicorn", "drained:app", "--port", str(port), "--log-level", "info", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "the server did not start"
            try:
                if httpx.get(f"{base}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.02)
        yield process, base
    finally:
        process.kill()
        process.wait()


def until_not_ready(base: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = httpx.get(f"{base}/readyz")
        if answer.status_code == 503:
            return str(answer.json()["status"])
    raise AssertionError("it stayed ready")


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    # A second signal to the parent of workers is not handed on, so there the time has to pass.
    [((), 60), (("--loop", "asyncio", "--http", "h11"), 60), (("--workers", "2"), 6)],
    ids=["fast", "plain", "workers"],
)
def test_a_service_told_to_stop_serves_on_unready_and_finishes_what_it_began(
    tmp_path: Path, arguments: tuple[str, ...], seconds: float
) -> None:
    with server(tmp_path, seconds, *arguments) as (process, base), ThreadPoolExecutor() as pool:
        process.send_signal(signal.SIGTERM)
        assert until_not_ready(base) == "draining"
        # New requests are still answered: the load balancer has not heard yet.
        assert httpx.get(f"{base}/livez").status_code == 200
        slow = pool.submit(httpx.get, f"{base}/slow", timeout=30)
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert slow.result().json() == "done"
        output = process.communicate(timeout=60)[0]
    assert output.index("closed identity") < output.index("closed database")
    assert "Traceback" not in output


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with server(tmp_path, 3600) as (process, base):
        process.send_signal(signal.SIGTERM)
        assert until_not_ready(base) == "draining"
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=60)[0]
    assert "closed database" in output


def test_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    with server(tmp_path, 3600) as (process, _):
        process.send_signal(signal.SIGINT)
        assert "closed database" in process.communicate(timeout=60)[0]


def test_without_drain_seconds_the_signal_is_left_alone(tmp_path: Path) -> None:
    with server(tmp_path, 0) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert "closed database" in process.communicate(timeout=60)[0]
