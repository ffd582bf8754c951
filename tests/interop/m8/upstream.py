"""Runs the tests of `fastapi-m8` 1.3.0 and `auth-sdk-m8` 1.1.0, unchanged, on the drop-in's modules.

    python upstream.py [--fastapi-m8 PATH] [--auth-sdk-m8 PATH]

A path is a checkout, or a source distribution as it comes from PyPI; without one that is fetched and held against its
digest. It says how many tests pass and why the others can't, by `dropin/upstream.toml`, and ends with 1 when a test
fails that isn't in it, or one passes that is. The packages themselves must not be installed where it runs.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
import tomllib

# Name and version, and the SHA-256 of the source distribution.
SUITES = {
    "fastapi-m8": ("1.3.0", "9e4d5b7cc4846dad8d092ae290b7205bde803265d78125089d448b09b0d591bc"),
    "auth-sdk-m8": ("1.1.0", "c6cacc499e45c528170048bc856f3960308e86428aa63a7e339e899c367a19fa"),
}
CANNOT = Path(__file__).parent / "dropin" / "upstream.toml"
LONGEST_SECONDS = 600


class Recorder:
    """Keeps what became of each test."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.setdefault(report.nodeid, report.longreprtext.strip().rpartition("\n")[2])
        elif report.when == "call" and report.passed:
            self.passed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed[report.nodeid] = report.longreprtext


def fetch(name: str, folder: Path) -> Path:
    """The source distribution of a package, from PyPI."""
    version, _ = SUITES[name]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--dest", str(folder)]
    subprocess.run(
        [*pip, "--no-deps", "--no-binary", ":all:", f"{name}=={version}"], check=True, timeout=LONGEST_SECONDS
    )
    return folder / f"{name.replace('-', '_')}-{version}.tar.gz"


def unpack(name: str, path: Path | None, folder: Path) -> Path:
    """A folder that holds the tests of a package, and nothing else of it."""
    if path is None or path.is_file():
        path = path or fetch(name, folder)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != SUITES[name][1]:
            raise SystemExit(f"{path} is not the source distribution of {name} {SUITES[name][0]}: SHA-256 {digest}")
        with tarfile.open(path) as archive:
            archive.extractall(folder / "source", filter="data")
        [path] = (folder / "source").iterdir()
    suite = folder / "suite"
    # Without the package beside them, the tests import what is installed.
    shutil.copytree(path / "tests", suite / "tests")
    shutil.copy(path / "pyproject.toml", suite)
    return suite


def run(suite: Path) -> dict[str, Any]:
    """What became of each test of a suite, in an interpreter of its own."""
    result = suite / "result.json"
    command = [sys.executable, __file__, "--inside", str(result)]
    done = subprocess.run(
        command, cwd=suite, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False, env=without_settings()
    )
    if not result.is_file():
        raise SystemExit(done.stdout + done.stderr)
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def without_settings() -> dict[str, str]:
    """The environment without what would be taken for settings of a service."""
    kept = ("PATH", "HOME", "LANG", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ}


def inside(result: str) -> None:
    """Runs the tests of the working directory and writes down what became of them."""
    recorder = Recorder()
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "pythonpath=."]
    pytest.main([*options, "tests"], plugins=[recorder])
    Path(result).write_text(json.dumps({"passed": recorder.passed, "failed": recorder.failed}))


def judge(name: str, found: dict[str, Any], cannot: dict[str, str]) -> bool:
    """Says what became of a suite, and whether that was expected."""
    failed = {test: why for test, why in found["failed"].items() if test.partition("[")[0] not in cannot}
    surprises = [test for test in found["passed"] if test.partition("[")[0] in cannot]
    seen = {test.partition("[")[0] for test in (*found["passed"], *found["failed"])}
    unknown = [test for test in cannot if test not in seen]
    impossible = len(found["failed"]) - len(failed)
    total = len(found["passed"]) + len(found["failed"])
    print(f"{name} {SUITES[name][0]}: {len(found['passed'])} of {total} pass, {len(failed)} fail, {impossible} cannot")
    for test, why in cannot.items():
        print(f"  cannot: {test}: {why}")
    for test, why in failed.items():
        print(f"  FAILS: {test}: {why}")
    for test in surprises:
        print(f"  PASSES, though {CANNOT.name} says that it can't: {test}")
    for test in unknown:
        print(f"  IS NOT THERE: {test}, which {CANNOT.name} names")
    return not (failed or surprises or unknown or not found["passed"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in SUITES:
        parser.add_argument(f"--{name}", type=Path, metavar="PATH")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        inside(arguments.inside)
        return 0
    installed = {found.metadata["Name"].lower().replace("_", "-") for found in importlib.metadata.distributions()}
    if installed & set(SUITES):
        raise SystemExit("the packages themselves are installed here; this would test them")
    cannot = tomllib.loads(CANNOT.read_text())
    good = True
    for name in SUITES:
        with tempfile.TemporaryDirectory() as folder:
            suite = unpack(name, getattr(arguments, name.replace("-", "_")), Path(folder))
            good = judge(name, run(suite), cannot.get(name, {})) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
