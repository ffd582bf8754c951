"""Fixtures: a process that believes it runs on the platform, with a stand-in for the store."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_store import FakeStore
from tokens import APP_ID, ISSUER, KEY, SECRET

import vestibule_client

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins outside the platform, with nothing remembered."""
    for name in (*vestibule_client.PLATFORM_VARIABLES, "VESTIBULE_DEV_STORE", "VESTIBULE_DEV_VIEWER"):
        monkeypatch.delenv(name, raising=False)
    vestibule_client.reset()
    yield
    vestibule_client.reset()


@pytest.fixture
def store() -> Iterator[FakeStore]:
    # Paths of Unix sockets are short; pytest's own folders are not always.
    folder = tempfile.mkdtemp(prefix="vst")
    server = FakeStore(f"{folder}/store.sock")
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, store: FakeStore) -> FakeStore:
    """On the platform: its environment is set and its store answers."""
    environment = {
        "VESTIBULE_APP_ID": APP_ID,
        "VESTIBULE_APP_SLUG": "book",
        "VESTIBULE_APP_KEY": "vst_a_test",
        "VESTIBULE_VIEWER_KEY": KEY.hex(),
        "VESTIBULE_GATEWAY_SECRET": SECRET,
        "VESTIBULE_DATA_SOCKET": str(store.server_address),
        "VESTIBULE_SHELL_URL": "http://shell.test",
        "VESTIBULE_APP_URL": "http://book.localhost:8080",
        "VESTIBULE_ISSUER": ISSUER,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    vestibule_client.reset()
    return store


@pytest.fixture
def guestbook(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The example, imported afresh."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "guestbook"))
    for name in ("main", "pages"):
        sys.modules.pop(name, None)
    import main

    yield main
    for name in ("main", "pages"):
        sys.modules.pop(name, None)
