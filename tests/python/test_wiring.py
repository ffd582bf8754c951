"""Apps of all shapes behind the gate: what their authors may do, and what the gate must survive."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fake_store import FakeStore
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from tokens import SECRET, token

import vestibule
from vestibule_auth import VestibuleGate, init_vestibule_auth

pytestmark = pytest.mark.usefixtures("platform")

HEALTH = {"X-Vestibule-Gateway": SECRET}
ORIGIN = {"Origin": "https://front.test"}
PREFLIGHT = {**ORIGIN, "Access-Control-Request-Method": "POST"}


def signed_in(username: str = "alice") -> dict[str, str]:
    return {"X-Vestibule-Viewer-Token": token(username)}


def new_app(**options: Any) -> FastAPI:
    app = FastAPI(**options)
    init_vestibule_auth(app)
    return app


def name() -> str:
    viewer = vestibule.viewer()
    return viewer.username if viewer else "nobody"


# Middleware of the app's own


@pytest.mark.parametrize("place", ["added later", "constructor", "around the object"])
def test_a_preflight_passes_and_a_refusal_carries_cors_headers(place: str) -> None:
    options: dict[str, Any] = {"allow_origins": ["https://front.test"], "allow_methods": ["*"]}
    app = new_app(middleware=[Middleware(CORSMiddleware, **options)] if place == "constructor" else [])

    @app.post("/x")
    async def x() -> str:
        return name()

    served: Any = app
    if place == "added later":
        app.add_middleware(CORSMiddleware, **options)
    elif place == "around the object":
        served = CORSMiddleware(app, **options)
    client = TestClient(served)
    preflight = client.options("/x", headers=PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://front.test"
    refused = client.post("/x", headers=ORIGIN)
    assert refused.status_code == 401
    if place != "constructor":
        assert refused.headers["access-control-allow-origin"] == "https://front.test"
    assert client.post("/x", headers={**ORIGIN, **signed_in()}).json() == "alice"


def test_a_preflight_gets_nothing_out_of_an_app_without_cors() -> None:
    app = new_app()

    @app.api_route("/secret", methods=["OPTIONS", "GET"])
    async def secret() -> str:
        return "secret"

    client = TestClient(app)
    for path in ("/secret", "/nowhere"):
        answer = client.options(path, headers=PREFLIGHT)
        assert answer.status_code == 401
        assert "secret" not in answer.text
    assert client.options("/secret").status_code == 401
    assert client.options("/secret", headers=signed_in()).json() == "secret"


def test_a_middleware_of_the_app_sees_the_viewer_and_a_stranger_is_nobody() -> None:
    app = new_app()
    seen: list[str] = []

    @app.middleware("http")
    async def note(request: Request, call_next: Any) -> Response:
        seen.append(name())
        answer: Response = await call_next(request)
        seen.append(name())
        return answer

    @app.get("/")
    async def home() -> str:
        return name()

    client = TestClient(app)
    assert client.get("/", headers=signed_in()).json() == "alice"
    assert client.get("/").status_code == 401
    assert seen == ["alice", "alice", "nobody", "nobody"]


def test_a_middleware_of_the_app_calls_the_store_for_the_viewer(platform: FakeStore) -> None:
    app = new_app()

    @app.middleware("http")
    async def count(request: Request, call_next: Any) -> Any:
        if vestibule.viewer():
            vestibule.kv.incr("visits")
        return await call_next(request)

    text = token()
    client = TestClient(app)
    client.get("/", headers={"X-Vestibule-Viewer-Token": text})
    client.get("/")
    assert [seen["x-vestibule-viewer-token"] for seen in platform.seen] == [text]


def test_global_dependencies_do_not_stop_handoff_and_health() -> None:
    def verify_key() -> None:
        raise HTTPException(403, "no key")

    app = new_app(dependencies=[Depends(verify_key)])
    client = TestClient(app, follow_redirects=False)
    assert client.get("/vestibule-handoff", params={"token": token()}).status_code == 307
    assert client.get("/.vestibule/health", headers=HEALTH).status_code == 200


def test_a_catch_all_route_and_a_mount_at_the_root_do_not_hide_the_handoff() -> None:
    first = new_app()

    @first.get("/{path:path}")
    async def everything(path: str) -> str:
        return path

    second = new_app()
    second.mount("/", StaticFiles(directory=Path(__file__).parent))
    for app in (first, second):
        client = TestClient(app, follow_redirects=False)
        assert client.get("/ellivate-handoff", params={"token": token()}).status_code == 307
        assert client.get("/test_wiring.py").status_code == 401
        assert client.get("/test_wiring.py", headers=signed_in()).status_code == 200


def test_a_refusal_is_not_swallowed_by_handlers_of_the_app() -> None:
    app = new_app(default_response_class=PlainTextResponse)

    async def swallow(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("all is well")

    app.add_exception_handler(401, swallow)
    app.add_exception_handler(Exception, swallow)
    app.add_exception_handler(HTTPException, swallow)
    answer = TestClient(app).get("/")
    assert answer.status_code == 401
    assert answer.json()["error"] == "viewer_required"


def test_hosts_that_the_app_does_not_trust_do_not_stop_the_probe() -> None:
    app = new_app()
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.com"])
    client = TestClient(app)
    assert client.get("/.vestibule/health", headers=HEALTH).status_code == 200
    assert client.get("/", headers=signed_in()).status_code == 400


def test_docs_static_files_and_mounted_apps_are_gated(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("static")
    app = new_app()
    inner = FastAPI()

    @inner.get("/who")
    async def inner_who() -> str:
        return name()

    app.mount("/static", StaticFiles(directory=tmp_path))
    app.mount("/inner", inner)
    client = TestClient(app)
    for path in ("/docs", "/redoc", "/openapi.json", "/static/a.txt", "/inner/who", "/inner/docs", "/nowhere"):
        assert client.get(path).status_code == 401
    assert client.get("/static/a.txt", headers=signed_in()).text == "static"
    assert client.get("/inner/who", headers=signed_in()).json() == "alice"
    assert client.get("/docs", headers=signed_in()).status_code == 200
    assert client.get("/nowhere", headers=signed_in()).status_code == 404


# Paths under a prefix


@pytest.mark.filterwarnings("ignore:The `root_path` parameter is deprecated")
@pytest.mark.parametrize("how", ["argument", "server"])
def test_an_app_under_a_prefix_knows_its_addresses(how: str) -> None:
    app = new_app(root_path="/api" if how == "argument" else "")

    @app.get("/a")
    async def a(request: Request) -> list[str]:
        return [str(request.url_for("a")), name()]

    client = TestClient(app, root_path="/api" if how == "server" else "", follow_redirects=False)
    assert client.get("/a", headers=signed_in()).json() == ["http://testserver/api/a", "alice"]
    answer = client.get("/vestibule-handoff", params={"token": token(), "next": "/api/a"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/api/a")
    assert client.get("/.vestibule/health", headers=HEALTH).status_code == 200
    assert "/api/openapi.json" in client.get("/docs", headers=signed_in()).text
    prefixed = client.get("/api/vestibule-handoff", params={"token": token()})
    assert prefixed.status_code == 307


# Sockets


def socket_app() -> FastAPI:
    app = new_app()

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        offered = socket.scope["subprotocols"]
        await socket.accept(subprotocol=offered[0] if offered else None)
        vestibule.kv.set("seen", name())
        await socket.send_json([name(), vestibule.kv.get("seen"), offered])
        await socket.close()

    return app


def test_a_socket_without_a_viewer_is_closed_before_it_is_accepted() -> None:
    client = TestClient(socket_app())
    for headers in ({}, {"Cookie": "vestibule_viewer_token=nonsense"}, {"X-Vestibule-Viewer-Token": "x"}):
        with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("/ws", headers=headers):
            pass
        assert caught.value.code == 4401
    with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("/ws", ["viewer.nonsense"]):
        pass
    assert caught.value.code == 4401


def test_a_socket_works_for_the_viewer_of_its_cookie(platform: FakeStore) -> None:
    text = token()
    with TestClient(socket_app()).websocket_connect(
        "/ws", headers={"Cookie": f"vestibule_viewer_token={text}"}
    ) as socket:
        assert socket.receive_json() == ["alice", "alice", []]
        assert socket.accepted_subprotocol is None
    assert {seen["x-vestibule-viewer-token"] for seen in platform.seen} == {text}


def test_a_socket_may_bring_the_token_as_a_subprotocol() -> None:
    carrier = f"viewer.{token()}"
    client = TestClient(socket_app())
    with client.websocket_connect("/ws", [carrier]) as socket:
        assert socket.receive_json() == ["alice", "alice", []]
        # A browser insists on one of those it offered.
        assert socket.accepted_subprotocol == carrier
    with client.websocket_connect("/ws", [carrier, "chat"]) as socket:
        assert socket.receive_json() == ["alice", "alice", ["chat"]]
        assert socket.accepted_subprotocol == "chat"


def test_an_open_gate_lets_sockets_in() -> None:
    app = new_app()

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(name())
        await socket.close()

    headers = {"X-Vestibule-Gateway": SECRET, "X-Vestibule-Gate": "open"}
    with TestClient(app).websocket_connect("/ws", headers=headers) as socket:
        assert socket.receive_text() == "nobody"


def test_a_middleware_of_the_http_kind_would_not_see_sockets() -> None:
    # Why the gate is not written as one.
    app = FastAPI()

    @app.middleware("http")
    async def gate(request: Request, call_next: Any) -> Response:
        return Response(status_code=401)

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    client = TestClient(app)
    assert client.get("/").status_code == 401
    with client.websocket_connect("/ws"):
        pass


# Startup


def test_a_lifespan_works_on_the_apps_own_data(platform: FakeStore, caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        vestibule.kv.set("shared:config", 1)
        vestibule.kv.get("personal:x")
        assert vestibule.viewer() is None
        yield
        vestibule.kv.get("shared:config")

    with TestClient(new_app(lifespan=lifespan)):
        pass
    assert len(platform.seen) == 3
    assert all("x-vestibule-viewer-token" not in seen for seen in platform.seen)
    assert all("x-vestibule-lane" not in seen for seen in platform.seen)
    assert caplog.records == []


def test_wiring_must_happen_before_the_first_request() -> None:
    app = FastAPI()
    TestClient(app).get("/")
    with pytest.raises(RuntimeError):
        init_vestibule_auth(app)


# What inherits the viewer


def test_the_viewer_is_there_in_every_kind_of_code() -> None:
    app = new_app()
    noted: list[str] = []

    def resource() -> Iterator[str]:
        yield name()
        noted.append("after yield " + name())

    @app.get("/sync")
    def sync_route(found: str = Depends(resource)) -> list[str]:
        return [name(), found]

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            for _ in range(3):
                await asyncio.sleep(0)
                yield name() + " "

        return StreamingResponse(parts())

    @app.get("/stream-sync")
    def stream_sync() -> StreamingResponse:
        return StreamingResponse(name() + " " for _ in range(2))

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> None:
        async def later() -> None:
            await asyncio.sleep(0)
            noted.append("background " + name())

        tasks.add_task(later)
        tasks.add_task(lambda: noted.append("background thread " + name()))

    @app.get("/tasks")
    async def tasks() -> list[str]:
        async def inner() -> str:
            return name()

        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            lost = await loop.run_in_executor(pool, name)
        return [await asyncio.create_task(inner()), await asyncio.to_thread(name), lost]

    client = TestClient(app)
    headers = signed_in()
    assert client.get("/sync", headers=headers).json() == ["alice", "alice"]
    assert client.get("/stream", headers=headers).text == "alice alice alice "
    assert client.get("/stream-sync", headers=headers).text == "alice alice "
    client.get("/background", headers=headers)
    assert client.get("/tasks", headers=headers).json() == ["alice", "alice", "nobody"]
    assert noted == ["after yield alice", "background alice", "background thread alice"]


@pytest.mark.skipif(
    getattr(__import__("sys").flags, "thread_inherit_context", 0) == 1, reason="threads inherit on such builds"
)
def test_a_plain_thread_does_not_inherit_the_viewer() -> None:
    lost: list[str] = []
    context = contextvars.copy_context()

    def work() -> None:
        thread = threading.Thread(target=lambda: lost.append(name()))
        thread.start()
        thread.join()

    context.run(vestibule.vestibule.viewer)
    context.run(work)
    assert lost == ["nobody"]


def test_fifty_requests_of_two_viewers_at_once_are_never_mixed(platform: FakeStore) -> None:
    app = new_app()

    @app.get("/slow/{number}")
    async def slow(number: int) -> list[Any]:
        names = [name()]
        await vestibule.kv.aset(f"k{number}", name())
        await asyncio.sleep(0)
        names.append(name())
        vestibule.kv.set("sync", name())
        await asyncio.to_thread(lambda: names.append(name()))
        names.append(await vestibule.kv.aget(f"k{number}"))
        names.append(vestibule.kv.get("sync"))
        return names

    tokens = {who: token(who) for who in ("alice", "bob")}

    async def ask(number: int) -> tuple[str, Any]:
        who = ("alice", "bob")[number % 2]
        body = b""

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            nonlocal body
            body += message.get("body", b"")

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "path": f"/slow/{number}",
            "raw_path": b"",
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": [(b"x-vestibule-viewer-token", tokens[who].encode())],
            "client": None,
            "server": None,
        }
        await app(scope, receive, send)
        return who, body

    async def work() -> list[tuple[str, Any]]:
        return await asyncio.gather(*(ask(number) for number in range(50)))

    for who, body in asyncio.run(work()):
        assert body == str([who] * 5).replace("'", '"').replace(" ", "").encode()
    spaces = {space for space, _ in platform.rows}
    assert spaces == {f"viewer {text}" for text in tokens.values()}
    assert all(
        value == ("alice" if tokens["alice"] in space else "bob") for (space, _), (value, _) in platform.rows.items()
    )


# Bodies


def test_bodies_pass_piece_by_piece() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Answers each piece of the upload as soon as it is there."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            message = await receive()
            await send(
                {"type": "http.response.body", "body": message["body"].upper(), "more_body": message["more_body"]}
            )
            if not message["more_body"]:
                return

    async def work() -> None:
        pieces = [b"one", b"two", b"three"]
        sent: list[bytes] = []

        async def receive() -> Any:
            number = len(sent)
            # Each piece is asked for only after the answer to the one before is out.
            return {"type": "http.request", "body": pieces[number], "more_body": number < 2}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                sent.append(message["body"])

        scope: Any = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "query_string": b"",
            "headers": [(b"x-vestibule-viewer-token", token().encode())],
        }
        await VestibuleGate(app)(scope, receive, send)
        assert sent == [b"ONE", b"TWO", b"THREE"]

    asyncio.run(work())


def test_compressed_answers_and_event_streams_work_behind_the_gate() -> None:
    app = new_app()
    app.add_middleware(GZipMiddleware, minimum_size=10)

    @app.get("/big")
    async def big() -> str:
        return "x" * 10_000

    @app.get("/events")
    async def events() -> StreamingResponse:
        async def each() -> AsyncIterator[str]:
            for number in range(3):
                yield f"data: {name()} {number}\n\n"

        return StreamingResponse(each(), media_type="text/event-stream")

    client = TestClient(app)
    answer = client.get("/big", headers=signed_in())
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json() == "x" * 10_000
    assert client.get("/events", headers=signed_in()).text.count("alice") == 3
    assert client.get("/big").status_code == 401


# Errors of the store


def test_an_error_of_the_store_that_nobody_caught_has_its_status(platform: FakeStore) -> None:
    app = new_app()

    @app.get("/{key}")
    def read(key: str) -> Any:
        return vestibule.kv.get(key)

    @app.put("/{key}")
    async def write(key: str) -> None:
        vestibule.kv.set(key, object())

    client = TestClient(app, raise_server_exceptions=False)
    platform.faults.append((503, {"error": "unavailable", "message": "Back in a moment."}, {}))
    answer = client.get("/a", headers=signed_in())
    assert answer.status_code == 503
    assert answer.json() == {"error": "unavailable", "message": "Back in a moment."}
    assert answer.headers["retry-after"] == "1"
    platform.faults.append((429, {"error": "rate_limited"}, {"Retry-After": "7"}))
    answer = client.get("/a", headers=signed_in())
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    platform.faults.append((401, {"error": "viewer_required"}, {}))
    answer = client.get("/a", headers=signed_in())
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Vestibule")
    assert client.get("/" + "x" * 600, headers=signed_in()).status_code == 400
    # The app's own mistake stays one.
    assert client.put("/a", headers=signed_in()).status_code == 500


def test_an_app_that_handles_errors_of_the_store_keeps_its_handler(platform: FakeStore) -> None:
    async def handle(_request: Request, error: Exception) -> Response:
        return JSONResponse({"mine": str(error)}, 418)

    before = new_app(exception_handlers={vestibule.VestibuleError: handle})
    after = new_app()
    after.add_exception_handler(vestibule.VestibuleError, handle)
    for app in (before, after):

        @app.get("/")
        def read() -> Any:
            return vestibule.kv.get("a")

        platform.faults.append((503, {"error": "unavailable"}, {}))
        assert TestClient(app).get("/", headers=signed_in()).status_code == 418


# Facts about Starlette that the gate rests on


class Named:
    """Notes its name on the way in."""

    def __init__(self, app: ASGIApp, label: str, order: list[str]) -> None:
        self.app = app
        self.label = label
        self.order = order

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.order.append(self.label)
        await self.app(scope, receive, send)


def test_a_later_middleware_is_further_out_and_the_constructors_are_innermost() -> None:
    order: list[str] = []
    app = FastAPI(middleware=[Middleware(Named, label="constructor", order=order)])
    app.add_middleware(Named, label="first", order=order)
    app.add_middleware(Named, label="second", order=order)
    TestClient(app).get("/")
    assert order == ["second", "first", "constructor"]


def test_a_base_http_middleware_hands_the_context_on() -> None:
    app = new_app()

    class Own(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            answer: Response = await call_next(request)
            answer.headers["x-viewer"] = name()
            return answer

    app.add_middleware(Own)

    @app.get("/")
    def home() -> str:
        return name()

    answer = TestClient(app).get("/", headers=signed_in())
    assert (answer.json(), answer.headers["x-viewer"]) == ("alice", "alice")


def test_a_route_after_a_catch_all_is_never_reached() -> None:
    app = FastAPI()

    @app.get("/{path:path}")
    async def everything(path: str) -> str:
        return "all"

    @app.get("/late")
    async def late() -> str:
        return "late"

    assert TestClient(app).get("/late").json() == "all"


def test_the_stack_is_built_by_the_method_that_the_gate_wraps() -> None:
    assert "build_middleware_stack" in inspect.getsource(FastAPI.__mro__[1].__call__)


# Behind a real server


def test_uvicorn_answers_a_refused_handshake_with_403() -> None:
    app = socket_app()
    with tempfile.TemporaryDirectory(prefix="vst") as folder:
        path = f"{folder}/app.sock"
        server = uvicorn.Server(uvicorn.Config(app, uds=path, ws="websockets-sansio", log_config=None))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            deadline = time.monotonic() + 20
            while not server.started:
                assert time.monotonic() < deadline
                assert thread.is_alive()
                time.sleep(0.01)
            for cookie, status in (("", b"HTTP/1.1 403 "), (f"vestibule_viewer_token={token()}", b"HTTP/1.1 101 ")):
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(10)
                    client.connect(path)
                    client.sendall(
                        b"GET /ws HTTP/1.1\r\nHost: book.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        b"Cookie: " + cookie.encode() + b"\r\n\r\n"
                    )
                    assert client.recv(13) == status
        finally:
            server.should_exit = True
            thread.join(20)
        assert not thread.is_alive()
