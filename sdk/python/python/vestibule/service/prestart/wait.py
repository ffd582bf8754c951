"""Waits for a database, patiently but not for ever."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from vestibule.service.engine import PING_SECONDS, AsyncDbEngine
from vestibule.service.prestart.find import AnyEngine

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0


@dataclass(frozen=True)
class Attempt:
    """A question to the database that was not answered.

    Attributes:
        number: Which one, from 1.
        reason: What the database or its driver said, on one line, without a password.
        pause: Seconds until the next one; nothing after the last.
    """

    number: int
    reason: str
    pause: float | None


def wait_for(
    engine: AnyEngine,
    timeout: float,
    tell: Callable[[Attempt], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int | None:
    """Asks until the database answers.

    Args:
        engine: What to ask by.
        timeout: Seconds after which it gives up; at least one attempt is made.
        tell: Hears of each attempt that failed.
        clock: Seconds that never go back.
        sleep: Waits so many of them.

    Returns:
        How many attempts it took, or nothing when time was up.

    Raises:
        Exception: Asking went wrong in a way that no waiting mends.
    """
    deadline = clock() + timeout
    pause = FIRST_PAUSE
    number = 0
    while True:
        number += 1
        reason = ask(engine, min(PING_SECONDS, max(1.0, deadline - clock())))
        if reason is None:
            return number
        left = deadline - clock()
        if left <= 0:
            tell(Attempt(number, reason, None))
            return None
        # The last attempt is made when time is up, not a pause before.
        pause_now = min(pause, left)
        tell(Attempt(number, reason, pause_now))
        sleep(pause_now)
        pause = min(pause * 2, LONGEST_PAUSE)


def ask(engine: AnyEngine, timeout: float) -> str | None:
    """One question: nothing when it was answered, else why not.

    What is no trouble of the database or of the way to it, no waiting mends; it is raised.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if isinstance(engine, AsyncDbEngine) and engine.address.kind == "Sqlite":
            # The driver that is awaited leaves a thread behind that outlives the loop, when there is nothing to open.
            with closing(sqlite3.connect(engine.address.database, timeout=timeout)) as connection:
                connection.execute("SELECT 1")
        elif isinstance(engine, AsyncDbEngine):
            asyncio.run(_ask(engine, timeout))
        else:
            engine.ping(timeout=timeout)
    except (OSError, TimeoutError, sqlite3.Error, SQLAlchemyError) as error:
        return reason_of(error, engine.address.password)
    return None


async def _ask(engine: AsyncDbEngine, timeout: float) -> None:
    try:
        await engine.ping(timeout=timeout)
    finally:
        # Connections belong to this event loop, which ends here.
        await engine.dispose()


def reason_of(error: BaseException, password: str | None) -> str:
    """What went wrong, on one line, without a password."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    said = " ".join(str(getattr(error, "orig", None) or error).split()) or type(error).__name__
    return said.replace(password, "**********") if password else said
