"""Marks what anybody may call, and what guards without demanding a role, so that `vestibule audit` knows.

The marks change nothing about requests. They say that somebody has thought about it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from fastapi import params

_T = TypeVar("_T")

PUBLIC: Final = "__vestibule_public__"
"""The attribute of an endpoint, an app or a dependency that is public on purpose; it holds the reason."""

GUARD: Final = "__vestibule_guard__"
"""The attribute of a dependency that lets only some callers pass; it says whom. The protocol for guards of your own."""


class PublicMark(params.Depends):
    """Marks what it is given to: an endpoint or an app as a decorator, a route or a router among its dependencies."""

    def __init__(self, reason: str) -> None:
        super().__init__(dependency=_marker(reason))
        # FastAPI makes the base class frozen in newer versions.
        object.__setattr__(self, "reason", reason)

    def __call__(self, marked: _T) -> _T:
        """Marks `marked` and returns it."""
        return _mark(marked, PUBLIC, getattr(self, "reason"))  # noqa: B009  # unknown to the base class


@overload
def public(marked: _T) -> _T: ...
@overload
def public(*, reason: str = ...) -> PublicMark: ...
def public(marked: Any = None, *, reason: str = "") -> Any:
    """Says that anybody may call this, on purpose.

    As a decorator of an endpoint, `@public` or `@public(reason="a webhook that checks its own signature")`; around
    an app that is mounted, `app.mount("/static", public(StaticFiles(...)))`; in the dependencies of a route or router,
    `APIRouter(dependencies=[public()])`. The first two cost nothing for requests, the last what a dependency costs.

    Args:
        marked: What is marked.
        reason: Why, shown by `vestibule audit`.

    Raises:
        TypeError: `marked` can't be given an attribute.
    """
    return PublicMark(reason) if marked is None else _mark(marked, PUBLIC, reason)


def guard(who: str) -> Callable[[_T], _T]:
    """Says that a dependency is a guard: it lets only some callers pass and raises for others.

    The guards of `build_auth_deps` need no mark.

    Args:
        who: Who passes, shown by `vestibule audit`: `"partners with a signature"`.
    """

    def mark(dependency: _T) -> _T:
        return _mark(dependency, GUARD, who)

    return mark


def _mark(marked: _T, attribute: str, text: str) -> _T:
    # The function of a bound method carries the mark, since methods take no attributes.
    target = getattr(marked, "__func__", marked)
    try:
        setattr(target, attribute, text)
    except (AttributeError, TypeError) as error:
        raise TypeError(f"{marked!r} can't be marked: it takes no attributes") from error
    return marked


def _marker(reason: str) -> Callable[[], Any]:
    async def public_to_all() -> None:
        """Lets everybody pass."""

    return _mark(public_to_all, PUBLIC, reason)
