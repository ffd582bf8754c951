"""A stand-in for the platform's store: its HTTP API on a Unix socket, in memory, with faults to order."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class Fault:
    """What to do to the next request instead of answering it."""

    # Close the connection without reading the request.
    HANG_UP = "hang up"
    # Do what was asked, then close the connection without an answer.
    DO_AND_HANG_UP = "do and hang up"
    # Answer, and close the connection although it was to be kept.
    CLOSE_AFTER = "close after"
    # Say nothing at all.
    SILENCE = "silence"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeStore

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def address_string(self) -> str:
        return "unix"

    def _serve(self) -> None:
        store = self.server
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        fault = store.faults.popleft() if store.faults else None
        seen = {
            "method": self.command,
            "path": self.path,
            "body": body,
            **{name.lower(): value for name, value in self.headers.items()},
        }
        store.seen.append(seen)
        if fault == Fault.HANG_UP:
            self.close_connection = True
            return
        if fault == Fault.SILENCE:
            store.released.wait(30)
            self.close_connection = True
            return
        if isinstance(fault, tuple):
            status, content, extra = fault
        else:
            status, content, extra = store.answer(self.command, self.path, body, dict(seen))
        if fault == Fault.DO_AND_HANG_UP:
            self.close_connection = True
            return
        if store.meet is not None:
            store.meet.wait(10)
        payload = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)
        if fault == Fault.CLOSE_AFTER:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve


class FakeStore(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The server itself. The viewer's namespace is named after the token, which it does not check."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, path: str) -> None:
        super().__init__(path, Handler)
        self.rows: dict[tuple[str, str], tuple[Any, int]] = {}
        self.seen: list[dict[str, Any]] = []
        self.faults: deque[Any] = deque()
        self.released = threading.Event()
        self.meet: threading.Barrier | None = None
        self.connections = 0
        self._lock = threading.Lock()
        # A short poll, so that stopping does not wait.
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up is part of the tests; anything else is a mistake in this file.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def answer(self, method: str, target: str, body: bytes, headers: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        if headers.get("authorization") != "Bearer vst_a_test":
            return 401, {"error": "unauthorized", "message": "The app key is wrong."}, {}
        url = urlsplit(target)
        parts = url.path.split("/")
        assert parts[:5] == ["", "v1", "data", "app-1", "kv"], parts
        token = headers.get("x-vestibule-viewer-token")
        anonymous = token is None and headers.get("x-vestibule-lane") == "request"
        key = unquote(parts[5]) if len(parts) > 5 else parse_qs(url.query).get("prefix", [""])[0]
        scope, full = _scope(key)
        if scope == "personal":
            namespace = f"viewer {token}" if token else "nobody" if anonymous else "server"
        else:
            namespace = scope
        with self._lock:
            if len(parts) == 5:
                keys = sorted(name for space, name in self.rows if space == namespace and name.startswith(full))
                return 200, {"keys": keys}, {}
            if anonymous and method not in ("GET", "HEAD"):
                return 401, {"error": "viewer_required", "message": "Sign in first."}, {}
            return self._row(method, (namespace, full), parts[6:], body, headers)

    def _row(
        self, method: str, place: tuple[str, str], verb: list[str], body: bytes, headers: dict[str, Any]
    ) -> tuple[int, Any, dict[str, str]]:
        row = self.rows.get(place)
        version = row[1] if row else 0
        if method in ("GET", "HEAD"):
            if row is None:
                return 404, {"error": "missing"}, {}
            return 200, {"value": row[0], "version": version, "updated_at": "2026-01-01T00:00:00Z"}, {}
        if method == "DELETE":
            self.rows.pop(place, None)
            return 204, None, {}
        given = json.loads(body)
        if method == "PUT":
            wanted = headers.get("if-match")
            if (wanted is not None and wanted != f'"{version}"') or (headers.get("if-none-match") == "*" and version):
                return 409, {"error": "version_conflict", "version": version}, {}
            self.rows[place] = (given, version + 1)
            return 204, None, {"ETag": f'"{version + 1}"'}
        if verb == ["append"]:
            value = [*(row[0] if row else []), given]
            self.rows[place] = (value, version + 1)
            return 200, {"length": len(value), "version": version + 1}, {}
        assert verb == ["incr"], verb
        total = (row[0] if row else 0) + given["by"]
        self.rows[place] = (total, version + 1)
        return 200, {"value": total, "version": version + 1}, {}


def _scope(key: str) -> tuple[str, str]:
    for scope in ("personal", "shared", "public"):
        if key.startswith(scope + ":"):
            return scope, key
    return "personal", "personal:" + key
