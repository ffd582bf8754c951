"""What is in the distribution, and what it asks for."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import auth_sdk_m8
import fastapi_m8

ROOT = Path(__file__).parents[1]
NAMES = """
create_app HealthConfig AppLifecycle build_auth_deps AuthDeps create_db_engine DbEngine ConsumerServiceSettings
HealthStatus HealthAggregatePolicy HealthCheckResult HealthCheck create_async_app CAPABILITIES capabilities
COMPAT_MATRIX __version__
"""


def test_every_name_is_there() -> None:
    assert set(fastapi_m8.__all__) == set(NAMES.split())
    assert (fastapi_m8.__version__, auth_sdk_m8.__version__) == ("1.3.0", "1.1.0")


def test_create_async_app_is_announced_as_ever() -> None:
    with pytest.raises(NotImplementedError, match=re.escape("CAPABILITIES['async']")):
        fastapi_m8.create_async_app()


@pytest.mark.parametrize("package", [auth_sdk_m8, fastapi_m8])
def test_every_module_can_be_imported(package: object) -> None:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):  # type: ignore[attr-defined]
        importlib.import_module(module.name)


def test_it_depends_on_exactly_the_version_that_it_was_made_with() -> None:
    if sys.version_info < (3, 11):
        pytest.skip("reading TOML needs Python 3.11")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == [f"vestibule=={project['version']}"]
    ranges = [wanted for extra in project["optional-dependencies"].values() for wanted in extra]
    assert [wanted for wanted in ranges if "<" not in wanted] == [
        "vestibule-dropin[db,mysql,postgres,redis,metrics]",
    ]


def test_a_status_is_its_value_in_texts() -> None:
    status, policy = fastapi_m8.HealthStatus.OK, fastapi_m8.HealthAggregatePolicy.STRICT
    assert (str(status), f"{policy}") == ("ok", "strict")
