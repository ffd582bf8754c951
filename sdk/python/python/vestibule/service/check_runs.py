"""Runs a health check so that it cannot hold up the service, whatever it does.

A plain function runs in a thread of its own. A coroutine function runs in the event loop, since what it uses (an
asynchronous engine, an HTTP client) is often bound to that loop; each of its steps is timed, and one that blocks the
loop twice in a row is run in a thread with a loop of its own from then on. A check that did not end in time is not
started again until it has.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

logger = logging.getLogger("vestibule.service")

_STRIKES: Final = 2
_BLOCKING_SHARE: Final = 0.5
"""A step that takes more than this share of the check's timeout has blocked the loop."""


class CheckRun:
    """One check and its latest run.

    Attributes:
        name: What the check is called until it says so itself: the name of the function or of its class.
        answer: What it returned.
        error: What it raised.
        seconds: How long it took.
        timed_out: It did not end in time, or took longer by blocking the loop.
        overdue: Seconds since the start of an earlier run that still has not ended, which is why there was no new one.
    """

    def __init__(self, check: Callable[[], Any]) -> None:
        self._check = check
        self.name = _name(check)
        self.answer: Any = None
        self.error: Exception | None = None
        self.seconds = 0.0
        self.timed_out = False
        self.overdue: float | None = None
        self._pending: asyncio.Future[Any] | None = None
        self._started = 0.0
        self._strikes = 0
        self._is_async = _is_coroutine_function(check)

    @property
    def runs_in_thread(self) -> bool:
        """Whether the check is kept off the event loop."""
        return not self._is_async or self._strikes >= _STRIKES

    async def once(self, timeout: float) -> None:
        """Runs the check, at most `timeout` seconds; the attributes tell how it ended. Never raises."""
        self.answer, self.error, self.timed_out, self.overdue = None, None, False, None
        if self._is_running():
            self.overdue = time.monotonic() - self._started
            return
        self._started = time.monotonic()
        await self._run(timeout, timeout)
        if inspect.isawaitable(self.answer):
            # A plain function that returns a coroutine, such as a lambda. It is known now, and run like one.
            self._is_async = True
            answer = self.answer
            await self._run(timeout, timeout - (time.monotonic() - self._started), lambda: answer)
        self.seconds = time.monotonic() - self._started

    def _is_running(self) -> bool:
        # What an earlier event loop left behind never ends.
        pending = self._pending
        return pending is not None and not pending.done() and pending.get_loop() is asyncio.get_running_loop()

    async def _run(self, limit: float, left: float, check: Callable[[], Any] | None = None) -> None:
        check = check or self._check
        steps = _Steps()
        if not self._is_async:
            self._pending = _in_thread(check)
        elif self._strikes >= _STRIKES:
            self._pending = _in_thread(functools.partial(_to_the_end, check))
        else:
            self._pending = asyncio.ensure_future(steps.timed(check))
        pending = self._pending
        pending.add_done_callback(_forget)
        # Unlike `wait_for` this returns in time even if the check swallows its cancellation.
        started = time.monotonic()
        done, _ = await asyncio.wait({pending}, timeout=max(left, 0.0))
        self._judge_blocking(steps.longest, limit)
        self.answer = None
        if not done:
            self.timed_out = True
            if isinstance(pending, asyncio.Task):
                pending.cancel()
        elif pending.cancelled():
            self.error = RuntimeError("the check was cancelled")
        elif (error := pending.exception()) is not None:
            self.error = error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
        elif steps.longest > limit * _BLOCKING_SHARE and time.monotonic() - started > limit:
            self.timed_out = True
        else:
            self.answer = pending.result()

    def _judge_blocking(self, longest: float, timeout: float) -> None:
        if self._strikes >= _STRIKES:
            return
        if longest <= timeout * _BLOCKING_SHARE:
            self._strikes = 0
            return
        self._strikes += 1
        logger.warning(
            "the health check %s blocked the event loop for %.0f ms: %s",
            self.name,
            longest * 1000,
            "it runs in a thread from now on"
            if self._strikes >= _STRIKES
            else "make it a plain `def`, which runs in a thread",
        )


class _Steps:
    """Drives a coroutine and times each stretch in which it holds the event loop."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def timed(self, check: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return await _Awaitable(self._drive(check()))

    def _drive(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        value: Any = None
        error: BaseException | None = None
        while True:
            started = time.perf_counter()
            try:
                wish = coroutine.send(value) if error is None else coroutine.throw(error)
            except StopIteration as end:
                return end.value
            finally:
                self.longest = max(self.longest, time.perf_counter() - started)
            value, error = None, None
            try:
                value = yield wish
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as thrown:  # handed on to the check, cancellations too
                error = thrown


class _Awaitable:
    def __init__(self, steps: Generator[Any, Any, Any]) -> None:
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._steps


def _in_thread(check: Callable[[], Any]) -> asyncio.Future[Any]:
    """Runs `check` in a new daemon thread: a check that never returns must not use up a pool or hold up the exit."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def succeed(value: Any) -> None:
        if not outcome.done():
            outcome.set_result(value)

    def fail(error: BaseException) -> None:
        if not outcome.done():
            # A future carries no StopIteration, and a SystemExit of a check is not ours.
            outcome.set_exception(error if _is_plain(error) else RuntimeError(type(error).__name__))

    def work() -> None:
        try:
            value = context.run(check)
        except BaseException as error:
            tell: Callable[[], None] = functools.partial(fail, error)
        else:
            tell = functools.partial(succeed, value)
        try:
            loop.call_soon_threadsafe(tell)
        except RuntimeError:
            logger.debug("a health check ended after the event loop")

    threading.Thread(target=work, name="vestibule-health", daemon=True).start()
    return outcome


def _is_plain(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, StopIteration)


def _to_the_end(check: Callable[[], Any]) -> Any:
    """Calls a check that has to be awaited, in a loop of this thread."""
    return asyncio.run(_awaited(check()))


async def _awaited(answer: Any) -> Any:
    return await answer


def _forget(pending: asyncio.Future[Any]) -> None:
    """Takes what a late check ends with, so that nothing complains that nobody looked."""
    if not pending.cancelled():
        pending.exception()


def _is_coroutine_function(check: Any) -> bool:
    while isinstance(check, functools.partial):
        check = check.func
    return inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(getattr(check, "__call__", None))  # noqa: B004


def _name(check: Any) -> str:
    while isinstance(check, functools.partial):
        check = check.func
    return str(getattr(check, "__name__", None) or type(check).__name__)
