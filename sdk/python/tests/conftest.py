"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import settings

# No test asserts a time: on a busy machine an example may take as long as it likes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def anyio_backend() -> str:
    """Servers of FastAPI apps run on asyncio; what must run elsewhere, too, says so itself."""
    return "asyncio"
