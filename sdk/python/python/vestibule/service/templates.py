"""Finds the template of the route that answered a request: `/items/{item_id}` for `/items/7`."""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from vestibule.service.routes import Served, served

logger = logging.getLogger("vestibule.service")

UNMATCHED: Final = "(unmatched)"
"""The label of requests that no route was found for: wrong paths, wrong hosts, preflights."""


class Templates:
    """Finds the template of the route that answered a request by what was called for it.

    Args:
        app: The app whose routes are looked at, when the first request was answered.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._by_endpoint: dict[int, str | list[tuple[re.Pattern[str], str]]] = {}
        # What was looked at is kept, so that no other object gets its id.
        self._kept: list[Any] = []
        self._routes = -1

    def of(self, scope: Any) -> str:
        """The template, such as `/items/{item_id}`, or `UNMATCHED`."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return UNMATCHED
        found = self._by_endpoint.get(id(endpoint))
        if found is None:
            found = self._look_again(endpoint)
        return found if isinstance(found, str) else _first_match(found, scope)

    def _look_again(self, endpoint: Any) -> str | list[tuple[re.Pattern[str], str]]:
        # Routes may be added while the app runs. An endpoint that no route knows is not looked for again until then.
        try:
            known = list(served(self._app))
        except Exception:  # of a kind of route that somebody made up; counting must not cost an answer
            if self._routes != 0:
                logger.exception("the routes of the app can't be walked: metrics go without their templates")
            self._routes = 0
            return UNMATCHED
        if len(known) != self._routes:
            self._routes = len(known)
            self._kept, self._by_endpoint = [], {}
            for one in known:
                self._kept.append(one.endpoint)
                before = self._by_endpoint.get(id(one.endpoint))
                if before is None or before == one.template:
                    self._by_endpoint[id(one.endpoint)] = one.template
            self._add_shared(known)
        return self._by_endpoint.get(id(endpoint), UNMATCHED)

    def _add_shared(self, known: list[Served]) -> None:
        """Endpoints of several routes are told apart by the path."""
        for one in known:
            before = self._by_endpoint[id(one.endpoint)]
            if isinstance(before, str) and before == one.template:
                continue
            ways = [same for same in known if same.endpoint is one.endpoint]
            self._by_endpoint[id(one.endpoint)] = [(_pattern(way.path), way.template) for way in ways]


def _pattern(path: str) -> re.Pattern[str]:
    """What paths of a template look like. Names do not matter: those of a mount may come again inside of it."""
    pattern = ""
    for part in re.split(r"({[^{}]*})", path):
        if part.startswith("{"):
            pattern += ".*" if part.endswith(":path}") else "[^/]+"
        else:
            pattern += re.escape(part)
    return re.compile(pattern + r"\Z", re.DOTALL)


def _first_match(ways: list[tuple[re.Pattern[str], str]], scope: Any) -> str:
    path: str = scope["path"]
    root: str = scope.get("app_root_path", scope.get("root_path", ""))
    if root and path.startswith(root):
        path = path[len(root) :]
    return next((template for pattern, template in ways if pattern.match(path)), UNMATCHED)
