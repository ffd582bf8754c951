"""Fixtures: services on the published packages that trust an issuer, and those with settings of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from consumer import Service, StartService
from harness.issuer import Issuer

pytest_plugins = ["harness.fixtures"]


@pytest.fixture(scope="session")
def service(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that asks the issuer about each token."""
    service = Service(issuer, tmp_path_factory.mktemp("service"), {})
    yield service
    service.stop()


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[StartService]:
    """Starts further services; a setting of `None` is left out."""
    started: list[Service] = []

    def start(issuer: Issuer, program: Path | None = None, **changes: str | None) -> Service:
        service = Service(issuer, tmp_path, changes, program)
        started.append(service)
        return service

    yield start
    for service in started:
        service.stop()
