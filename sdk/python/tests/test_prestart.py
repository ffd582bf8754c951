"""Pre-start: finds the app, waits for its database, migrates, and never skips silently."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from settings_help import MINIMAL, lonely

import vestibule
from vestibule.service import DbEngine, ServiceSettings, create_async_db_engine, create_db_engine
from vestibule.service.prestart import main
from vestibule.service.prestart.find import CANDIDATES
from vestibule.service.prestart.wait import FIRST_PAUSE, LONGEST_PAUSE, Attempt, reason_of, wait_for

OK, NOT_REACHABLE, NOT_FOUND, NOT_MIGRATED = 0, 1, 2, 3

ENGINE = f"""
from vestibule.service import ServiceSettings, create_db_engine
engine = create_db_engine(ServiceSettings(**{MINIMAL!r}, DATABASE_URL="sqlite:///items.db"))
"""
ASYNC_ENGINE = ENGINE.replace("create_db_engine", "create_async_db_engine")
UNREACHABLE = ENGINE.replace("sqlite:///items.db", "sqlite:////absent/folder/items.db")
APP = """
from types import SimpleNamespace
class App:
    routes = ()
    def __init__(self, engine): self.state = SimpleNamespace(db_engine=engine)
    def __call__(self, scope, receive, send): ...
"""
ALEMBIC = {
    "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n",
    "migrations/script.py.mako": "",
    "migrations/env.py": """
        from alembic import context
        from app.deps import engine
        with engine.engine.connect() as connection:
            context.configure(connection=connection)
            with context.begin_transaction():
                context.run_migrations()
    """,
    "migrations/versions/one.py": """
        from alembic import op
        import sqlalchemy as sa
        revision, down_revision = "0001", None
        def upgrade(): op.create_table("item", sa.Column("id", sa.Integer, primary_key=True))
        def downgrade(): op.drop_table("item")
    """,
}
AWAITED_ENV = """
    import asyncio
    from alembic import context
    from app.deps import engine
    def run(connection):
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
    async def main():
        async with engine.engine.connect() as connection:
            await connection.run_sync(run)
        await engine.dispose()
    asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _lonely(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    lonely(monkeypatch, tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"app", "main", "items_app"}:
            del sys.modules[name]


def write(files: dict[str, str]) -> None:
    """Lays out an app in the folder."""
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))
    for folder in {Path(name).parent for name in files if name.startswith("app/")}:
        for one in (folder, *folder.parents):
            if one != Path():
                (one / "__init__.py").touch()


