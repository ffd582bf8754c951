"""An issuer on a port of its own, whose key set and introspection tests can slow down, break and count."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vestibule import _core
from vestibule.testing import Issuer


class NetworkIssuer(Issuer):
    """An issuer that publishes its key set and answers introspections over HTTP."""

    secret = "Private-Api_Secret-0123456789-abcdef"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.key_set_requests = 0
        self.introspections = 0
        self.published: dict[str, Any] | bytes | None = None
        """What is published instead of the key set; bytes are sent as they are."""
        self.status = 200
        """With which status."""
        self.hold = threading.Event()
        """Answers wait for it; it is set, unless a test clears it."""
        self.hold.set()
        self.asked = threading.Event()
        """Set when a request has arrived."""
        self.inactive: set[str] = set()
        """Token ids that introspection calls inactive."""

        self.events: list[dict[str, Any]] = []
        """What the event stream has told so far; who connects later is told from the beginning."""
        self.news = threading.Condition()
        self.streaming = threading.Event()
        """Cleared, it ends the event streams."""
        self.streaming.set()

        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def do_GET(self) -> None:
                if self.path.startswith("/events/stream"):
                    return self._stream()
                if self.path != "/jwks.json":
                    return self._send(404, b"{}")
                outer.key_set_requests += 1
                outer.asked.set()
                outer.hold.wait(20)
                published = outer.key_set() if outer.published is None else outer.published
                body = published if isinstance(published, bytes) else json.dumps(published).encode()
                return self._send(outer.status, body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.introspections += 1
                outer.asked.set()
                outer.hold.wait(20)
                if self.headers.get("x-internal-token") != outer.secret:
                    return self._send(401, b"{}")
                question = json.loads(body)
                answer: dict[str, Any] = {"active": question["jti"] not in outer.inactive}
                if "expected_user_id" in question:
                    answer["schema_version"] = "2"
                    if answer["active"]:
                        answer |= {"user_id": question["expected_user_id"], "auth_generation": 1}
                return self._send(outer.status, json.dumps(answer).encode())

            def _stream(self) -> None:
                if self.headers.get("x-internal-token") != outer.secret:
                    return self._send(401, b"{}")
                self.close_connection = True
                told = 0
                opened = {"event_type": "stream.opened", "version": "v1", "complete_from": int(time.time()) - 3600}
                try:
                    self.send_response(200)
                    self.send_header("content-type", "text/event-stream")
                    self.end_headers()
                    self._frame("stream-opened", 0, opened)
                    while outer.streaming.is_set():
                        with outer.news:
                            outer.news.wait_for(partial(self._has_news, told), 0.2)
                            events = outer.events[told:]
                        for event in events:
                            told += 1
                            self._frame("session-revoked", told, event)
                        self.wfile.write(b": ping\n\n")
                except OSError:
                    # The client has gone.
                    return None
                return None

            def _has_news(self, told: int) -> bool:
                return len(outer.events) > told

            def _frame(self, kind: str, number: int, payload: dict[str, Any]) -> None:
                self.wfile.write(f"id: log-{number}\nevent: {kind}\ndata: {json.dumps(payload)}\n\n".encode())

            def _send(self, status: int, body: bytes) -> None:
                try:
                    self.send_response(status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    # The client did not wait.
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def announce(self, token: str) -> None:
        """Tells of the end of a token by the event stream."""
        claims = _core.verify_signature(token, self.keys(), algorithm=self.algorithm)
        event = {
            "event_type": "session.revoked",
            "version": "v2",
            "user_id": claims["sub"],
            "jti": claims["jti"],
            "sid": None,
        }
        with self.news:
            self.events.append(event)
            self.news.notify_all()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def settings(self, **overrides: Any) -> dict[str, Any]:
        """The settings of a service that trusts it, as `testing.settings` takes them."""
        return {
            "ACCESS_TOKEN_ALGORITHM": self.algorithm,
            "TOKEN_MODE": "stateless",
            "REVOCATION_SOURCE": "introspection",
            "JWKS_URI": f"{self.url}/jwks.json",
            "INTROSPECTION_URL": f"{self.url}/jti-status",
            "PRIVATE_API_SECRET": self.secret,
            **overrides,
        }

    @contextmanager
    def serving(self) -> Iterator[NetworkIssuer]:
        """Answers for as long as the context lasts."""
        self._thread.start()
        try:
            yield self
        finally:
            self.hold.set()
            self.streaming.clear()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


def wait_until(condition: Any, seconds: float = 20.0) -> None:
    """Waits for something that is about to happen.

    Raises:
        TimeoutError: It did not happen.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {condition}")
        time.sleep(0.005)
