"""Whether the packages beside ours are ones it was tested with."""

from __future__ import annotations

import importlib.metadata
import logging
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

logger = logging.getLogger("vestibule.service")


class Tested(NamedTuple):
    """A range of versions: from `least` on, below `below`; `newest` is the newest one that the tests have run with."""

    least: tuple[int, ...]
    newest: tuple[int, ...]
    below: tuple[int, ...]


TESTED: Final[Mapping[str, Tested]] = {
    "fastapi": Tested((0, 115, 4), (0, 165), (1,)),
    "starlette": Tested((0, 41), (1, 10), (2,)),
    "pydantic": Tested((2, 9), (2, 14), (3,)),
}


def check_compatibility(
    installed: Mapping[str, str | None] | None = None, tested: Mapping[str, Tested] = TESTED
) -> None:
    """Checks the versions of FastAPI, Starlette and pydantic. A newer one than was tested is a warning in the log.

    Args:
        installed: Versions by package, for tests; looked up otherwise.
        tested: The ranges.

    Raises:
        RuntimeError: Versions that can't work; the text names what was found, what is needed, and the command that
            mends it.
    """
    wrong, remedy = [], []
    for package, versions in tested.items():
        found = _version_of(package) if installed is None else installed.get(package)
        number = _numbers(found or "")
        needed = f"{package}>={_text(versions.least)},<{_text(versions.below)}"
        if not number or not versions.least <= number < versions.below:
            wrong.append(f"vestibule requires {needed}, found {found or 'none'}")
            remedy.append(f"'{needed}'")
        elif number[: len(versions.newest)] > versions.newest:
            logger.warning(
                "%s %s is newer than the newest version vestibule was tested with, %s",
                package,
                found,
                _text(versions.newest),
            )
    if wrong:
        raise RuntimeError(f"{'; '.join(wrong)}. Run: pip install {' '.join(remedy)}")


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return tuple(int(part) for part in release[0].split(".")) if release else ()


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
