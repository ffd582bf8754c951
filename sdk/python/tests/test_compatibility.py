"""Versions that can't work are refused with a sentence that says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kit_help import log_of

from vestibule.service.compatibility import TESTED, check_compatibility

GOOD = {"fastapi": "0.115.4", "starlette": "0.41.2", "pydantic": "2.9.2"}


def test_what_is_installed_here_can_work() -> None:
    check_compatibility()


@pytest.mark.parametrize(
    ("package", "found"),
    [("fastapi", "0.114.2"), ("fastapi", "1.0.0"), ("pydantic", "1.10.19"), ("starlette", "2.0"), ("fastapi", None)],
)
def test_what_cannot_work_is_told_with_what_is_needed_and_the_command(package: str, found: str | None) -> None:
    with pytest.raises(RuntimeError) as refused:
        check_compatibility({**GOOD, package: found})
    text = str(refused.value)
    assert f"vestibule requires {package}>=" in text
    assert f"found {found or 'none'}" in text
    assert re.search(rf"pip install '{package}>=[0-9.]+,<[0-9.]+'$", text)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(RuntimeError, match=r"fastapi.*pydantic.*pip install 'fastapi.*' 'pydantic.*'"):
        check_compatibility({**GOOD, "fastapi": "0.1", "pydantic": "1.0"})


def test_what_is_newer_than_the_tests_is_a_warning_only() -> None:
    with log_of() as records:
        check_compatibility({**GOOD, "fastapi": "0.999.1"})
        check_compatibility({**GOOD, "fastapi": ".".join(map(str, TESTED["fastapi"].newest)) + ".7"})
    assert len(records) == 1
    assert "0.999.1" in records[0].getMessage()


def requirements() -> list[str]:
    """What the wheel demands."""
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    [required] = re.findall(r"^dependencies = \[(.*?)\]$", project, re.MULTILINE | re.DOTALL)
    return re.findall(r'"(.*?)"', required)


def test_every_dependency_of_the_wheel_has_an_upper_bound() -> None:
    assert requirements()
    for requirement in requirements():
        assert "<" in requirement, requirement


def test_the_wheel_demands_what_is_checked() -> None:
    for package, versions in TESTED.items():
        least = ".".join(map(str, versions.least))
        below = ".".join(map(str, versions.below))
        [demanded] = [line for line in requirements() if re.match(rf"{package}[^a-z-]", line)]
        assert demanded == f"{package}>={least},<{below}"
