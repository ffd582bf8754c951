"""A service on the real `fastapi-m8`, run by uvicorn, that trusts an issuer."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import fastapi_m8
import httpx
from harness.issuer import ACCESS_SECRET_KEY, AUDIENCE, EVENT_SIGNING_KEY, PRIVATE_API_SECRET, Issuer, SignedIn
from harness.process import Process, free_port

SERVICES = Path(__file__).parent / "services"
GENERATION = "v1" if fastapi_m8.__version__.startswith("1.") else "v4"

_numbers = count(1)


class Service:
    """The example service of this generation, with the `.env` that stands beside it, pointed at an issuer."""

    def __init__(
        self, issuer: Issuer, folder: Path, changes: Mapping[str, str | None], program: Path | None = None
    ) -> None:
        self.folder = folder / f"service-{next(_numbers)}"
        self.folder.mkdir(parents=True)
        shutil.copy(program or SERVICES / GENERATION / "main.py", self.folder / "main.py")
        self.issuer = issuer
        settings: dict[str, str | None] = {**dotenv(), **pointed_at(issuer), **changes}
        lines = [f"{name}={value}" for name, value in settings.items() if value is not None]
        (self.folder / ".env").write_text("\n".join(lines) + "\n")
        self.port = free_port()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        command = [sys.executable, "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = Process([*command, "--no-access-log"], self.folder, "service", {})
        self.process.wait_ready("the service", self._answers)

    def _answers(self) -> bool:
        try:
            return self.client.get("/items/health/").status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str, token: SignedIn | str | None = None, **headers: str) -> httpx.Response:
        if token is not None:
            access = token.access if isinstance(token, SignedIn) else token
            headers["Authorization"] = f"Bearer {access}"
        return self.client.get(f"/items{path}", headers=headers)

    def status(self, path: str, token: SignedIn | str | None = None) -> int:
        return self.get(path, token).status_code

    def stop(self) -> None:
        self.client.close()
        self.process.stop()


# Starts a service that trusts an issuer, with settings of its own; one of `None` is left out.
StartService = Callable[..., Service]


def dotenv() -> dict[str, str]:
    """The settings that the guide shows, by name."""
    lines = (SERVICES / GENERATION / "dotenv").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def pointed_at(issuer: Issuer) -> dict[str, str | None]:
    """What differs between the guide's `.env` and a test's: addresses and secrets. One shared secret stands for all."""
    settings: dict[str, str | None] = {
        "TOKEN_ISSUER": issuer.name,
        "TOKEN_AUDIENCE": AUDIENCE,
        "JWKS_URI": f"{issuer.base}/.well-known/jwks.json",
        "INTROSPECTION_URL": f"{issuer.base}/private/v1/jti-status",
        "PRIVATE_API_SECRET": PRIVATE_API_SECRET,
    }
    if GENERATION == "v4":
        settings |= {
            "INTERNAL_CLIENT_ID": None,
            "SERVICE_TOKEN_EXCHANGE_ENABLED": None,
            "SERVICE_TOKEN_SCOPES": None,
            "REVOCATION_CACHE_TTL_SECONDS": "0",
            "EVENT_SIGNING_KEY": EVENT_SIGNING_KEY,
            "API_KEY_INTROSPECTION_ENABLED": None,
        }
    return settings


# A service that checks tokens by the secret that it shares with the issuer.
HS256 = {"ACCESS_TOKEN_ALGORITHM": "HS256", "JWKS_URI": None, "ACCESS_SECRET_KEY": ACCESS_SECRET_KEY}
