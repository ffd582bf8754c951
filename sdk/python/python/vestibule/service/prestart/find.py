"""Finds an app's database engine, or says everything it tried."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vestibule.service.engine import AsyncDbEngine, DbEngine
from vestibule.service.settings.database_url import DatabaseAddress, Kind

CANDIDATES = ("app.core.deps:engine", "app.deps:engine", "app.main:app", "main:app")
"""Where apps usually keep their engine, or the app that was given it."""

AnyEngine = DbEngine[Any] | AsyncDbEngine[Any]


class CannotFind(Exception):
    """There is no app, it could not be imported, or what was named is no engine. The text says which."""


class NoDatabase(Exception):
    """The app was found, and works without a database."""


@dataclass(frozen=True)
class Found:
    """An app's engine.

    Attributes:
        where: ``module:attribute``.
        engine: What speaks to the database.
        passed_over: Places that were looked at before, each with the reason why not.
    """

    where: str
    engine: AnyEngine
    passed_over: list[str] = field(default_factory=list)


def find_engine(target: str | None, folder: Path) -> Found:
    """Finds the engine that a service uses.

    Args:
        target: ``module:attribute`` of an engine or of an app; ``module:function()`` is called. Otherwise what
            ``app`` says in ``[tool.vestibule]`` of the folder's ``pyproject.toml``, otherwise :data:`CANDIDATES`.
        folder: The folder of the app, which is put first on the path of imports.

    Raises:
        CannotFind: There is none, or its import failed.
        NoDatabase: The app has none.
    """
    if str(folder) not in sys.path[:1]:
        sys.path.insert(0, str(folder))
    target = target or _configured(folder)
    if target is not None:
        module, colon, attribute = target.partition(":")
        if not module or not colon or not attribute:
            message = f"{target!r} is not of the form module:attribute, such as app.main:app"
            raise CannotFind(message)
        return Found(target, _engine_in(_load(module, attribute), target))
    return _search()


def _search() -> Found:
    passed_over: list[str] = []
    without: NoDatabase | None = None
    for candidate in CANDIDATES:
        module, _, attribute = candidate.partition(":")
        try:
            return Found(candidate, _engine_in(_load(module, attribute), candidate), passed_over)
        except _Absent as absent:
            passed_over.append(f"{candidate} ({absent})")
        except NoDatabase as error:
            without = without or error
            passed_over.append(f"{candidate} (no database)")
    if without is not None:
        raise without
    message = (
        f"there is no app in {sys.path[0]}. Looked for: {', '.join(passed_over)}. Name it: "
        'vestibule-prestart module:app, or app = "module:app" in [tool.vestibule] of pyproject.toml'
    )
    raise CannotFind(message)


class _Absent(CannotFind):
    """The module or its attribute is not there, and nothing went wrong."""


def _configured(folder: Path) -> str | None:
    path = folder / "pyproject.toml"
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error}"
        raise CannotFind(message) from None
    if "tool.vestibule" not in text:
        return None
    toml = _toml_reader(path)
    try:
        table = toml.loads(text).get("tool", {}).get("vestibule", {})
    except ValueError as error:
        message = f"{path} is no TOML: {error}"
        raise CannotFind(message) from None
    target = table.get("app")
    if target is not None and not isinstance(target, str):
        message = f'{path}: app in [tool.vestibule] is no text such as "app.main:app"'
        raise CannotFind(message)
    return target


def _toml_reader(path: Path) -> Any:
    for name in ("tomllib", "tomli"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:  # noqa: PERF203 -- two rounds
            continue
    message = f"{path} has [tool.vestibule], which needs Python 3.11 or the package tomli to be read"
    raise CannotFind(message)


def _load(module: str, attribute: str) -> Any:
    """The object, told apart: not there, or there and broken."""
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            message = f"there is no module {error.name}"
            raise _Absent(message) from None
        message = f"importing {module} failed: {_said(error)}"
        raise CannotFind(message) from error
    except (Exception, SystemExit) as error:
        message = f"importing {module} failed: {_said(error)}"
        raise CannotFind(message) from error
    name = attribute.removesuffix("()")
    value: Any = loaded
    for part in name.split("."):
        if not hasattr(value, part):
            message = f"{module} has no {name}"
            raise _Absent(message)
        value = getattr(value, part)
    if name == attribute:
        return value
    try:
        return value()
    except (Exception, SystemExit) as error:
        message = f"calling {module}:{attribute} failed: {_said(error)}"
        raise CannotFind(message) from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _engine_in(value: Any, where: str) -> AnyEngine:
    """The engine that a value is, or that an app was given.

    Raises:
        NoDatabase: It is an app without one.
        CannotFind: It is neither.
    """
    if isinstance(value, DbEngine | AsyncDbEngine):
        return value
    wrapped = _of_sqlalchemy(value) or _of_sqlalchemy(getattr(value, "engine", None))
    if wrapped is not None:
        return wrapped
    state = getattr(value, "state", None)
    if callable(value) and state is not None and hasattr(value, "routes"):
        engine = getattr(state, "db_engine", None)
        if engine is None:
            message = f"{where} is an app without a database"
            raise NoDatabase(message)
        return _engine_in(engine, f"{where} (its state.db_engine)")
    what = "a function (add () to have it called)" if callable(value) else f"a {type(value).__name__}"
    message = f"{where} is neither an engine nor an app, but {what}"
    raise CannotFind(message)


def _of_sqlalchemy(value: Any) -> AnyEngine | None:
    try:
        from sqlalchemy import Engine
        from sqlalchemy.orm import Session
    except ImportError:
        return None
    if isinstance(value, Engine):
        return DbEngine(value, _address(value.url), Session)
    try:
        from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
    except ImportError:
        return None
    return AsyncDbEngine(value, _address(value.url), AsyncSession) if isinstance(value, AsyncEngine) else None


def _address(url: Any) -> DatabaseAddress:
    kinds: dict[str, Kind] = {"postgresql": "Postgres", "mysql": "Mysql", "mariadb": "Mariadb"}
    kind = kinds.get(url.get_backend_name(), "Sqlite")
    return DatabaseAddress(kind, url.host, url.port, url.database or ":memory:", url.username, url.password)
