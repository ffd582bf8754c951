"""The app's database: one engine a process, sessions for requests, a look at whether it is there.

SQLAlchemy and the drivers are imported when an engine is made, so that services without a database need neither.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import os
import threading
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, cast

import anyio
from typing_extensions import TypeVar

from vestibule.errors import ConfigurationError
from vestibule.service.engine_options import EXTRAS, PoolOptions, connect_arguments, database_of, set_pragmas, url_of
from vestibule.service.settings.database_url import MEMORY, DatabaseAddress

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session

SessionT_co = TypeVar("SessionT_co", bound="Session", default="Session", covariant=True)
AsyncSessionT_co = TypeVar("AsyncSessionT_co", bound="AsyncSession", default="AsyncSession", covariant=True)

PING_SECONDS = 5.0


class DbEngine(Generic[SessionT_co]):
    """A database that is spoken to by blocking calls: from ``def`` routes, which FastAPI runs in threads.

    Attributes:
        is_async: Always false.
        address: Where the database is. Shown, it hides the password.
    """

    is_async: Literal[False] = False
    address: DatabaseAddress

    def __init__(self, engine: Engine, address: DatabaseAddress, session_class: type[SessionT_co]) -> None:
        self._engine = engine
        self.address = address
        self._session_class = session_class
        self._probe = _Probe(engine)
        _forget_when_forked(self)

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for what is not offered here."""
        return self._engine

    @contextmanager
    def session(self) -> Iterator[SessionT_co]:
        """A session that is closed at the end. Nothing is committed unless you say so; an error rolls back."""
        with self._session_class(self._engine) as session:
            try:
                yield session
            except BaseException:
                session.rollback()
                raise

    def session_dep(self) -> Iterator[SessionT_co]:
        """The same as a dependency: ``Annotated[Session, Depends(engine.session_dep)]``."""
        with self.session() as session:
            yield session

    def ping(self, *, timeout: float = PING_SECONDS) -> None:
        """Asks the database for the number one.

        However many ask and however long the database is silent, one thread at most waits for it.

        Args:
            timeout: Seconds to wait.

        Raises:
            TimeoutError: There was no answer in time.
            sqlalchemy.exc.SQLAlchemyError: The database refused, or could not be reached.
        """
        self._probe.ask(timeout)

    def dispose(self) -> None:
        """Closes the connections that are not in use. The engine opens new ones when it is used again."""
        self._engine.dispose()

    def _forget_connections(self) -> None:
        self._engine.dispose(close=False)
        self._probe = _Probe(self._engine)

    def __repr__(self) -> str:
        return f"DbEngine({self.address})"


