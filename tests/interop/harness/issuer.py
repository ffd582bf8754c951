"""A real Vestibule server with a data directory of its own, and people who use it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx

from .process import Process, environment, free_port, wait_until

ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("VESTIBULE_BINARY", ROOT / "target/debug/vestibule"))

AUDIENCE = "m8-services"
# As strong as the settings class of `fastapi-m8` asks for.
PRIVATE_API_SECRET = "Shared-With_Vestibule-0123456789-abc"
EVENT_SIGNING_KEY = "Events-Of_Vestibule-0123456789-abcdef"
ACCESS_SECRET_KEY = "Access-Secret_Key-0123456789-abcdefXYZ!"

DEFAULTS = {
    "VESTIBULE_ISSUER__AUDIENCE": AUDIENCE,
    "VESTIBULE_ISSUER__PRIVATE_API_SECRET": PRIVATE_API_SECRET,
    # Hashes that cost little: their strength is tested elsewhere.
    "VESTIBULE_ACCOUNTS__ARGON2_MEMORY_KIB": "64",
    "VESTIBULE_ACCOUNTS__ARGON2_PASSES": "1",
    "VESTIBULE_LOG__LEVEL": "info",
}


@dataclass
class SignedIn:
    """What a client holds after signing in."""

    access: str
    refresh: str
    answer: httpx.Response = field(repr=False)

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    @property
    def cookies(self) -> dict[str, str]:
        return {"Cookie": f"refresh_token={self.refresh}"}

    @property
    def claims(self) -> dict[str, Any]:
        return part(self.access, 1)

    @property
    def header(self) -> dict[str, Any]:
        return part(self.access, 0)


def part(token: str, index: int) -> dict[str, Any]:
    """The header (0) or the claims (1) of a JWT, unverified."""
    text = token.split(".")[index]
    value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert isinstance(value, dict)
    return value


@dataclass(frozen=True)
class Person:
    """An account and what its owner knows."""

    id: str
    email: str
    password: str


class Issuer:
    """`vestibule serve`, with accounts made by its command line."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.base = f"{self.origin}/user"
        self.settings = {**DEFAULTS, **(settings or {})}
        # What it calls itself in tokens, which need not be how it is reached.
        self.name = self.settings.get("VESTIBULE_ISSUER__ISSUER", f"http://localhost:{self.port}")
        self.process: Process | None = None
        # Keeps no cookies: one client stands for many people.
        jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self.client = httpx.Client(base_url=self.base, timeout=30, cookies=jar)
        self._superuser: tuple[float, SignedIn] | None = None

    def start(self) -> Issuer:
        command = [str(BINARY), "serve", "--listen", f"127.0.0.1:{self.port}", "--admin-listen", "off"]
        command += ["--data-dir", str(self.data)]
        process = Process(command, self.folder, "vestibule", self.settings)
        process.wait_ready("the issuer", self._answers)
        self.process = process
        return self

    def _answers(self) -> bool:
        try:
            return self.client.get("/.well-known/jwks.json").status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        if self.process:
            self.process.stop()

    def close(self) -> None:
        self.stop()
        self.client.close()

    def kill(self) -> None:
        assert self.process
        self.process.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def command(self, *arguments: str, stdin: str = "") -> Any:
        """Runs a command of the program on this data directory; what it prints as JSON."""
        done = subprocess.run(
            [str(BINARY), *arguments, "--data-dir", str(self.data), "--json"],
            cwd=self.folder,
            env=environment({**self.settings, "XDG_CONFIG_HOME": str(self.folder)}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"vestibule {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def person(self, role: str = "user", name: str = "ada") -> Person:
        """Makes an account the way an operator does."""
        name = f"{name}-{secrets.token_hex(4)}"
        email, password = f"{name}@example.com", f"{name} likes long passwords"
        who = ["--email", email, "--username", name, "--role", role, "--password-stdin"]
        made = self.command("account", "create", *who, stdin=password)
        return Person(made["id"], email, password)

    def register(self, service: str, *scopes: str, audience: str | None = None) -> str:
        """Registers a service the way an operator does; its secret."""
        options = [word for scope in scopes for word in ("--scope", scope)]
        options += ["--audience", audience] if audience else []
        secret = self.command("services", "add", service, *options)["secret"]
        assert isinstance(secret, str)
        # The running server hears of what was done beside it within a second.
        headers = {"X-Internal-Client": service, "X-Internal-Token": secret}
        exchange = partial(self.client.post, "/private/v1/service-token", json={}, headers=headers)
        wait_until(f"{service} is known", lambda: exchange().status_code == 200, 5)
        return secret

    def try_login(self, email: str, password: str, **fields: str) -> httpx.Response:
        form = {"grant_type": "password", "username": email, "password": password, **fields}
        return self.client.post("/login/access-token", data=form)

    def login(self, person: Person, **fields: str) -> SignedIn:
        return signed_in(self.try_login(person.email, person.password, **fields))

    def sign_in(self, role: str = "user", **fields: str) -> SignedIn:
        """A new person who has signed in."""
        return self.login(self.person(role), **fields)

    def try_refresh(self, refresh: str) -> httpx.Response:
        return self.client.post("/login/refresh-token/", headers={"Cookie": f"refresh_token={refresh}"})

    def refresh(self, held: SignedIn) -> SignedIn:
        return signed_in(self.try_refresh(held.refresh))

    def logout(self, held: SignedIn) -> httpx.Response:
        return self.client.post("/login/logout/", headers={**held.bearer, **held.cookies})

    def superuser(self) -> SignedIn:
        """A superuser of the tests, whose token is never near its end."""
        if self._superuser is None or self._superuser[0] < time.monotonic():
            self._superuser = (time.monotonic() + 600, self.sign_in("superadmin"))
        return self._superuser[1]

    def change(self, person: Person, **fields: object) -> httpx.Response:
        """Changes an account as a superuser does."""
        answer = self.client.patch(f"/users/update/{person.id}/", json=fields, headers=self.superuser().bearer)
        assert answer.status_code == 200, answer.text
        return answer

    def introspect(self, jti: str, secret: str = PRIVATE_API_SECRET) -> httpx.Response:
        return self.client.post("/private/v1/jti-status", json={"jti": jti}, headers={"X-Internal-Token": secret})


# Starts an issuer with settings of its own.
StartIssuer = Callable[..., Issuer]


def signed_in(answer: httpx.Response) -> SignedIn:
    assert answer.status_code == 200, answer.text
    return SignedIn(answer.json()["access_token"], refresh_of(answer), answer)


def cookie_of(answer: httpx.Response) -> str:
    """The one refresh cookie that an answer sets, as it is written. (Another one may say that the device is known.)"""
    [cookie] = [line for line in answer.headers.get_list("set-cookie") if line.startswith("refresh_token=")]
    return str(cookie)


def refresh_of(answer: httpx.Response) -> str:
    """The refresh token that an answer sets."""
    return cookie_of(answer).partition(";")[0].removeprefix("refresh_token=")
