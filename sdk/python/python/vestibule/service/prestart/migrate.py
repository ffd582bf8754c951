"""Brings an app's tables up to date with alembic, one instance of the service at a time."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from vestibule.service.engine import AsyncDbEngine
from vestibule.service.prestart.find import AnyEngine
from vestibule.service.prestart.wait import reason_of
from vestibule.service.settings.database_url import MEMORY

_POLL = 0.5
_NAME = "vestibule-prestart"
_NUMBER = int.from_bytes(hashlib.sha256(_NAME.encode()).digest()[:8], "big", signed=True)


class CannotMigrate(Exception):
    """The tables could not be brought up to date; the text says why."""


def migrate(engine: AnyEngine, config_file: Path, lock_timeout: float, tell: Callable[[str], None]) -> list[str]:
    """Runs ``alembic upgrade head``.

    A lock keeps other instances waiting that start at the same time.

    Args:
        engine: The app's; it is asked for the lock only, alembic opens connections as the app's ``env.py`` says.
        config_file: The ``alembic.ini``.
        lock_timeout: Seconds to wait for another instance.
        tell: Hears that another instance is at it.

    Returns:
        The revisions that are the newest.

    Raises:
        CannotMigrate: Alembic or its file is missing, a migration failed, or another instance took too long.
    """
    try:
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory
    except ImportError:
        message = "alembic is not installed. Run: pip install alembic"
        raise CannotMigrate(message) from None
    if not config_file.is_file():
        message = f"there is no {config_file}. Name it: --alembic-config FILE"
        raise CannotMigrate(message)
    config = Config(str(config_file))
    try:
        with _alone(engine, lock_timeout, tell):
            command.upgrade(config, "head")
            return list(ScriptDirectory.from_config(config).get_heads())
    except CannotMigrate:
        raise
    except (Exception, SystemExit) as error:
        message = f"{type(error).__name__}: {reason_of(error, engine.address.password)}"
        raise CannotMigrate(message) from error


@contextmanager
def _alone(engine: AnyEngine, timeout: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Holds a lock that only one instance can hold.

    Raises:
        CannotMigrate: Another instance held it for too long.
    """
    with _file_lock(engine.address.database) if engine.address.kind == "Sqlite" else _database_lock(engine) as take:
        deadline = time.monotonic() + timeout
        told = False
        while not take():
            if time.monotonic() >= deadline:
                message = f"another instance has been migrating for more than {timeout:g} s"
                raise CannotMigrate(message)
            if not told:
                tell("another instance is migrating; waiting for it")
                told = True
            time.sleep(_POLL)
        yield


@contextmanager
def _file_lock(database: str) -> Iterator[Callable[[], bool]]:
    """For SQLite, an empty file beside the database's. Locks of the database itself would keep out alembic, too."""
    if sys.platform == "win32" or database == MEMORY:
        # Nobody starts many instances over one file there.
        yield lambda: True
        return
    import fcntl

    # Left where it is: a file that is removed while another instance waits for it is a lock for nobody.
    with Path(f"{database}-migrating").open("ab") as file:

        def take() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        yield take


@contextmanager
def _database_lock(engine: AnyEngine) -> Iterator[Callable[[], bool]]:
    """For servers, a lock that belongs to a connection and ends with it."""
    if engine.address.kind == "Postgres":
        take, give_back = f"SELECT pg_try_advisory_lock({_NUMBER})", f"SELECT pg_advisory_unlock({_NUMBER})"
    else:
        # MySQL's locks are the whole server's, and their names at most 64 characters long.
        name = f"{_NAME}-{hashlib.sha256(engine.address.database.encode()).hexdigest()[:16]}"
        take, give_back = f"SELECT GET_LOCK('{name}', 0)", f"SELECT RELEASE_LOCK('{name}')"
    with _connection(engine) as execute:
        try:
            yield lambda: execute(take) in (1, True)
        finally:
            # It may have been cut off while a long migration ran; then the lock is gone as well.
            with suppress(Exception):
                execute(give_back)


@contextmanager
def _connection(engine: AnyEngine) -> Iterator[Callable[[str], Any]]:
    """A connection of its own outside of any transaction, which would hold up migrations.

    One that is awaited lives in a thread of its own, for alembic's ``env.py`` may run an event loop in this one.
    """
    if not isinstance(engine, AsyncDbEngine):
        with engine.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield lambda statement: connection.exec_driver_sql(statement).scalar()
        return
    with start_blocking_portal() as portal:

        async def open_one() -> Any:
            connection = await engine.engine.connect()
            return await connection.execution_options(isolation_level="AUTOCOMMIT")

        async def execute(statement: str) -> Any:
            return (await awaited.exec_driver_sql(statement)).scalar()

        async def close() -> None:
            with suppress(Exception):
                await awaited.close()
                await engine.dispose()

        awaited = portal.call(open_one)
        try:
            yield lambda statement: portal.call(execute, statement)
        finally:
            portal.call(close)
