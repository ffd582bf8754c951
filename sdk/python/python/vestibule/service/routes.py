"""Walks everything that an app serves: routes, included routers, mounted apps, hosts, WebSockets, front ends."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import fastapi.routing
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute

from vestibule.service.fixed_routes import FixedRoutes

Kind = Literal["http", "websocket", "mount", "frontend", "unknown"]


@dataclass(frozen=True, slots=True)
class Served:
    """One thing that an app serves.

    Attributes:
        kind: What it is. `mount` is an app below a path; what is inside follows, if it can be seen.
        path: The whole path, as it was declared, with types of parameters.
        template: The same without types: what metrics call it.
        methods: HTTP methods, sorted; `HEAD` is left out where `GET` implies it. Empty: any.
        name: Its name.
        endpoint: What is called, if it is known; for a mount the app.
        dependant: FastAPI's tree of its dependencies, if it has one.
        owner: The app it belongs to, if it is known.
        within: The mounted apps around it, outermost first.
        opaque: A mount (or an unknown kind of route) that can't be looked into.
    """

    kind: Kind
    path: str
    template: str
    methods: tuple[str, ...]
    name: str
    endpoint: Any
    dependant: Any
    owner: Any
    within: tuple[Any, ...] = ()
    opaque: bool = False


def served(app: Any) -> Iterator[Served]:
    """Everything that `app` serves, in the order in which it is asked; mounts before what is in them."""
    yield from _walk(getattr(app, "routes", ()), "", "", app)
    yield from _frontends(getattr(app, "router", None), "", app)


def dependencies(dependant: Any) -> Iterator[Any]:
    """Every callable in a tree of dependencies, at any depth, nearest first; without the endpoint itself."""
    for sub in getattr(dependant, "dependencies", ()):
        if sub.call is not None:
            yield sub.call
        yield from dependencies(sub)


def threaded(app: Any) -> Iterator[tuple[str, str]]:
    """Paths with the endpoints and dependencies that FastAPI runs in threads, because they are no coroutines."""
    for one in served(app):
        if one.dependant is not None:
            for call in (one.endpoint, *dependencies(one.dependant)):
                if not _runs_in_loop(call):
                    yield one.template, str(getattr(call, "__qualname__", None) or type(call).__qualname__)


def _runs_in_loop(call: Any) -> bool:
    while isinstance(call, functools.partial):
        call = call.func
    ways = (call, getattr(call, "__call__", None))  # noqa: B004
    return any(inspect.iscoroutinefunction(way) or inspect.isasyncgenfunction(way) for way in ways)


def inner_app(app: Any) -> Any:
    """What is wrapped in middlewares: the first app with routes, following the attribute `app`; else `app` itself."""
    seen: set[int] = set()
    at = app
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if isinstance(getattr(at, "routes", None), list | tuple):
            return at
        at = getattr(at, "app", None)
    return app


def _walk(
    routes: Sequence[BaseRoute], path: str, template: str, owner: Any, within: tuple[Any, ...] = ()
) -> Iterator[Served]:
    for context in contexts(routes):
        route = getattr(context, "original_route", context)
        here, name = path + (getattr(context, "path", None) or ""), getattr(context, "name", None) or ""
        shown = template + (getattr(context, "path_format", None) or getattr(context, "path", None) or "")
        kind: Kind = "unknown"
        endpoint: Any = route
        methods: tuple[str, ...] = ()
        if isinstance(route, FixedRoutes):
            yield from _walk(route.routes, path, template, owner, within)
            continue
        if isinstance(route, Mount):
            # The format of a mount ends in its own parameter for the rest of the path.
            yield from _mounted(context.app, here, template + context.path_format.removesuffix("/{path}"), name, within)
            continue
        if isinstance(route, Host):
            yield from _mounted(context.app, path, template, name or route.host, within)
            continue
        if isinstance(route, WebSocketRoute):
            kind, endpoint = "websocket", context.endpoint
        elif isinstance(route, Route):
            kind, endpoint, methods = "http", context.endpoint, tuple(sorted(_methods(context.methods)))
        else:
            name = name or type(route).__name__
        yield Served(
            kind, here, shown, methods, name, endpoint, _dependant(context), owner, within, opaque=kind == "unknown"
        )


def _mounted(app: Any, path: str, template: str, name: str, within: tuple[Any, ...]) -> Iterator[Served]:
    inside = inner_app(app)
    routes = getattr(inside, "routes", None)
    whole, shown = f"{path}/{{path:path}}", f"{template}/{{path}}"
    yield Served("mount", whole, shown, (), name, app, None, inside, within, opaque=not routes)
    if routes:
        yield from _walk(routes, path, template, inside, (*within, app))
        yield from _frontends(getattr(inside, "router", inside), path, inside, (*within, app))


def contexts(routes: Sequence[BaseRoute]) -> Iterator[Any]:
    """The routes with their whole paths and dependencies, included routers looked through."""
    # FastAPI flattened included routers until it began to keep them; since then it tells how to look through them.
    look_through = getattr(fastapi.routing, "iter_route_contexts", None)
    yield from routes if look_through is None else look_through(routes)


def _dependant(context: Any) -> Any:
    try:
        return context.dependant
    except AttributeError:
        return None


def _methods(methods: set[str] | None) -> set[str]:
    return set(methods or ()) - ({"HEAD"} if "GET" in (methods or ()) else set())


def _frontends(router: Any, path: str, owner: Any, within: tuple[Any, ...] = ()) -> Iterator[Served]:
    """Built front ends (`router.frontend(…)`), which newer FastAPI keeps apart from the routes."""
    groups: list[tuple[Any, str, Any]] = [
        (group, "", getattr(group, "dependant", None)) for group in getattr(router, "_low_priority_routes", ())
    ]
    for route in getattr(router, "routes", ()):
        if hasattr(route, "effective_low_priority_routes"):
            groups += [
                (context.original_route, context.frontend_prefix, context.dependant)
                for context in route.effective_low_priority_routes()
            ]
    for group, prefix, dependant in groups:
        for route in getattr(group, "routes", ()):
            here = f"{path}{prefix}{route.path}".rstrip("/") + "/{path}"
            methods = tuple(sorted(_methods(getattr(route, "methods", None))))
            files = getattr(route, "app", None)
            yield Served("frontend", here, here, methods, "frontend", files, dependant, owner, within)
