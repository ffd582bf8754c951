"""Engines over SQLite, which is always there, and what they do before any database is reached."""

# Without postponed annotations: FastAPI reads those of the routes below, which name values of their functions.

import asyncio
import builtins
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import sqlmodel
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from settings_help import MINIMAL, lonely
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlmodel.ext.asyncio.session import AsyncSession as SqlmodelAsyncSession

import vestibule
from vestibule.errors import ConfigurationError
from vestibule.service import AsyncDbEngine, DbEngine, ServiceSettings, create_async_db_engine, create_db_engine

TABLES = (
    "CREATE TABLE shelf (id INTEGER PRIMARY KEY)",
    "CREATE TABLE item (id INTEGER PRIMARY KEY, shelf INTEGER NOT NULL REFERENCES shelf(id))",
)


@pytest.fixture(autouse=True)
def _lonely(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lonely(monkeypatch, tmp_path)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # SQLAlchemy knows no other


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return ServiceSettings(**MINIMAL, SELECTED_DB="Sqlite", DB_DATABASE=str(tmp_path / "items.db"))


def prepare(engine: DbEngine[Any]) -> None:
    """Makes the tables."""
    with engine.session() as session:
        for statement in TABLES:
            session.execute(text(statement))
        session.commit()


class TestSqlite:
    def test_sessions_keep_what_was_committed_and_forget_the_rest(self, settings: ServiceSettings) -> None:
        engine = create_db_engine(settings)
        prepare(engine)
        with engine.session() as session:
            session.execute(text("INSERT INTO shelf VALUES (1)"))
            session.commit()
            session.execute(text("INSERT INTO shelf VALUES (2)"))
        with suppress(ZeroDivisionError), engine.session() as session:
            session.execute(text("INSERT INTO shelf VALUES (3)"))
            raise ZeroDivisionError
        with engine.session() as session:
            assert session.scalars(text("SELECT id FROM shelf")).all() == [1]
        engine.dispose()

    def test_foreign_keys_hold_and_readers_do_not_wait_for_the_writer(self, settings: ServiceSettings) -> None:
        engine = create_db_engine(settings)
        prepare(engine)
        with engine.session() as session, pytest.raises(IntegrityError):
            session.execute(text("INSERT INTO item VALUES (1, 99)"))
        with engine.session() as writer, engine.session() as reader:
            writer.execute(text("INSERT INTO shelf VALUES (1)"))
            assert reader.scalar(text("SELECT count(*) FROM shelf")) == 0
            assert reader.scalar(text("PRAGMA journal_mode")) == "wal"
            assert reader.scalar(text("PRAGMA busy_timeout")) == 5000
        engine.dispose()

    def test_a_database_in_memory_is_one_for_all_threads(self) -> None:
        settings = ServiceSettings(**MINIMAL, DATABASE_URL="sqlite://")
        engine = create_db_engine(settings)
        prepare(engine)
        counted: list[Any] = []

        def count() -> None:
            with engine.session() as session:
                counted.append(session.scalar(text("SELECT count(*) FROM shelf")))

        thread = threading.Thread(target=count)
        thread.start()
        thread.join()
        assert counted == [0]
        engine.dispose()

    @pytest.mark.anyio
    async def test_the_engine_that_is_awaited_does_the_same(self, settings: ServiceSettings) -> None:
        blocking = create_db_engine(settings)
        prepare(blocking)
        blocking.dispose()
        engine = create_async_db_engine(settings)
        async with engine.session() as session:
            await session.execute(text("INSERT INTO shelf VALUES (1)"))
            await session.commit()
            await session.execute(text("INSERT INTO shelf VALUES (2)"))
        with suppress(ZeroDivisionError):
            async with engine.session() as session:
                await session.execute(text("INSERT INTO shelf VALUES (3)"))
                raise ZeroDivisionError
        async with engine.session() as session:
            assert (await session.scalars(text("SELECT id FROM shelf"))).all() == [1]
            with pytest.raises(IntegrityError):
                await session.execute(text("INSERT INTO item VALUES (1, 99)"))
            await session.rollback()
            assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
        await engine.ping()
        await engine.dispose()

    @pytest.mark.anyio
    async def test_an_awaited_database_in_memory_is_one_for_all_sessions(self) -> None:
        engine = create_async_db_engine(ServiceSettings(**MINIMAL, DATABASE_URL="sqlite://"))
        async with engine.session() as session:
            await session.execute(text(TABLES[0]))
            await session.commit()
        async with engine.session() as session:
            assert await session.scalar(text("SELECT count(*) FROM shelf")) == 0
        await engine.dispose()

    def test_an_awaited_database_in_memory_outlives_its_event_loop(self) -> None:
        engine = create_async_db_engine(ServiceSettings(**MINIMAL, DATABASE_URL="sqlite://"))

        async def prepare_it() -> None:
            async with engine.session() as session:
                await session.execute(text(TABLES[0]))
                await session.commit()

        async def count_and_close() -> Any:
            async with engine.session() as session:
                counted = await session.scalar(text("SELECT count(*) FROM shelf"))
            await engine.dispose()
            return counted

        asyncio.run(prepare_it())
        assert asyncio.run(count_and_close()) == 0


class TestInRoutes:
    def test_a_session_is_a_dependency_and_an_error_rolls_back(self, settings: ServiceSettings) -> None:
        engine = create_db_engine(settings)
        prepare(engine)
        app = FastAPI()

        @app.post("/shelves/{number}")
        def add(number: int, session: Annotated[Session, Depends(engine.session_dep)]) -> int:
            session.execute(text("INSERT INTO shelf VALUES (:number)"), {"number": number})
            if number > 9:
                raise HTTPException(409, "too many")
            session.commit()
            return number

        client = TestClient(app)
        assert client.post("/shelves/1").json() == 1
        assert client.post("/shelves/10").status_code == 409
        with engine.session() as session:
            assert session.scalars(text("SELECT id FROM shelf")).all() == [1]
        assert engine.engine.pool.status().endswith("Current Checked out connections: 0")
        engine.dispose()

    def test_an_awaited_session_is_a_dependency_too(self, settings: ServiceSettings) -> None:
        blocking = create_db_engine(settings)
        prepare(blocking)
        engine = create_async_db_engine(settings)
        app = FastAPI()

        @app.post("/shelves/{number}")
        async def add(number: int, session: Annotated[AsyncSession, Depends(engine.session_dep)]) -> int:
            await session.execute(text("INSERT INTO shelf VALUES (:number)"), {"number": number})
            if number > 9:
                raise HTTPException(409, "too many")
            await session.commit()
            return number

        with TestClient(app) as client:
            assert client.post("/shelves/1").json() == 1
            assert client.post("/shelves/10").status_code == 409
            assert client.portal is not None
            client.portal.call(engine.dispose)
        with blocking.session() as session:
            assert session.scalars(text("SELECT id FROM shelf")).all() == [1]
        blocking.dispose()

    @pytest.mark.anyio
    async def test_sessions_are_sqlmodels_when_asked_for(self, settings: ServiceSettings) -> None:
        engine = create_db_engine(settings, session_class=sqlmodel.Session)
        prepare(engine)
        with engine.session() as session:
            assert session.exec(sqlmodel.text("SELECT count(*) FROM shelf")).one() == (0,)  # type: ignore[call-overload]
        engine.dispose()
        awaited = create_async_db_engine(settings, session_class=SqlmodelAsyncSession)
        async with awaited.session() as session:
            assert isinstance(session, SqlmodelAsyncSession)
        await awaited.dispose()


class TestPing:
    def test_a_database_that_answers(self, settings: ServiceSettings) -> None:
        engine = create_db_engine(settings)
        engine.ping()
        engine.dispose()

    def test_a_database_that_refuses_is_told_as_it_said(self, tmp_path: Path) -> None:
        nowhere = ServiceSettings(**MINIMAL, SELECTED_DB="Sqlite", DB_DATABASE=str(tmp_path / "no" / "items.db"))
        with pytest.raises(OperationalError, match="unable to open"):
            create_db_engine(nowhere).ping()

    def test_a_silent_database_holds_one_thread_however_many_ask(self, settings: ServiceSettings) -> None:
        engine = create_db_engine(settings)
        answer = threading.Event()
        connect = engine.engine.connect

        def silent() -> Any:
            answer.wait()
            return connect()

        engine.engine.connect = silent  # type: ignore[method-assign]
        for _ in range(3):
            with pytest.raises(TimeoutError, match="no answer"):
                engine.ping(timeout=0.01)
        assert sum(thread.name == "vestibule-ping" for thread in threading.enumerate()) == 1
        answer.set()
        engine.ping()
        engine.dispose()


class TestOptions:
    def test_pool_options_come_from_arguments_then_settings_then_defaults(self) -> None:
        url = "postgresql://me:x@db/items"
        settings = ServiceSettings(**MINIMAL, DATABASE_URL=url, DB_POOL_SIZE=7, DB_POOL_RECYCLE=60, DB_PRE_PING=False)
        pool: Any = create_db_engine(settings, pool_recycle=90, pool_timeout=3).engine.pool
        assert (pool.size(), pool._max_overflow, pool._recycle, pool._timeout) == (7, 10, 90, 3)
        assert pool._pre_ping is False
        defaults: Any = create_async_db_engine(ServiceSettings(**MINIMAL, DATABASE_URL=url)).engine.pool
        assert (defaults.size(), defaults._max_overflow, defaults._recycle) == (5, 10, 1800)
        assert defaults._pre_ping is True

    @pytest.mark.parametrize(
        ("url", "blocking", "awaited"),
        [
            ("postgresql://me:x@db/items", "psycopg", "psycopg"),
            ("mysql://me:x@db/items", "pymysql", "asyncmy"),
            ("mariadb://me:x@db/items", "pymysql", "asyncmy"),
            ("sqlite:///items.db", "pysqlite", "aiosqlite"),
        ],
    )
    def test_each_database_has_a_driver_for_both_ways(self, url: str, blocking: str, awaited: str) -> None:
        settings = ServiceSettings(**MINIMAL, DATABASE_URL=url)
        assert create_db_engine(settings).engine.driver == blocking
        engine = create_async_db_engine(settings)
        assert engine.engine.driver == awaited
        assert (engine.is_async, create_db_engine(settings).is_async) == (True, False)

    def test_the_password_is_in_no_representation(self) -> None:
        settings = ServiceSettings(**MINIMAL, DATABASE_URL="postgresql://me:s3cr3t@db/items")
        for engine in (create_db_engine(settings), create_async_db_engine(settings)):
            shown = f"{engine!r} {engine} {engine.address!r} {engine.engine!r} {engine.engine.url}"
            assert "s3cr3t" not in shown
            assert "PostgreSQL at db:5432/items" in shown

    def test_the_charset_of_the_settings_is_used(self) -> None:
        settings = ServiceSettings(**MINIMAL, DATABASE_URL="mysql://me:x@db/items", DB_CHARSET="latin1")
        assert create_db_engine(settings).engine.url.query == {"charset": "latin1"}
        named = ServiceSettings(**MINIMAL, DATABASE_URL="mysql://me:x@db/items?charset=utf8mb4", DB_CHARSET="latin1")
        assert create_db_engine(named).engine.url.query == {"charset": "utf8mb4"}

    def test_settings_of_another_class_do_too(self) -> None:
        foreign = SimpleNamespace(
            SELECTED_DB="Postgres", DB_HOST="db", DB_PORT=5433, DB_DATABASE="items", DB_USER="me", DB_PASSWORD="x"
        )
        assert str(create_db_engine(foreign).address) == "PostgreSQL at db:5433/items"

    def test_settings_without_a_database_are_a_clear_error(self) -> None:
        for create in (create_db_engine, create_async_db_engine):
            with pytest.raises(ConfigurationError, match="name no database"):
                create(ServiceSettings(**MINIMAL))
        foreign = SimpleNamespace(DATABASE_URL="redis://me:s3cr3t@x")
        with pytest.raises(ConfigurationError, match="begins with none of") as refused:
            create_db_engine(foreign)
        assert "s3cr3t" not in str(refused.value)

    @pytest.mark.parametrize(
        ("module", "url", "extra"),
        [
            ("sqlalchemy", "postgresql://me:s3cr3t@db/items", "postgres"),
            ("psycopg", "postgresql://me:s3cr3t@db/items", "postgres"),
            ("pymysql", "mysql://me:s3cr3t@db/items", "mysql"),
            ("asyncmy", "mariadb://me:s3cr3t@db/items", "mysql"),
            ("aiosqlite", "sqlite:///items.db", "sqlite"),
            ("greenlet", "sqlite:///items.db", "sqlite"),
        ],
    )
    def test_a_driver_that_is_not_installed_names_its_extra(
        self, module: str, url: str, extra: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = ServiceSettings(**MINIMAL, DATABASE_URL=url)
        real = builtins.__import__

        def refuse(name: str, *rest: Any, **more: Any) -> Any:
            if name.partition(".")[0] == module:
                raise ModuleNotFoundError(f"No module named {name!r}", name=module)
            return real(name, *rest, **more)

        for loaded in [one for one in sys.modules if one.partition(".")[0] == module and module != "sqlalchemy"]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.setattr(builtins, "__import__", refuse)
        create: Any = create_db_engine if module in ("sqlalchemy", "psycopg", "pymysql") else create_async_db_engine
        with pytest.raises(ConfigurationError, match=rf"pip install 'vestibule\[{extra}\]'") as refused:
            create(settings)
        assert "s3cr3t" not in str(refused.value)

    def test_a_service_without_a_database_needs_no_sqlalchemy(self) -> None:
        code = "import sys; sys.modules['sqlalchemy'] = None; import vestibule.service"
        path = str(Path(vestibule.__file__).parent.parent)
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


class TestEncryption:
    """What the drivers are told; that servers agree is tried by hand, for it needs a server with certificates."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Path:
        import certifi

        path = tmp_path / "ca.pem"
        path.write_text(Path(certifi.where()).read_text())
        return path

    def arguments(self, engine: DbEngine | AsyncDbEngine) -> dict[str, Any]:
        """What the driver would be given."""
        from vestibule.service.engine_options import PoolOptions, connect_arguments

        return connect_arguments(engine.address, self.settings, PoolOptions(), asynchronous=engine.is_async)

    def test_postgresql_checks_the_certificate_against_the_authority(self, authority: Path) -> None:
        self.settings = ServiceSettings(**MINIMAL, DATABASE_URL="postgresql://me@db/items", DB_TLS_CA=authority)
        told = self.arguments(create_db_engine(self.settings))
        assert told["sslmode"] == "verify-full"
        assert told["sslrootcert"] == str(authority)

    @pytest.mark.parametrize(
        ("mode", "checks_name", "checks_certificate"),
        [(None, True, True), ("verify-full", True, True), ("verify-ca", False, True), ("require", False, False)],
    )
    def test_mysql_checks_what_the_mode_says(
        self, mode: str | None, checks_name: bool, checks_certificate: bool, authority: Path
    ) -> None:
        self.settings = ServiceSettings(
            **MINIMAL, DATABASE_URL="mysql://me@db/items", DB_TLS_CA=authority, DB_TLS_MODE=mode
        )
        context = self.arguments(create_db_engine(self.settings))["ssl"]
        assert context.check_hostname is checks_name
        assert bool(context.verify_mode) is checks_certificate

    def test_without_settings_the_driver_decides(self) -> None:
        self.settings = ServiceSettings(**MINIMAL, DATABASE_URL="mysql://me@db/items")
        assert "ssl" not in self.arguments(create_db_engine(self.settings))

    def test_the_address_itself_may_ask_for_it(self) -> None:
        """As hosting companies hand them out."""
        self.settings = ServiceSettings(**MINIMAL, DATABASE_URL="mysql://me@db/items?ssl-mode=REQUIRED")
        engine = create_db_engine(self.settings)
        assert "ssl" in self.arguments(engine)
        assert "ssl-mode" not in engine.engine.url.query
        self.settings = ServiceSettings(**MINIMAL, DATABASE_URL="postgresql://me@db/items?sslmode=require")
        assert create_db_engine(self.settings).engine.url.query == {"sslmode": "require"}

    def test_the_address_is_not_overruled_by_defaults(self) -> None:
        url = "postgresql://me@db/items?application_name=mine&connect_timeout=30"
        self.settings = ServiceSettings(**MINIMAL, DATABASE_URL=url)
        assert self.arguments(create_db_engine(self.settings)) == {}

    def test_switched_off_it_is_off_for_the_driver_that_would_do_it_by_itself(self) -> None:
        self.settings = ServiceSettings(**MINIMAL, DATABASE_URL="mysql://me@db/items", DB_TLS_MODE="disable")
        assert self.arguments(create_db_engine(self.settings))["ssl_disabled"] is True
        assert "ssl_disabled" not in self.arguments(create_async_db_engine(self.settings))

    def test_files_that_cannot_be_used_are_a_clear_error(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate")
        settings = ServiceSettings(**MINIMAL, DATABASE_URL="mysql://me@db/items", DB_TLS_CA=tmp_path / "ca.pem")
        with pytest.raises(ConfigurationError, match="DB_TLS_CA"):
            create_db_engine(settings)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_opens_connections_of_its_own(settings: ServiceSettings) -> None:
    engine = create_db_engine(settings)
    prepare(engine)
    with engine.session() as session:
        before = session.connection().connection.dbapi_connection
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with engine.session() as session:
            mine = session.connection().connection.dbapi_connection
        os.write(write, b"own" if mine is not before else b"shared")
        os._exit(0)
    os.close(write)
    assert os.read(read, 10) == b"own"
    os.close(read)
    os.waitpid(child, 0)
    with engine.session() as session:
        assert session.connection().connection.dbapi_connection is before
    engine.dispose()
