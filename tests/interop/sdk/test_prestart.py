"""What runs before the service: waits for the database, brings its tables up to date, says what it did."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import databases
import pytest
from databases import Database
from harness.issuer import Issuer
from harness.process import Process, free_port, wait_until
from harness.relay import Relay
from service import EXAMPLE, settings_for


@pytest.fixture(params=["postgres", "mariadb"])
def behind(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    engine: str = request.param
    if reason := databases.missing(engine):
        pytest.skip(reason)
    return databases.make(engine, tmp_path)


def prestart(issuer: Issuer, database: Database, folder: Path, *arguments: str, **changes: Any) -> Process:
    named = {**settings_for(issuer, database), **changes}
    settings = {name: value for name, value in named.items() if value is not None}
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "vestibule", "prestart", "--migrate", *arguments]
    return Process(command, EXAMPLE, "prestart", {**settings, "PYTHONDONTWRITEBYTECODE": "1"}, log=folder / "log")


def test_it_waits_for_a_database_that_comes_up_late(
    issuer: Issuer, behind: Database, tmp_path: Path, relay: Callable[..., Relay]
) -> None:
    port = free_port()
    run = prestart(issuer, behind, tmp_path, DB_HOST="127.0.0.1", DB_PORT=str(port))
    wait_until("it says that it waits", lambda: f"127.0.0.1:{port}" in run.output())
    assert run.running
    relay(behind.address, port)
    assert run.wait() == 0, run.output()
    assert behind.rows("SELECT version_num FROM alembic_version") == [("0001",)]


def test_two_at_once_do_not_meet(issuer: Issuer, behind: Database, tmp_path: Path) -> None:
    """Replicas of a service start together, and each runs this first."""
    runs = [prestart(issuer, behind, tmp_path / str(number)) for number in range(2)]
    assert [run.wait() for run in runs] == [0, 0], [run.output() for run in runs]
    assert behind.rows("SELECT version_num FROM alembic_version") == [("0001",)]


def test_a_wrong_password_is_told_without_the_password(issuer: Issuer, tmp_path: Path) -> None:
    if reason := databases.missing("mariadb"):
        pytest.skip(reason)
    database = databases.make("mariadb", tmp_path)
    # It is waited for, too: a fresh database server may make its users after it began to answer.
    run = prestart(issuer, database, tmp_path, "--timeout", "2", DB_PASSWORD="Wrong-Password_1")
    assert run.wait() != 0
    assert "Access denied" in run.output()
    assert "Wrong-Password_1" not in run.output()


def test_a_database_that_never_comes_up_is_given_up(issuer: Issuer, behind: Database, tmp_path: Path) -> None:
    run = prestart(issuer, behind, tmp_path, "--timeout", "2", DB_HOST="127.0.0.1", DB_PORT=str(free_port()))
    assert run.wait() != 0
    assert "Traceback" not in run.output()
