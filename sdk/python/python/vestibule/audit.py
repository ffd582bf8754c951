"""Lists everything an app serves with the guard in front of it, and finds what has none.

What counts as guarded: a dependency, at any depth, that carries `required_role` (the guards of `build_auth_deps`) or
the attribute that `vestibule.service.guard` sets; or the same on what is mounted. What counts as public: what was
marked so by `vestibule.service.public`, and the pages of the OpenAPI document. A dependency that only reads
credentials, such as `HTTPBearer`, is no guard: it does not know whether they are good. Overrides of dependencies
count as they would for requests.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from vestibule.service.guards import Guard
from vestibule.service.marks import GUARD, PUBLIC
from vestibule.service.roles import Role
from vestibule.service.routes import Served, dependencies, inner_app, served

Verdict = Literal["guarded", "public", "open"]

_KNOWN_AS: Final = {
    Role.USER: "get_current_user",
    Role.READER: "get_current_reader",
    Role.WRITER: "get_current_writer",
    Role.ADMIN: "get_current_active_admin",
    Role.SUPERADMIN: "get_current_active_superuser",
}
"""What people call the guards of `build_auth_deps`."""

EXIT_OK = 0
EXIT_OPEN = 1
EXIT_UNLOADABLE = 2


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of one thing that is served.

    Attributes:
        method: The HTTP method, `WS` for a WebSocket, `MOUNT` for an app that can't be looked into, `ANY` without
            methods.
        path: Where.
        verdict: `guarded`, `public`, or `open`, which is neither.
        guard: The guards, or why it is public.
        role: The highest role that is demanded, if one is.
        name: What is called.
    """

    method: str
    path: str
    verdict: Verdict
    guard: str
    role: str | None
    name: str


class CannotLoad(Exception):
    """The app could not be loaded; the text says why."""


def audit(app: Any) -> list[Line]:
    """Everything that `app` serves, with what guards it."""
    lines: list[Line] = []
    for one in served(app):
        if one.kind == "mount" and not one.opaque:
            continue  # what is in it follows
        line = _judge(one, app)
        lines += [replace(line, method=method) for method in _methods(one)]
    return lines


def _methods(one: Served) -> Sequence[str]:
    if one.kind == "websocket":
        return ["WS"]
    if one.kind == "mount":
        return ["MOUNT"]
    return one.methods or ["ANY"]


def _judge(one: Served, app: Any) -> Line:
    name = str(getattr(one.endpoint, "__qualname__", None) or type(one.endpoint).__qualname__)
    line = Line("", one.template, "open", "", None, one.name or name)
    guards: list[str] = []
    roles: list[Any] = []
    reason: str | None = _mark(one.endpoint, PUBLIC)
    for call in _calls(one, app):
        role = getattr(call, "required_role", None)
        who = _mark(call, GUARD)
        if role is not None:
            roles.append(role)
            guards.append(_name(call))
        elif who is not None:
            guards.append(who)
        elif reason is None:
            reason = _mark(call, PUBLIC)
    if guards:
        role = str(max(roles, key=_rank)) if roles else None
        return Line("", line.path, "guarded", ", ".join(dict.fromkeys(guards)), role, line.name)
    if _is_documentation(one):
        reason = "documentation"
    if reason is not None:
        return Line("", line.path, "public", reason, None, line.name)
    return line


def _calls(one: Served, app: Any) -> Iterable[Any]:
    """Everything that could be marked: the endpoint, its dependencies, and what it is mounted in."""
    overrides: dict[Any, Any] = {}
    for owner in (app, one.owner):
        overrides |= getattr(owner, "dependency_overrides", None) or {}
    yield from _layers(one.endpoint) if one.kind == "mount" else [one.endpoint]
    for call in dependencies(one.dependant):
        yield overrides.get(call, call)
    for around in reversed(one.within):
        yield from _layers(around)


def _layers(app: Any) -> Iterable[Any]:
    """What is wrapped around a mounted app, and the app."""
    inside = inner_app(app)
    at, seen = app, set[int]()
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        if at is inside:
            return
        at = getattr(at, "app", None)


def _mark(thing: Any, attribute: str) -> str | None:
    text = getattr(thing, attribute, None)
    return text if isinstance(text, str) else None


