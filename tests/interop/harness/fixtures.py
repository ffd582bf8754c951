"""Fixtures: an issuer for the whole run, and further ones with settings of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from harness.issuer import Issuer, StartIssuer

os.environ["NO_PROXY"] = "127.0.0.1,localhost"

_numbers = count()


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Where issuers keep their data. It holds Unix sockets, whose paths are short; pytest's own folders are not."""
    folder = tempfile.mkdtemp(prefix="vst")
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def issuer(folder: Path) -> Iterator[Issuer]:
    """An issuer as it comes: RS256, stateful."""
    issuer = Issuer(folder / "shared").start()
    yield issuer
    issuer.close()


@pytest.fixture
def start_issuer(folder: Path) -> Iterator[StartIssuer]:
    """Starts further issuers, with settings of their own."""
    started: list[Issuer] = []

    def start(**settings: str) -> Issuer:
        named = {f"VESTIBULE_{name.upper()}": value for name, value in settings.items()}
        issuer = Issuer(folder / str(next(_numbers)), named)
        started.append(issuer)
        return issuer.start()

    yield start
    for issuer in started:
        issuer.close()
