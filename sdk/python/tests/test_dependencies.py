"""What the distribution depends on: an open range is how a service breaks on the day somebody else releases."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="reads TOML")


def requirements() -> list[str]:
    """Every requirement, those of extras, too."""
    import tomllib

    project: dict[str, Any] = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    return [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    for requirement in requirements():
        assert re.search(r">=\d", requirement), requirement
        assert re.search(r"<\d", requirement), requirement


def test_the_tests_run_with_versions_inside_the_bounds() -> None:
    packaging = pytest.importorskip("packaging.requirements")
    for text in requirements():
        requirement = packaging.Requirement(text)
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            continue
        assert requirement.specifier.contains(version), f"{text}, but {version} is installed"
