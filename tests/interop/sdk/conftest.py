"""Fixtures: databases, and services built with the SDK that trust an issuer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import databases
import pytest
from databases import Database
from harness.issuer import Issuer
from harness.process import environment
from harness.relay import Relay
from service import EXAMPLE, Service, StartService, settings_for

pytest_plugins = ["harness.fixtures"]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Database:
    """A database with the tables of the service, for tests that are not about databases."""
    made = databases.make("sqlite", tmp_path_factory.mktemp("database"))
    migrate(issuer, made)
    return made


def migrate(issuer: Issuer, database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs what comes before the service, as its README says."""
    named = {name: value for name, value in settings_for(issuer, database).items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-m", "vestibule", "prestart", "--migrate", *arguments],
        cwd=EXAMPLE,
        env=environment({**named, "PYTHONDONTWRITEBYTECODE": "1"}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def service(issuer: Issuer, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service as it comes."""
    service = Service(issuer, tmp_path_factory.mktemp("service"), database)
    yield service
    service.close()


@pytest.fixture
def start_service(tmp_path: Path, database: Database) -> Iterator[StartService]:
    """Starts further services, with settings of their own."""
    started: list[Service] = []

    def start(
        issuer: Issuer,
        *,
        app: str = "app.main:app",
        server: tuple[str, ...] = ("uvicorn", "--no-access-log"),
        ready: bool = True,
        on: Database | None = None,
        **changes: str | None,
    ) -> Service:
        service = Service(issuer, tmp_path, on or database, changes, app=app, server=server, ready=ready)
        started.append(service)
        return service

    yield start
    for service in started:
        service.close()


@pytest.fixture
def relay() -> Iterator[Callable[..., Relay]]:
    """Makes wires that the test can cut."""
    made: list[Relay] = []

    def make(target: tuple[str, int] | Path, port: int | None = None) -> Relay:
        made.append(Relay(target, port))
        return made[-1]

    yield make
    for one in made:
        one.close()