class AsyncDbEngine(Generic[AsyncSessionT_co]):
    """A database that is awaited: for ``async def`` routes.

    It belongs to one event loop at a time, and begins anew in another one: the second test client of a test, for one.

    Attributes:
        is_async: Always true.
        address: Where the database is. Shown, it hides the password.
    """

    is_async: Literal[True] = True
    address: DatabaseAddress

    def __init__(self, engine: AsyncEngine, address: DatabaseAddress, session_class: type[AsyncSessionT_co]) -> None:
        self._engine = engine
        self.address = address
        self._session_class = session_class
        self._loop: asyncio.AbstractEventLoop | None = None
        _forget_when_forked(self)

    @property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy's engine, for what is not offered here."""
        return self._engine

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSessionT_co]:
        """A session that is closed at the end. Nothing is committed unless you say so; an error rolls back.

        What was loaded stays readable after a commit: to load it again would need an ``await``.
        """
        self._settle()
        async with self._session_class(self._engine, expire_on_commit=False) as session:
            try:
                yield session
            except BaseException:
                await session.rollback()
                raise

    async def session_dep(self) -> AsyncIterator[AsyncSessionT_co]:
        """The same as a dependency: ``Annotated[AsyncSession, Depends(engine.session_dep)]``."""
        async with self.session() as session:
            yield session

    async def ping(self, *, timeout: float = PING_SECONDS) -> None:  # noqa: ASYNC109 -- as its blocking brother
        """Asks the database for the number one.

        Args:
            timeout: Seconds to wait.

        Raises:
            TimeoutError: There was no answer in time.
            sqlalchemy.exc.SQLAlchemyError: The database refused, or could not be reached.
        """
        self._settle()
        with anyio.fail_after(timeout):
            async with self._engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")

    async def dispose(self) -> None:
        """Closes the connections that are not in use. The engine opens new ones when it is used again."""
        await self._engine.dispose()

    def _settle(self) -> None:
        """Lets go of connections that were opened in another event loop, where they could only be closed."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # SQLite's run in threads and do not mind; one in memory would be lost.
            if self._loop is not None and self.address.kind != "Sqlite":
                self._forget_connections()
            self._loop = loop

    def _forget_connections(self) -> None:
        self._engine.sync_engine.dispose(close=False)

    def __repr__(self) -> str:
        return f"AsyncDbEngine({self.address})"


class _Probe:
    """One question to a database at a time, asked in a thread that nobody has to wait for to the end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._asked: concurrent.futures.Future[None] | None = None

    def ask(self, timeout: float) -> None:
        with self._lock:
            asked = self._asked
            if asked is None:
                asked = self._asked = concurrent.futures.Future()
                threading.Thread(target=self._run, args=(asked,), name="vestibule-ping", daemon=True).start()
        try:
            asked.result(timeout)
        except concurrent.futures.TimeoutError:
            # In Python 3.10 this is a class of its own.
            message = f"no answer from the database within {timeout:g} s"
            raise TimeoutError(message) from None

    def _run(self, asked: concurrent.futures.Future[None]) -> None:
        trouble: BaseException | None = None
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1")
        except BaseException as error:
            trouble = error
        with self._lock:
            self._asked = None
        if trouble is None:
            asked.set_result(None)
        else:
            asked.set_exception(trouble)


_engines: weakref.WeakSet[DbEngine[Any] | AsyncDbEngine[Any]] = weakref.WeakSet()


def _forget_when_forked(engine: DbEngine[Any] | AsyncDbEngine[Any]) -> None:
    """A child process must not speak over its parent's connections, nor close them."""
    _engines.add(engine)


def _after_fork() -> None:
    for engine in list(_engines):
        engine._forget_connections()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def create_db_engine(
    settings: object,
    *,
    pool_size: int | None = None,
    max_overflow: int | None = None,
    pool_recycle: int | None = None,
    pool_timeout: float | None = None,
    pre_ping: bool | None = None,
    connect_timeout: float | None = None,
    session_class: type[SessionT_co] | None = None,
    connect_args: Mapping[str, Any] | None = None,
    echo: bool = False,
) -> DbEngine[SessionT_co]:
    """Makes the engine for blocking calls: PostgreSQL by psycopg, MySQL and MariaDB by PyMySQL, SQLite.

    No connection is opened yet. What is left out comes from the settings of the same name behind ``DB_``.

    Args:
        settings: A :class:`~vestibule.service.ServiceSettings`, or an object with such attributes.
        pool_size: Connections that are kept open.
        max_overflow: More that may be opened; -1 for no limit.
        pool_recycle: Seconds after which a connection is replaced; -1 for never.
        pool_timeout: Seconds a request waits for a connection.
        pre_ping: Tries a connection before it is used, so that a restart of the database fails no request.
        connect_timeout: Seconds a new connection may take.
        session_class: What sessions are made of, such as ``sqlmodel.Session``. SQLAlchemy's own by default.
        connect_args: For the driver, over what the settings say.
        echo: Logs every statement, with its values.

    Raises:
        ConfigurationError: The settings name no database, or its driver is not installed.
    """
    address = database_of(settings)
    options = PoolOptions.of(
        settings,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_recycle=pool_recycle,
        pool_timeout=pool_timeout,
        pre_ping=pre_ping,
        connect_timeout=connect_timeout,
    )
    arguments = {**connect_arguments(address, settings, options, asynchronous=False), **(connect_args or {})}
    try:
        from sqlalchemy import create_engine
        from sqlalchemy.orm import Session

        engine = create_engine(
            url_of(address, settings, asynchronous=False),
            connect_args=arguments,
            echo=echo,
            **_pool(address, options, asynchronous=False),
        )
    except ImportError as error:
        _driver_is_missing(address, error)
    if address.kind == "Sqlite":
        set_pragmas(engine, address)
    return DbEngine(engine, address, session_class or cast("type[SessionT_co]", Session))


