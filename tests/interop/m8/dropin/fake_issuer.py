"""An issuer that is nothing but a key set and a list of revoked tokens."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vestibule._core import SigningKey

SECRET = "Shared-With_Issuer-0123456789-abcdef"


class FakeIssuer:
    """Serves on a port of its own. Tokens whose id begins with `revoked` are; those with `broken` make it fail."""

    def __init__(self) -> None:
        self.key = SigningKey.generate("RS256")
        # As an issuer of this generation publishes them, with one entry that is good for nobody.
        self.key_set = json.dumps({"keys": [self.key.jwk()]}).encode()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/jwks.json":
                    self._answer(200, issuer.key_set)
                else:
                    self._answer(500, b"")

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.headers["X-Internal-Token"] != SECRET:
                    self._answer(401, b'{"detail":"Unauthorized"}')
                elif body["jti"].startswith("broken"):
                    self._answer(500, b"")
                else:
                    self._answer(200, json.dumps({"active": not body["jti"].startswith("revoked")}).encode())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