def _name(call: Any) -> str:
    if isinstance(call, Guard) and call.required_role is not None:
        if call.stale_policy is not None:
            return f"require_role({call.required_role}, {call.stale_policy})"
        return _KNOWN_AS[call.required_role]
    return str(getattr(call, "__qualname__", None) or type(call).__qualname__)


def _rank(role: Any) -> int:
    order = ("user", "reader", "writer", "admin", "superadmin")
    text = str(getattr(role, "value", role))
    return order.index(text) if text in order else len(order)


def _is_documentation(one: Served) -> bool:
    pages = ("openapi_url", "docs_url", "redoc_url", "swagger_ui_oauth2_redirect_url")
    return getattr(one.endpoint, "__module__", "") == "fastapi.applications" and any(
        url and one.path.endswith(url) for url in (getattr(one.owner, page, None) for page in pages)
    )


def load(target: str, *, factory: bool = False, folder: str = ".") -> Any:
    """Imports the app named by `module:app`.

    Args:
        target: The module, a colon, and the name in it; dots may follow.
        factory: The name is of a function that makes the app.
        folder: Where modules are looked for first.

    Raises:
        CannotLoad: There is none, or it raised.
    """
    module_name, colon, attributes = target.partition(":")
    if not (module_name and colon and attributes):
        raise CannotLoad(f"{target!r} is not of the form module:app")
    sys.path.insert(0, os.path.abspath(folder))
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise CannotLoad(f"there is no module {module_name!r} in {os.path.abspath(folder)}") from error
        raise CannotLoad(f"importing {module_name!r} failed: {error}") from error
    except (Exception, SystemExit) as error:
        raise CannotLoad(f"importing {module_name!r} failed: {_told(error)}") from error
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise CannotLoad(f"{module_name!r} has no {attribute!r}")
        found = getattr(found, attribute)
    if factory:
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise CannotLoad(f"calling {target} failed: {_told(error)}") from error
    inside = inner_app(found)
    if not isinstance(getattr(inside, "routes", None), list | tuple):
        hint = " (is it a factory? then add --factory)" if callable(found) and not factory else ""
        raise CannotLoad(f"{target} is no app with routes, but {type(found).__name__}{hint}")
    return inside


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def table(lines: Sequence[Line]) -> str:
    """The lines as a table, the open ones marked."""
    rows = [("", "METHOD", "PATH", "GUARD", "ROLE")]
    rows += [
        (
            "!" if line.verdict == "open" else "",
            line.method,
            line.path,
            _guard_text(line),
            line.role or "",
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _guard_text(line: Line) -> str:
    if line.verdict == "public":
        return f"public ({line.guard})" if line.guard else "public"
    return line.guard or "none"


def main(arguments: Sequence[str]) -> int:
    """The command `vestibule audit`.

    Returns:
        0: everything is guarded or public on purpose. 1: something is neither. 2: the app can't be loaded.
    """
    parser = argparse.ArgumentParser(
        prog="vestibule audit",
        description="Lists what an app serves with the guard in front of it; fails when something has none.",
        epilog="exit codes: 0 all guarded or public, 1 something is neither, 2 the app can't be loaded",
    )
    parser.add_argument("app", help="where the app is, as module:app")
    parser.add_argument("--factory", action="store_true", help="what is named is a function that makes the app")
    parser.add_argument("--app-dir", default=".", metavar="DIR", help="where modules are looked for (default: here)")
    parser.add_argument("--json", action="store_true", help="for programs: a list of objects")
    parser.add_argument("--traceback", action="store_true", help="show where loading failed")
    given = parser.parse_args(arguments)
    try:
        lines = audit(load(given.app, factory=given.factory, folder=given.app_dir))
    except CannotLoad as error:
        if given.traceback:
            traceback.print_exception(error)
        sys.stderr.write(f"vestibule audit: {error}\n")
        return EXIT_UNLOADABLE
    neither = [line for line in lines if line.verdict == "open"]
    if given.json:
        sys.stdout.write(json.dumps([asdict(line) for line in lines], indent=2) + "\n")
        return EXIT_OPEN if neither else EXIT_OK
    sys.stdout.write(table(lines) + "\n")
    if neither:
        sys.stderr.write(
            f"\n{len(neither)} of {len(lines)} are neither guarded nor public."
            " Put a guard in front of them, or say that they are public: @public.\n"
        )
        return EXIT_OPEN
    return EXIT_OK
