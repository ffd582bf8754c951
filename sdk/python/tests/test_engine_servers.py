"""Engines over PostgreSQL and MariaDB servers.

They need a server each, named by ``VESTIBULE_TEST_POSTGRES`` and ``VESTIBULE_TEST_MARIADB`` (a URL whose user may do
everything), and say so when they are skipped.
"""

# Without postponed annotations: FastAPI reads those of the routes below, which name values of their functions.

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from settings_help import MINIMAL, lonely
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from vestibule.service import DbEngine, ServiceSettings, create_async_db_engine, create_db_engine
from vestibule.service.settings.database_url import parse_database_url

VARIABLES = {"PostgreSQL": "VESTIBULE_TEST_POSTGRES", "MariaDB": "VESTIBULE_TEST_MARIADB"}


@pytest.fixture(autouse=True)
def _lonely(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lonely(monkeypatch, tmp_path)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # SQLAlchemy knows no other


@dataclass(frozen=True)
class Server:
    """A server under test, with a database that is only this test's."""

    name: str
    url: str
    admin: DbEngine[Session]
    table: str

    def settings(self, **more: Any) -> ServiceSettings:
        return ServiceSettings(**{**MINIMAL, "DATABASE_URL": self.url, **more})

    def cut_off_everybody_else(self) -> None:
        """Ends every other connection at the server's side, as its restart would."""
        with self.admin.session() as session:
            if self.name == "PostgreSQL":
                ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'under-test'"
                session.execute(text(ended))
            else:
                mine = session.scalar(text("SELECT connection_id()"))
                others = session.scalars(text("SELECT id FROM information_schema.processlist WHERE command = 'Sleep'"))
                for other in others.all():
                    if other != mine:
                        with suppress(DBAPIError):
                            session.execute(text(f"KILL {int(other)}"))


@pytest.fixture(params=sorted(VARIABLES))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    variable = VARIABLES[request.param]
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"needs a {request.param} server: set {variable} to its URL")
    admin = create_db_engine(ServiceSettings(**MINIMAL, DATABASE_URL=url), pool_size=1)
    table = f"kept_{threading.get_native_id()}"
    with admin.session() as session:
        charset = " CHARACTER SET utf8mb4" if request.param == "MariaDB" else ""
        session.execute(text(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name VARCHAR(100)){charset}"))
        session.commit()
    try:
        yield Server(request.param, url, admin, table)
    finally:
        with admin.session() as session:
            session.execute(text(f"DROP TABLE {table}"))
            session.commit()
        admin.dispose()


def test_sessions_keep_what_was_committed_and_forget_the_rest(server: Server) -> None:
    engine = create_db_engine(server.settings())
    insert = text(f"INSERT INTO {server.table} VALUES (:id, :name)")
    with engine.session() as session:
        session.execute(insert, {"id": 1, "name": "Zoë \U0001f600"})
        session.commit()
        session.execute(insert, {"id": 2, "name": "forgotten"})
    with suppress(ZeroDivisionError), engine.session() as session:
        session.execute(insert, {"id": 3, "name": "rolled back"})
        raise ZeroDivisionError
    with engine.session() as session:
        assert session.execute(text(f"SELECT id, name FROM {server.table}")).all() == [(1, "Zoë \U0001f600")]
    engine.ping()
    engine.dispose()


@pytest.mark.anyio
async def test_awaited_sessions_do_the_same(server: Server) -> None:
    engine = create_async_db_engine(server.settings())
    insert = text(f"INSERT INTO {server.table} VALUES (:id, :name)")
    async with engine.session() as session:
        await session.execute(insert, {"id": 1, "name": "Zoë \U0001f600"})
        await session.commit()
        await session.execute(insert, {"id": 2, "name": "forgotten"})
    with suppress(ZeroDivisionError):
        async with engine.session() as session:
            await session.execute(insert, {"id": 3, "name": "rolled back"})
            raise ZeroDivisionError
    async with engine.session() as session:
        rows = (await session.execute(text(f"SELECT id, name FROM {server.table}"))).all()
        assert rows == [(1, "Zoë \U0001f600")]
    await engine.ping()
    await engine.dispose()


def test_a_connection_that_died_in_the_pool_is_healed_before_it_is_used(server: Server) -> None:
    engine = create_db_engine(server.settings(PROJECT_NAME="under-test"), pool_size=1)
    engine.ping()
    server.cut_off_everybody_else()
    with engine.session() as session:
        assert session.scalar(text("SELECT 1")) == 1
    engine.dispose()


def test_without_the_ping_before_the_dead_connection_is_handed_out(server: Server) -> None:
    """The attack that the test above defends against: what happens by SQLAlchemy's defaults."""
    engine = create_db_engine(server.settings(PROJECT_NAME="under-test"), pool_size=1, pre_ping=False)
    engine.ping()
    server.cut_off_everybody_else()
    with pytest.raises(DBAPIError), engine.session() as session:
        session.scalar(text("SELECT 1"))
    engine.dispose()


@pytest.mark.anyio
async def test_an_awaited_connection_that_died_is_healed_too(server: Server) -> None:
    engine = create_async_db_engine(server.settings(PROJECT_NAME="under-test"), pool_size=1)
    await engine.ping()
    server.cut_off_everybody_else()
    async with engine.session() as session:
        assert await session.scalar(text("SELECT 1")) == 1
    await engine.dispose()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_awaited_engine_begins_anew_in_another_event_loop(server: Server) -> None:
    """As under a test client that is entered twice, or `asyncio.run` called twice, without disposing in between."""
    engine = create_async_db_engine(server.settings())

    async def number() -> Any:
        async with engine.session() as session:
            return await session.scalar(text("SELECT 1"))

    async def last() -> None:
        await engine.ping()
        await engine.dispose()

    assert [asyncio.run(number()) for _ in range(3)] == [1, 1, 1]
    asyncio.run(last())
    gc.collect()  # what the other loops left behind says so here


def test_a_pool_that_is_used_up_says_so_after_the_time_that_was_set(server: Server) -> None:
    engine = create_db_engine(server.settings(), pool_size=1, max_overflow=0, pool_timeout=0.05)
    with engine.session() as first, engine.session() as second:
        first.execute(text("SELECT 1"))
        with pytest.raises(PoolTimeoutError):
            second.execute(text("SELECT 1"))
    engine.dispose()


def test_a_silent_database_does_not_hold_a_ping(server: Server) -> None:
    engine = create_db_engine(server.settings(), pool_size=1, max_overflow=0)
    with engine.session() as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(TimeoutError):
            engine.ping(timeout=0.05)
    engine.ping()
    engine.dispose()


@pytest.mark.anyio
async def test_a_silent_database_does_not_hold_an_awaited_ping(server: Server) -> None:
    engine = create_async_db_engine(server.settings(), pool_size=1, max_overflow=0)
    async with engine.session() as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(TimeoutError):
            await engine.ping(timeout=0.05)
    await engine.ping()
    await engine.dispose()


@pytest.mark.anyio
async def test_a_request_that_is_cancelled_gives_its_connection_back(server: Server) -> None:
    import anyio

    engine = create_async_db_engine(server.settings(), pool_size=1, max_overflow=0, pool_timeout=5)
    slow = "SELECT pg_sleep(60)" if server.name == "PostgreSQL" else "SELECT sleep(60)"
    with anyio.move_on_after(0.1):
        async with engine.session() as session:
            await session.execute(text(slow))
    await engine.ping()
    await engine.dispose()


def test_a_wrong_password_is_told_without_repeating_it(server: Server) -> None:
    address = parse_database_url(server.url)
    if server.name == "PostgreSQL":
        pytest.skip("the private PostgreSQL server asks for no password")
    settings = ServiceSettings(
        **MINIMAL,
        SELECTED_DB="Mariadb",
        DB_HOST=address.host,
        DB_PORT=address.port,
        DB_DATABASE=address.database,
        DB_USER=address.user,
        DB_PASSWORD="s3cr3t-and-wrong",
    )
    with pytest.raises(OperationalError, match="Access denied") as refused:
        create_db_engine(settings).ping()
    assert "s3cr3t" not in str(refused.value)


def test_a_database_that_is_not_there_is_told(server: Server) -> None:
    address = parse_database_url(server.url)
    url = server.url.replace(f"/{address.database}", "/absent_database", 1)
    with pytest.raises(SQLAlchemyError, match=r"absent_database"):
        create_db_engine(ServiceSettings(**MINIMAL, DATABASE_URL=url)).ping()


def test_routes_that_wait_and_routes_that_block_share_a_server(server: Server) -> None:
    blocking = create_db_engine(server.settings())
    awaited = create_async_db_engine(server.settings())
    app = FastAPI()

    @app.get("/blocking")
    def one(session: Annotated[Session, Depends(blocking.session_dep)]) -> int:
        return int(session.scalar(text("SELECT 1")) or 0)

    @app.get("/awaited")
    async def two(session: Annotated[AsyncSession, Depends(awaited.session_dep)]) -> int:
        return int(await session.scalar(text("SELECT 2")) or 0)

    with TestClient(app) as client:
        assert [client.get("/blocking").json(), client.get("/awaited").json()] == [1, 2]
        assert client.portal is not None
        client.portal.call(awaited.dispose)
    blocking.dispose()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_does_not_speak_over_its_parents_connection(server: Server) -> None:
    engine = create_db_engine(server.settings(), pool_size=1)
    number = "SELECT pg_backend_pid()" if server.name == "PostgreSQL" else "SELECT connection_id()"
    with engine.session() as session:
        mine = session.scalar(text(number))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with engine.session() as session:
            os.write(write, str(session.scalar(text(number))).encode())
        os._exit(0)
    os.close(write)
    assert int(os.read(read, 20)) != mine
    os.close(read)
    os.waitpid(child, 0)
    with engine.session() as session:
        assert session.scalar(text(number)) == mine
    engine.dispose()
