"""Many routes of fixed paths as one, found by a look-up.

A router holds every request against one route after the other. The dozen rarely used routes of the kit must stand
before those of the service, so that none of these takes their paths; as one route they cost the others next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send


class FixedRoutes(BaseRoute):
    """Routes without parameters in their paths, each path once.

    Args:
        routes: The routes.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = list(routes)
        self._by_path = {route.path: route for route in self.routes}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Asks the route of the path, if there is one."""
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        if root and path.startswith(root):
            path = path[len(root) :]
        route = self._by_path.get(path)
        return (Match.NONE, {}) if route is None or scope["type"] != "http" else self._matched(route, scope)

    @staticmethod
    def _matched(route: Route, scope: Scope) -> tuple[Match, Scope]:
        match, child = route.matches(scope)
        return match, {**child, "vestibule.route": route}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers by the route that matched."""
        route: Route = scope["vestibule.route"]
        await route.handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """The path of the route of that name.

        Raises:
            NoMatchFound: None has it.
        """
        for route in self.routes:
            try:
                return route.url_path_for(name, **path_params)
            except NoMatchFound:  # noqa: PERF203
                continue
        raise NoMatchFound(name, path_params)
