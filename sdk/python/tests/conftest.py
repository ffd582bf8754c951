"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Servers of FastAPI apps run on asyncio; what must run elsewhere, too, says so itself."""
    return "asyncio"
