"""Waits until the database of the service in this folder answers: `fastapi-m8-prestart`."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import time
from typing import Any

from fastapi_m8._engine import DbEngine

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

MAX_TRIES = 300
WAIT_SECONDS = 5

_MODULE = "app.core.deps"
_PACKAGES = (_MODULE, "app.core", "app", None)


def _wait_for_db(engine: Any) -> None:
    try:
        from sqlalchemy import select
        from sqlmodel import Session
    except ImportError as error:
        logger.error("the database can't be asked: %s; install vestibule-dropin[db]", error)
        sys.exit(1)

    def ask() -> Exception | None:
        try:
            with Session(engine) as session:
                session.exec(select(1))  # type: ignore[call-overload]
        except Exception as error:
            return error
        return None

    for attempt in range(1, MAX_TRIES + 1):
        failure = ask()
        if failure is None:
            logger.info("the database answers")
            return
        if attempt == MAX_TRIES:
            logger.error("the database didn't answer, giving up: %s", failure)
            raise failure
        logger.warning("the database doesn't answer yet (%d of %d): %s", attempt, MAX_TRIES, failure)
        time.sleep(WAIT_SECONDS)


def main() -> None:
    """Finds the engine of the service and waits for it. Without one there is nothing to wait for.

    Raises:
        Exception: The database didn't answer in all that time, or the service can't be imported.
    """
    try:
        module = importlib.import_module(_MODULE)
    except ImportError as error:
        if error.name not in _PACKAGES:
            raise
        logger.info("there is no %s in %s: skipping the wait for a database", _MODULE, os.getcwd())
        return
    engine = getattr(module, "engine", None)
    if not isinstance(engine, DbEngine):
        logger.info("%s.engine is not a DbEngine: skipping the wait for a database", _MODULE)
        return
    _wait_for_db(engine._engine)
    engine.dispose()


def console() -> None:
    """The console script: unlike `python -m` it doesn't look into the working directory by itself."""
    sys.path.insert(0, os.getcwd())
    main()


if __name__ == "__main__":
    main()
