"""An issuer that is nothing but a key set and a list of revoked tokens, for tests."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vestibule._core import SigningKey

SECRET = "Shared-With_Issuer-0123456789-abcdef"


class Server(ThreadingHTTPServer):
    """Doesn't mind when somebody goes without waiting for the answer."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing."""


class FakeIssuer:
    """Serves on a port of its own. Tokens whose id begins with `revoked` are; those with `broken` make it fail.

    Attributes:
        key: What signs now.
        keys: The entries of its key set.
        asked: How often it was asked about each token, and for `keys`.
        hold: Answers wait while it is cleared.
        arrived: Set with each request.
    """

    def __init__(self) -> None:
        self.key = SigningKey.generate("RS256")
        self.keys: list[dict[str, Any]] = [self.key.jwk()]
        self.asked: Counter[str] = Counter()
        self.hold = threading.Event()
        self.hold.set()
        self.arrived = threading.Event()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != "/jwks.json":
                    self._answer(500, {})
                    return
                issuer.asked["keys"] += 1
                self._answer(200, {"keys": issuer.keys})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                issuer.asked[body["jti"]] += 1
                if self.headers["X-Internal-Token"] != SECRET:
                    self._answer(401, {"detail": "Unauthorized"})
                elif body["jti"].startswith("broken"):
                    self._answer(500, {})
                else:
                    self._answer(200, {"active": not body["jti"].startswith("revoked")})

            def _answer(self, status: int, document: dict[str, Any]) -> None:
                issuer.arrived.set()
                issuer.hold.wait(30)
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Says nothing."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()