def create_async_db_engine(
    settings: object,
    *,
    pool_size: int | None = None,
    max_overflow: int | None = None,
    pool_recycle: int | None = None,
    pool_timeout: float | None = None,
    pre_ping: bool | None = None,
    connect_timeout: float | None = None,
    session_class: type[AsyncSessionT_co] | None = None,
    connect_args: Mapping[str, Any] | None = None,
    echo: bool = False,
) -> AsyncDbEngine[AsyncSessionT_co]:
    """Makes the engine that is awaited: PostgreSQL by psycopg, MySQL and MariaDB by asyncmy, SQLite by aiosqlite.

    No connection is opened yet. What is left out comes from the settings of the same name behind ``DB_``.

    Args:
        settings: A :class:`~vestibule.service.ServiceSettings`, or an object with such attributes.
        pool_size: Connections that are kept open.
        max_overflow: More that may be opened; -1 for no limit.
        pool_recycle: Seconds after which a connection is replaced; -1 for never.
        pool_timeout: Seconds a request waits for a connection.
        pre_ping: Tries a connection before it is used, so that a restart of the database fails no request.
        connect_timeout: Seconds a new connection may take.
        session_class: What sessions are made of, such as ``sqlmodel.ext.asyncio.session.AsyncSession``.
        connect_args: For the driver, over what the settings say.
        echo: Logs every statement, with its values.

    Raises:
        ConfigurationError: The settings name no database, or its driver is not installed.
    """
    address = database_of(settings)
    options = PoolOptions.of(
        settings,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_recycle=pool_recycle,
        pool_timeout=pool_timeout,
        pre_ping=pre_ping,
        connect_timeout=connect_timeout,
    )
    arguments = {**connect_arguments(address, settings, options, asynchronous=True), **(connect_args or {})}
    try:
        importlib.import_module("greenlet")  # SQLAlchemy would miss it only at the first statement
        from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

        engine = create_async_engine(
            url_of(address, settings, asynchronous=True),
            connect_args=arguments,
            echo=echo,
            **_pool(address, options, asynchronous=True),
        )
    except ImportError as error:
        _driver_is_missing(address, error)
    if address.kind == "Sqlite":
        set_pragmas(engine.sync_engine, address)
    return AsyncDbEngine(engine, address, session_class or cast("type[AsyncSessionT_co]", AsyncSession))


def _pool(address: DatabaseAddress, options: PoolOptions, *, asynchronous: bool) -> dict[str, Any]:
    from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool, StaticPool

    if address.kind == "Sqlite" and address.database == MEMORY:
        # A database in memory is its one connection.
        return {"poolclass": StaticPool}
    return {
        # Named, for not every version keeps connections to SQLite by itself.
        "poolclass": AsyncAdaptedQueuePool if asynchronous else QueuePool,
        "pool_size": options.pool_size,
        "max_overflow": options.max_overflow,
        "pool_recycle": options.pool_recycle,
        "pool_timeout": options.pool_timeout,
        "pool_pre_ping": options.pre_ping,
    }


def _driver_is_missing(address: DatabaseAddress, error: ImportError) -> NoReturn:
    missing = f" ({error.name} is missing)" if error.name else ""
    extra = EXTRAS[address.kind]
    message = f"The driver for {address} is not installed{missing}. Run: pip install 'vestibule[{extra}]'"
    raise ConfigurationError(message) from error
