"""What can be done, and what can't yet under these names."""

from __future__ import annotations

from typing import Any, NoReturn

CAPABILITIES: dict[str, bool] = {
    "async": False,
    "plugin_system": False,
    "trace_context": False,
    "db_optional": True,
    "health_detail_gating": True,
}


def capabilities() -> dict[str, bool]:
    """What can be done, as a copy."""
    return dict(CAPABILITIES)


def create_async_app(*args: Any, **kwargs: Any) -> NoReturn:
    """Code that asks for it is told that it has to wait, as ever; `vestibule.service.create_async_app` is real.

    Raises:
        NotImplementedError: Always.
    """
    raise NotImplementedError(
        "create_async_app was announced for v2.0.0 of fastapi-m8; ask CAPABILITIES['async'] first, "
        "or use vestibule.service.create_async_app"
    )
