"""Prints what the gate adds to a request and what a call of the store costs. Asserts nothing.

The store is a process that answers every request at once with the same bytes, so the numbers are those of the
client with the round trip through the kernel, and not of any server's work.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing import get_context
from typing import Any

from fastapi import FastAPI
from tokens import APP_ID, ISSUER, KEY, SECRET, token

import vestibule
import vestibule_client
from vestibule_auth import VestibuleGate, init_vestibule_auth

BODY = b'{"value":{"text":"hello"},"version":3,"updated_at":"2026-01-01T00:00:00Z"}'
HEAD = b'content-type: application/json\r\netag: "3"\r\ncache-control: no-store\r\n'
DATE = b"date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"


def canned_store(path: str) -> None:
    found = b"HTTP/1.1 200 OK\r\n" + HEAD + b"content-length: %d\r\n" % len(BODY) + DATE + b"\r\n" + BODY
    done = b'HTTP/1.1 204 No Content\r\netag: "3"\r\n' + DATE + b"\r\n"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    while True:
        connection, _ = listener.accept()
        while request := connection.recv(65536):
            while request.startswith(b"PUT") and request.endswith(b"\r\n\r\n"):
                request += connection.recv(65536)
            connection.sendall(done if request.startswith(b"PUT") else found)


def percentiles(label: str, times: list[int]) -> None:
    cuts = statistics.quantiles(times, n=100)
    print(f"{label:<34} p50 {cuts[49] / 1000:8.1f} µs   p95 {cuts[94] / 1000:8.1f} µs")


def calls(label: str, call: Callable[[], object], count: int = 5000) -> None:
    for _ in range(200):
        call()
    times = []
    for _ in range(count):
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    percentiles(label, times)


async def awaited(label: str, call: Callable[[], Awaitable[object]], count: int = 5000) -> None:
    for _ in range(200):
        await call()
    times = []
    for _ in range(count):
        start = time.perf_counter_ns()
        await call()
        times.append(time.perf_counter_ns() - start)
    percentiles(label, times)


def request_scope(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Any) -> None:
    pass


async def per_request(app: Any, headers: list[tuple[bytes, bytes]], count: int) -> float:
    """CPU nanoseconds of one request."""
    start = time.process_time_ns()
    for _ in range(count):
        await app(request_scope(list(headers)), receive, send)
    return (time.process_time_ns() - start) / count


async def gate() -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    def fastapi(wire: bool) -> FastAPI:
        app = FastAPI()
        if wire:
            init_vestibule_auth(app)

        @app.get("/")
        async def home() -> dict[str, str]:
            return {"hello": "world"}

        return app

    text = token().encode()
    plain = [(b"host", b"book.localhost:8080"), (b"user-agent", b"x" * 80), (b"accept", b"text/html,*/*")]
    plain += [(b"accept-language", b"en"), (b"accept-encoding", b"gzip"), (b"cookie", b"theme=dark; other=1")]
    shown = [
        *plain,
        (b"cookie", b"vestibule_viewer_token=" + text),
        (b"x-vestibule-viewer-token", text),
        (b"x-vestibule-gateway", SECRET.encode()),
        (b"x-vestibule-gate", b"closed"),
        (b"x-forwarded-for", b"127.0.0.1"),
        (b"x-request-id", b"0123456789"),
    ]
    for label, without, with_gate in (
        ("bare ASGI app", bare, VestibuleGate(bare)),
        ("FastAPI route", fastapi(False), fastapi(True)),
    ):
        # In turns, so that whatever else the machine does falls on both.
        pairs = [(await per_request(without, shown, 300), await per_request(with_gate, shown, 300)) for _ in range(30)]
        base = statistics.median(pair[0] for pair in pairs)
        added = statistics.median(pair[1] - pair[0] for pair in pairs)
        print(f"{label:<34} {base / 1000:8.1f} µs of CPU, the gate adds {added / 1000:5.1f} µs")
    settings_verifier = vestibule_verifier()
    fresh = [token(f"p{number}") for number in range(900)]
    now = time.time()
    start = time.process_time_ns()
    for one in fresh:
        assert settings_verifier.verify(one, now)
    print(
        f"{'a token seen for the first time':<34} {(time.process_time_ns() - start) / len(fresh) / 1000:8.1f} µs of CPU"
    )


def vestibule_verifier() -> Any:
    from vestibule_auth import Verifier

    return Verifier(KEY, APP_ID, ISSUER)


def main() -> None:
    folder = tempfile.mkdtemp(prefix="vst")
    path = f"{folder}/store.sock"
    process = get_context("spawn").Process(target=canned_store, args=(path,), daemon=True)
    process.start()
    os.environ.update(
        VESTIBULE_APP_ID=APP_ID,
        VESTIBULE_APP_KEY="vst_a_test",
        VESTIBULE_VIEWER_KEY=KEY.hex(),
        VESTIBULE_GATEWAY_SECRET=SECRET,
        VESTIBULE_DATA_SOCKET=path,
        VESTIBULE_ISSUER=ISSUER,
    )
    vestibule_client.reset()
    while not os.path.exists(path):
        time.sleep(0.01)
    try:
        calls("kv.get", lambda: vestibule.kv.get("shared:a"))
        calls("kv.set", lambda: vestibule.kv.set("shared:a", {"text": "hello"}))
        vestibule_client.reset()
        asyncio.run(awaited("await kv.aget", lambda: vestibule.kv.aget("shared:a")))
        asyncio.run(gate())
    finally:
        process.terminate()
        process.join()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
