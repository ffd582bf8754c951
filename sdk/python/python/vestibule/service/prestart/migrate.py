"""Brings an app's tables up to date with alembic, one instance of the service at a time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from vestibule.service.engine import AsyncDbEngine
from vestibule.service.prestart.find import AnyEngine
from vestibule.service.prestart.wait import reason_of

_POLL = 0.5
_NAME = "vestibule-prestart"
_NUMBER = int.from_bytes(hashlib.sha256(_NAME.encode()).digest()[:8], "big", signed=True)


class CannotMigrate(Exception):
    """The tables could not be brought up to date; the text says why."""


def migrate(engine: AnyEngine, config_file: Path, lock_timeout: float, tell: Callable[[str], None]) -> list[str]:
    """Runs ``alembic upgrade head``.

    On PostgreSQL, MySQL and MariaDB a lock of the database keeps other instances waiting that start at the same time.

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
    with _alone(engine, lock_timeout, tell):
        try:
            command.upgrade(config, "head")
            return list(ScriptDirectory.from_config(config).get_heads())
        except (Exception, SystemExit) as error:
            message = f"{type(error).__name__}: {reason_of(error, engine.address.password)}"
            raise CannotMigrate(message) from error


@contextmanager
def _alone(engine: AnyEngine, timeout: float, tell: Callable[[str], None]) -> Iterator[None]:
    statements = _lock_statements(engine)
    if statements is None:
        yield
        return
    take, give_back = statements
    with ExitStack() as stack:
        execute = stack.enter_context(_connection(engine))
        deadline = time.monotonic() + timeout
        told = False
        while execute(take) not in (1, True):
            if time.monotonic() >= deadline:
                message = f"another instance has been migrating for more than {timeout:g} s"
                raise CannotMigrate(message)
            if not told:
                tell("another instance is migrating; waiting for it")
                told = True
            time.sleep(_POLL)
        try:
            yield
        finally:
            execute(give_back)


def _lock_statements(engine: AnyEngine) -> tuple[str, str] | None:
    if engine.address.kind == "Postgres":
        return f"SELECT pg_try_advisory_lock({_NUMBER})", f"SELECT pg_advisory_unlock({_NUMBER})"
    if engine.address.kind == "Sqlite":
        return None
    # MySQL's locks are the whole server's, and their names at most 64 characters long.
    name = f"{_NAME}-{hashlib.sha256(engine.address.database.encode()).hexdigest()[:16]}"
    return f"SELECT GET_LOCK('{name}', 0)", f"SELECT RELEASE_LOCK('{name}')"


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
            await awaited.close()
            await engine.dispose()

        awaited = portal.call(open_one)
        try:
            yield lambda statement: portal.call(execute, statement)
        finally:
            portal.call(close)
