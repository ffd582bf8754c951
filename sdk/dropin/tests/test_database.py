"""The database: connections that died, and waiting for it before the service starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MakeSettings
from sqlalchemy import text
from sqlmodel import create_engine

from fastapi_m8 import DbEngine, create_db_engine
from fastapi_m8.scripts import pre_start

SERVICE = """
from fastapi_m8 import DbEngine
from sqlmodel import create_engine
engine = DbEngine(_engine=create_engine("sqlite://"))
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    # Without the working directory: a console script doesn't look there.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONSAFEPATH": "1",
    }
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_connection_that_died_is_found_before_it_is_handed_out(make_settings: MakeSettings) -> None:
    engine = create_db_engine(make_settings(SELECTED_DB="Postgres"))
    assert engine._engine.pool._pre_ping
    assert engine.is_async is False
    engine.dispose()


def test_a_session_is_rolled_back_unless_it_was_committed(tmp_path: Path) -> None:
    engine = DbEngine(_engine=create_engine(f"sqlite:///{tmp_path}/db"))
    with engine.session() as session:
        session.exec(text("create table items (id int)"))  # type: ignore[call-overload]
        session.commit()
        session.exec(text("insert into items values (1)"))  # type: ignore[call-overload]
    dependency = engine.session_dep()
    assert next(dependency).exec(text("select count(*) from items")).one() == (0,)  # type: ignore[call-overload]
    assert list(dependency) == []
    engine.dispose()


def test_the_console_script_finds_the_service_of_the_working_directory(tmp_path: Path) -> None:
    package = tmp_path / "app" / "core"
    package.mkdir(parents=True)
    (package / "deps.py").write_text(SERVICE)
    done = run(tmp_path, "-c", "from fastapi_m8.scripts.pre_start import console; console()")
    assert done.returncode == 0
    assert "the database answers" in done.stderr


def test_without_a_service_it_says_that_it_skips(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", "from fastapi_m8.scripts.pre_start import console; console()")
    assert done.returncode == 0
    assert f"there is no app.core.deps in {tmp_path}: skipping" in done.stderr


def test_a_service_that_cannot_be_imported_is_an_error_and_not_skipped(tmp_path: Path) -> None:
    package = tmp_path / "app" / "core"
    package.mkdir(parents=True)
    (package / "deps.py").write_text("import a_module_that_is_missing")
    done = run(tmp_path, "-c", "from fastapi_m8.scripts.pre_start import console; console()")
    assert done.returncode == 1
    assert "a_module_that_is_missing" in done.stderr


def test_it_says_that_it_waits_and_gives_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pre_start, "MAX_TRIES", 3)
    monkeypatch.setattr(pre_start, "WAIT_SECONDS", 0)
    with pytest.raises(Exception, match="unable to open"), caplog.at_level("INFO"):
        pre_start._wait_for_db(create_engine("sqlite:////nowhere/at/all"))
    assert "(2 of 3)" in caplog.text
    assert "giving up" in caplog.text
