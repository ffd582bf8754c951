"""The item service, or a variant of it, run as its operator would, under an issuer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from databases import Database
from harness.issuer import AUDIENCE, PRIVATE_API_SECRET, ROOT, Issuer, SignedIn
from harness.process import Process, environment, free_port

EXAMPLE = ROOT / "examples/item_service"
APPS = Path(__file__).parent / "apps"

_numbers = count(1)


def settings_for(issuer: Issuer, database: Database) -> dict[str, str | None]:
    """What an operator would write, here with the one secret that all services of the issuer may share."""
    return {
        "PROJECT_NAME": "items",
        "ENVIRONMENT": "local",
        "API_PREFIX": "/items",
        "BACKEND_CORS_ORIGINS": "http://localhost:5173",
        "METRICS_ENABLED": "true",
        "ISSUER_URL": issuer.origin,
        "TOKEN_ISSUER": issuer.name,
        "TOKEN_AUDIENCE": AUDIENCE,
        "PRIVATE_API_SECRET": PRIVATE_API_SECRET,
        **database.settings,
    }


class Service:
    """A running service. A setting of `None` is left out."""

    def __init__(
        self,
        issuer: Issuer,
        folder: Path,
        database: Database,
        changes: Mapping[str, str | None] | None = None,
        *,
        app: str = "app.main:app",
        server: Sequence[str] = ("uvicorn", "--no-access-log"),
        ready: bool = True,
    ) -> None:
        self.folder = folder / f"service-{next(_numbers)}"
        self.folder.mkdir(parents=True)
        self.issuer = issuer
        self.database = database
        settings = {**settings_for(issuer, database), **(changes or {})}
        self.settings = {name: value for name, value in settings.items() if value is not None}
        self.app = app
        self.server = list(server)
        self.port = free_port()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        self.process: Process | None = None
        self.start(ready=ready)

    def _environment(self) -> dict[str, str]:
        paths = [str(EXAMPLE), str(APPS), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {**self.settings, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}

    def start(self, *, ready: bool = True) -> None:
        """Starts it, and waits until it says that it is ready, or only that it lives."""
        if self.server[0] == "gunicorn":
            where = ["--bind", f"127.0.0.1:{self.port}"]
        else:
            where = ["--host", "127.0.0.1", "--port", str(self.port)]
        command = [sys.executable, "-m", *self.server, self.app, *where]
        self.process = Process(command, self.folder, "service", self._environment())
        path = "/readyz" if ready else "/livez"
        self.process.wait_ready("the service", lambda: self._answers(path))

    def _answers(self, path: str) -> bool:
        try:
            return self.client.get(path).status_code == 200
        except httpx.HTTPError:
            return False

    def run(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the environment's with this service's settings; it may fail."""
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=EXAMPLE,
            env=environment({**self._environment(), **changes}),
            capture_output=True,
            text=True,
            timeout=120,
        )

    def request(self, method: str, path: str, token: SignedIn | str | None = None, **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token.access if isinstance(token, SignedIn) else token}"
        return self.client.request(method, f"/items{path}", headers=headers, **options)

    def get(self, path: str = "/", token: SignedIn | str | None = None, **options: Any) -> httpx.Response:
        return self.request("GET", path, token, **options)

    def status(self, token: SignedIn | str | None = None, path: str = "/") -> int:
        """What the caller gets who lists their items."""
        return self.get(path, token).status_code

    def metric(self, ending: str) -> float:
        """The metric without labels whose name ends so."""
        lines = [line for line in self.client.get("/metrics").text.splitlines() if not line.startswith("#")]
        [value] = [value for name, _, value in (line.rpartition(" ") for line in lines) if name.endswith(ending)]
        return float(value)

    def output(self) -> str:
        assert self.process
        return self.process.output()

    def stop(self) -> None:
        assert self.process
        self.process.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self.client.close()
        if self.process:
            self.process.stop()


# Starts a service under an issuer, with settings of its own.
StartService = Callable[..., Service]
