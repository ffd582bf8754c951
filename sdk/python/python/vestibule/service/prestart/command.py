"""The command: its arguments, its steps, what it says about each, and its exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vestibule.service.engine import AsyncDbEngine
from vestibule.service.prestart.find import CANDIDATES, AnyEngine, CannotFind, NoDatabase, find_engine
from vestibule.service.prestart.migrate import CannotMigrate, migrate
from vestibule.service.prestart.wait import Attempt, reason_of, wait_for

OK = 0
NOT_REACHABLE = 1
NOT_FOUND = 2
NOT_MIGRATED = 3

_EPILOG = """\
exit codes: 0 the database answers (and is migrated), 1 it does not, 2 the app or its engine was not found or could
not be imported, 3 the migrations failed
"""


class _Steps:
    """Says what was done: a line for people, or a JSON object a line for programs."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def tell(self, step: str, text: str, *, ok: bool = True, **details: Any) -> None:
        if self._as_json:
            print(json.dumps({"step": step, "ok": ok, "text": text, **details}), flush=True)  # noqa: T201
        else:
            print(f"vestibule-prestart: {text}", file=sys.stdout if ok else sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: Without the program's name; those of the process otherwise.

    Returns:
        The exit code.
    """
    options = _parse(arguments)
    steps = _Steps(as_json=options.json)
    folder = Path(options.app_dir).resolve()
    try:
        found = find_engine(options.target, folder)
    except NoDatabase as error:
        if options.allow_no_database:
            steps.tell("find", f"{error}; nothing to wait for")
            return OK
        steps.tell("find", f"{error}. If that is meant: --allow-no-database", ok=False)
        return NOT_FOUND
    except CannotFind as error:
        steps.tell("find", str(error), ok=False)
        return NOT_FOUND
    address = str(found.engine.address)
    steps.tell("find", f"found {found.where}: {address}", where=found.where, passed_over=found.passed_over)
    try:
        return _wait_and_migrate(found.engine, options, folder, steps)
    finally:
        # One that is awaited was disposed of by whoever used it, in the event loop that did.
        if not isinstance(found.engine, AsyncDbEngine):
            found.engine.dispose()


def _wait_and_migrate(engine: AnyEngine, options: argparse.Namespace, folder: Path, steps: _Steps) -> int:
    before = ""

    def failed(attempt: Attempt) -> None:
        nonlocal before
        said = "the same" if attempt.reason == before else attempt.reason
        before = attempt.reason
        again = "" if attempt.pause is None else f"; again in {attempt.pause:.1f} s"
        details = {"attempt": attempt.number, "pause": attempt.pause, "reason": attempt.reason}
        steps.tell("wait", f"attempt {attempt.number}: {said}{again}", ok=False, **details)

    try:
        attempts = wait_for(engine, options.timeout, failed)
    except Exception as error:
        said = reason_of(error, engine.address.password)
        steps.tell("wait", f"{engine.address} could not be asked: {type(error).__name__}: {said}", ok=False)
        return NOT_REACHABLE
    if attempts is None:
        steps.tell("wait", f"{engine.address} did not answer within {options.timeout:g} s", ok=False)
        return NOT_REACHABLE
    steps.tell("wait", f"{engine.address} answers", attempt=attempts)
    if not options.migrate:
        return OK
    config_file = folder / options.alembic_config
    try:
        heads = migrate(engine, config_file, options.lock_timeout, lambda text: steps.tell("migrate", text))
    except CannotMigrate as error:
        steps.tell("migrate", f"migrations failed: {error}", ok=False)
        return NOT_MIGRATED
    steps.tell("migrate", f"migrated to {', '.join(heads) or 'nothing, for there are no migrations'}", heads=heads)
    return OK


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="vestibule-prestart",
        description="Waits until the database of a service answers, and brings its tables up to date.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "target",
        nargs="?",
        metavar="MODULE:ATTRIBUTE",
        help=f"an engine or an app; else app in [tool.vestibule] of pyproject.toml, else {', '.join(CANDIDATES)}",
    )
    parser.add_argument("--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="how long to wait (60)")
    parser.add_argument("--migrate", action="store_true", help="run alembic upgrade head when it answers")
    parser.add_argument("--alembic-config", default="alembic.ini", metavar="FILE", help="alembic's file (alembic.ini)")
    parser.add_argument(
        "--lock-timeout",
        type=_seconds,
        default=600.0,
        metavar="SECONDS",
        help="how long to wait for another instance that is migrating (600)",
    )
    parser.add_argument("--allow-no-database", action="store_true", help="an app without a database is fine")
    parser.add_argument("--app-dir", default=".", metavar="FOLDER", help="the folder of the app (here)")
    parser.add_argument("--json", action="store_true", help="say each step as a JSON object on a line")
    return parser.parse_args(arguments)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        message = f"{text} is no number of seconds"
        raise argparse.ArgumentTypeError(message)
    return value
