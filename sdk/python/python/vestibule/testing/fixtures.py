"""Fixtures for pytest; name them in a `conftest.py`: `pytest_plugins = ["vestibule.testing.fixtures"]`."""

from __future__ import annotations

import pytest

from vestibule.testing.clock import Clock
from vestibule.testing.issuer import Issuer


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves; the fixture `issuer` goes by it."""
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> Issuer:
    """An issuer in memory."""
    return Issuer(clock=clock)
