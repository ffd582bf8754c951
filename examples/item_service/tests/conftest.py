"""The service with the settings of `.env.example`, a database in a folder of the tests, and no server."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values
from fastapi.testclient import TestClient

HERE = Path(__file__).parents[1]

# Settings are read when the app is imported, hence before the tests are.
_folder = tempfile.TemporaryDirectory(prefix="items-")
os.environ.update({name: value for name, value in dotenv_values(HERE / ".env.example").items() if value})
os.environ["DATABASE_URL"] = f"sqlite:///{_folder.name}/items.db"

from app.deps import engine  # noqa: E402
from app.main import app  # noqa: E402
from app.main_async import app as async_app  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def database() -> Iterator[None]:
    """The tables, made by the migrations."""
    from alembic import command
    from alembic.config import Config

    command.upgrade(Config(HERE / "alembic.ini"), "head")
    yield
    engine.dispose()
    _folder.cleanup()


@pytest.fixture
def client() -> Iterator[TestClient]:
    """Calls the service."""
    with TestClient(app) as client:
        yield client


@pytest.fixture
def async_client() -> Iterator[TestClient]:
    """Calls its variant without threads."""
    with TestClient(async_app) as client:
        yield client
