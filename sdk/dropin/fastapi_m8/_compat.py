"""That the two packages fit together."""

from __future__ import annotations

import importlib.metadata as md
import re
import threading
from typing import Any

import auth_sdk_m8
from fastapi_m8._version import __version__

COMPAT_MATRIX: dict[str, dict[str, str]] = {
    "1.0": {"auth-sdk-m8": ">=0.7.0,<0.8.0"},
    "1.1": {"auth-sdk-m8": ">=0.7.1,<0.8.0"},
    "1.2": {"auth-sdk-m8": ">=1.0.0,<2.0.0"},
    "1.3": {"auth-sdk-m8": ">=1.1.0,<2.0.0"},
}

_COMPAT_STATE: dict[str, Any] = {"checked": False, "auth_version": None}
_lock = threading.Lock()


def _auth_version() -> str:
    """The version of an `auth-sdk-m8` that is installed beside this, whose files would hide ours; else ours."""
    try:
        return md.version("auth-sdk-m8")
    except md.PackageNotFoundError:
        return auth_sdk_m8.__version__


def _fits(version: str, wanted: str) -> bool:
    """Whether `version` is at least the one and below the other of `>=a,<b`."""
    lowest, above = (_numbers(clause) for clause in wanted.split(","))
    return lowest <= _numbers(version) < above


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def _assert_compat() -> None:
    """Looks once a process.

    Raises:
        RuntimeError: They don't fit. It says what to do.
    """
    with _lock:
        if _COMPAT_STATE["checked"]:
            return
        found = _auth_version()
        wanted = COMPAT_MATRIX[".".join(__version__.split(".")[:2])]["auth-sdk-m8"]
        if not _fits(found, wanted):
            raise RuntimeError(
                f"fastapi-m8 {__version__} requires auth-sdk-m8 {wanted}, and {found} is installed; both come with "
                "vestibule-dropin: pip uninstall auth-sdk-m8 fastapi-m8 && pip install --force-reinstall "
                "vestibule-dropin"
            )
        _COMPAT_STATE.update(checked=True, auth_version=found)