class TestFinding:
    @pytest.mark.parametrize("place", CANDIDATES)
    @pytest.mark.parametrize("source", [ENGINE, ASYNC_ENGINE])
    def test_the_usual_places_are_looked_at(self, place: str, source: str, capsys: pytest.CaptureFixture[str]) -> None:
        module, _, attribute = place.partition(":")
        content = source if attribute == "engine" else source + APP + "app = App(engine)\n"
        write({module.replace(".", "/") + ".py": content})
        assert main([]) == OK
        said = capsys.readouterr().out
        assert f"found {place}: SQLite at items.db" in said
        assert "SQLite at items.db answers" in said

    def test_the_command_finds_the_app_in_the_working_directory(self) -> None:
        """As the installed script runs: nothing on the path but where the package is."""
        write({"app/core/deps.py": ENGINE})
        environment = {**os.environ, "PYTHONPATH": str(Path(vestibule.__file__).absolute().parent.parent)}
        command = [sys.executable, "-P"] if sys.version_info >= (3, 11) else [sys.executable]
        done = subprocess.run(
            [*command, "-m", "vestibule.service.prestart"], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (OK, "")
        assert "found app.core.deps:engine" in done.stdout

    def test_it_never_skips_silently(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing there to wait for is a failure that lists where it was looked."""
        assert main([]) == NOT_FOUND
        said = capsys.readouterr().err
        for place in CANDIDATES:
            assert place in said
        assert "[tool.vestibule]" in said

    def test_an_app_that_cannot_be_imported_is_a_failure_that_says_why(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write({"app/core/deps.py": "import no_such_package\n"})
        assert main([]) == NOT_FOUND
        assert "No module named 'no_such_package'" in capsys.readouterr().err
        write({"items_app.py": "raise RuntimeError('no luck')\n"})
        assert main(["items_app:engine"]) == NOT_FOUND
        assert "RuntimeError: no luck" in capsys.readouterr().err

    def test_settings_that_are_wrong_are_all_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        write({"app/core/deps.py": "from vestibule.service import ServiceSettings\nServiceSettings()\n"})
        assert main([]) == NOT_FOUND
        said = capsys.readouterr().err
        assert "5 problems in the settings" in said
        assert "PRIVATE_API_SECRET" in said

    @pytest.mark.parametrize("value", ["None", "42", "object()", "print"])
    def test_what_is_no_engine_is_a_failure(self, value: str, capsys: pytest.CaptureFixture[str]) -> None:
        write({"items_app.py": f"engine = {value}\n"})
        assert main(["items_app:engine"]) == NOT_FOUND
        assert "neither an engine nor an app" in capsys.readouterr().err

    @pytest.mark.parametrize("target", ["items_app", ":engine", "items_app:", "items_app:absent", "absent:engine"])
    def test_a_name_that_leads_nowhere_is_a_failure(self, target: str, capsys: pytest.CaptureFixture[str]) -> None:
        write({"items_app.py": ENGINE})
        assert main([target]) == NOT_FOUND
        assert capsys.readouterr().err

    def test_the_argument_beats_the_project_file_which_beats_the_usual_places(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write({"app/core/deps.py": "engine = 1", "items_app.py": ENGINE, "main.py": ENGINE})
        write({"pyproject.toml": '[tool.vestibule]\napp = "items_app:engine"\n'})
        assert main([]) == OK
        assert "found items_app:engine" in capsys.readouterr().out
        assert main(["main:engine"]) == OK
        assert "found main:engine" in capsys.readouterr().out

    @pytest.mark.parametrize("text", ["[tool.vestibule]\napp = 1\n", "[tool.vestibule\n"])
    def test_a_project_file_that_is_wrong_is_a_failure(self, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        write({"pyproject.toml": text, "app/core/deps.py": ENGINE})
        assert main([]) == NOT_FOUND
        assert "pyproject.toml" in capsys.readouterr().err

    def test_an_app_without_a_database_is_fine_only_when_that_is_said(self, capsys: pytest.CaptureFixture[str]) -> None:
        write({"app/main.py": APP + "app = App(None)\n"})
        assert main([]) == NOT_FOUND
        assert "--allow-no-database" in capsys.readouterr().err
        assert main(["--allow-no-database"]) == OK
        assert "without a database" in capsys.readouterr().out
        assert main(["--allow-no-database", "absent:app"]) == NOT_FOUND

    def test_engines_of_sqlalchemy_and_what_wraps_them_do_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        write(
            {
                "items_app.py": """
                    from types import SimpleNamespace
                    from sqlalchemy import create_engine
                    from sqlalchemy.ext.asyncio import create_async_engine
                    plain = create_engine("sqlite:///items.db")
                    awaited = create_async_engine("sqlite+aiosqlite:///items.db")
                    wrapped = SimpleNamespace(engine=plain)
                    def make(): return plain
                """
            }
        )
        for name in ("plain", "awaited", "wrapped", "make()"):
            assert main([f"items_app:{name}"]) == OK
        assert "SQLite at items.db answers" in capsys.readouterr().out

    def test_a_real_app_is_found_with_its_engine(self, capsys: pytest.CaptureFixture[str]) -> None:
        write(
            {
                "app/main.py": f"""
                    from fastapi import APIRouter
                    from vestibule.service import AppLifecycle, ServiceSettings, create_app, create_db_engine
                    settings = ServiceSettings(**{MINIMAL!r}, DATABASE_URL="sqlite:///items.db")
                    engine = create_db_engine(settings)
                    app = create_app(settings, APIRouter(), lifecycle=AppLifecycle(db_engine=engine))
                """
            }
        )
        assert main(["--json"]) == OK
        steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [step["step"] for step in steps] == ["find", "wait"]
        assert steps[0]["where"] == "app.main:app"
        assert [place.partition(" ")[0] for place in steps[0]["passed_over"]] == list(CANDIDATES[:2])


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Stubborn(DbEngine[Any]):
    """Refuses so many times before it answers."""

    def __init__(self, refusals: int) -> None:
        real = create_db_engine(ServiceSettings(**MINIMAL, DATABASE_URL="postgresql://me:s3cr3t@db/items"))
        super().__init__(real.engine, real.address, real._session_class)
        self.refusals = refusals

    def ping(self, *, timeout: float = 1.0) -> None:
        assert timeout > 0
        if self.refusals:
            self.refusals -= 1
            message = "connection to db refused,\n  password s3cr3t"
            raise OSError(message)


class TestWaiting:
    def test_it_gives_up_when_time_is_up_and_asks_a_last_time_then(self) -> None:
        clock, told = Clock(), list[Attempt]()
        assert wait_for(Stubborn(10_000), 60.0, told.append, clock=clock, sleep=clock.sleep) is None
        assert clock.now == pytest.approx(60.0)
        assert clock.slept[0] == FIRST_PAUSE
        assert max(clock.slept) == LONGEST_PAUSE
        assert told[-1].pause is None

    def test_it_gives_up_after_a_minute_by_default_not_after_25(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(["--help"])
        assert "how long to wait (60)" in capsys.readouterr().out

    def test_it_goes_on_as_soon_as_the_database_answers(self) -> None:
        clock, told = Clock(), list[Attempt]()
        assert wait_for(Stubborn(3), 60.0, told.append, clock=clock, sleep=clock.sleep) == 4
        assert clock.slept == [0.1, 0.2, 0.4]
        assert [attempt.number for attempt in told] == [1, 2, 3]
        assert "s3cr3t" not in told[0].reason
        assert "\n" not in told[0].reason

    def test_without_time_it_asks_once(self) -> None:
        clock, told = Clock(), list[Attempt]()
        assert wait_for(Stubborn(1), 0.0, told.append, clock=clock, sleep=clock.sleep) is None
        assert wait_for(Stubborn(0), 0.0, told.append, clock=clock, sleep=clock.sleep) == 1
        assert clock.slept == []

    @pytest.mark.parametrize("source", [UNREACHABLE, UNREACHABLE.replace("create_db_engine", "create_async_db_engine")])
    def test_a_database_that_does_not_answer_is_told_and_exits_with_one(
        self, source: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write({"app/deps.py": source})
        assert main(["--timeout", "0"]) == NOT_REACHABLE
        said = capsys.readouterr().err
        assert "unable to open database file" in said
        assert "did not answer within 0 s" in said
        assert main(["--timeout", "0", "--json"]) == NOT_REACHABLE
        steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(step["step"], step["ok"]) for step in steps] == [("find", True), ("wait", False), ("wait", False)]

    def test_a_mistake_that_no_waiting_mends_is_told_at_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        write({"app/deps.py": ENGINE + "engine.ping = lambda timeout: 1 / 0\n"})
        assert main([]) == NOT_REACHABLE
        assert "could not be asked: ZeroDivisionError" in capsys.readouterr().err

    def test_the_same_answer_is_not_repeated(self, capsys: pytest.CaptureFixture[str]) -> None:
        write({"app/deps.py": UNREACHABLE})
        assert main(["--timeout", "0.2"]) == NOT_REACHABLE
        said = capsys.readouterr().err
        assert said.count("unable to open") == 1
        assert "attempt 2: the same" in said

    @pytest.mark.parametrize("text", ["-1", "inf", "nan", "soon"])
    def test_a_time_that_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(SystemExit) as ended:
            main([f"--timeout={text}"])
        assert ended.value.code == NOT_FOUND

    def test_what_is_said_of_a_silent_database(self) -> None:
        assert reason_of(TimeoutError(), None) == "no answer in time"
        assert reason_of(ValueError(), None) == "ValueError"


class TestMigrating:
    @pytest.mark.parametrize(
        ("source", "env"), [(ENGINE, ALEMBIC["migrations/env.py"]), (ASYNC_ENGINE, AWAITED_ENV)], ids=["def", "async"]
    )
    def test_tables_are_brought_up_to_date_once_the_database_answers(
        self, source: str, env: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write({"app/deps.py": source, **ALEMBIC, "migrations/env.py": env})
        assert main(["--migrate"]) == OK
        assert "migrated to 0001" in capsys.readouterr().out
        with closing(sqlite3.connect("items.db")) as connection:
            assert connection.execute("SELECT count(*) FROM item").fetchone() == (0,)
        assert main(["--migrate"]) == OK

    def test_migrations_that_fail_are_told_and_exit_with_three(self, capsys: pytest.CaptureFixture[str]) -> None:
        broken = ALEMBIC["migrations/versions/one.py"].replace("op.create_table", "op.no_such_thing")
        write({"app/deps.py": ENGINE, **ALEMBIC, "migrations/versions/one.py": broken})
        assert main(["--migrate"]) == NOT_MIGRATED
        assert "no_such_thing" in capsys.readouterr().err

    def test_without_alembics_file_it_says_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        write({"app/deps.py": ENGINE})
        assert main(["--migrate"]) == NOT_MIGRATED
        assert "--alembic-config" in capsys.readouterr().err

    def test_without_alembic_it_says_how_to_install_it(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write({"app/deps.py": ENGINE, **ALEMBIC})
        monkeypatch.setitem(sys.modules, "alembic", None)
        assert main(["--migrate"]) == NOT_MIGRATED
        assert "pip install alembic" in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["PostgreSQL", "MariaDB", "SQLite"])
    @pytest.mark.parametrize("awaited", [False, True], ids=["def", "async"])
    def test_one_instance_migrates_and_the_others_wait(self, name: str, awaited: bool) -> None:
        variable = {"PostgreSQL": "VESTIBULE_TEST_POSTGRES", "MariaDB": "VESTIBULE_TEST_MARIADB"}.get(name, "")
        url = os.environ.get(variable) if variable else "sqlite:///items.db"
        if not url:
            pytest.skip(f"needs a {name} server: set {variable} to its URL")
        from vestibule.service.prestart.migrate import CannotMigrate, _alone

        settings = ServiceSettings(**MINIMAL, DATABASE_URL=url)
        engine = create_async_db_engine(settings) if awaited else create_db_engine(settings)
        other = create_db_engine(settings)
        told: list[str] = []
        with _alone(engine, 0, told.append):
            assert told == []
            with pytest.raises(CannotMigrate, match="more than 0 s"), _alone(other, 0, told.append):
                pass
        with _alone(other, 0, told.append):
            pass
        other.dispose()
        if isinstance(engine, DbEngine):
            engine.dispose()
