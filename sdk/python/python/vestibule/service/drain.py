"""The way out without lost requests: say that one is not ready, go on serving for a while, then stop.

A load balancer learns only from its next question to `/readyz` that it must send no more. A server that stops
listening at SIGTERM refuses what is sent until then. So the signal is held back: the service turns unready at once,
serves for `drain_seconds`, and then the server hears of the signal.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import anyio

from vestibule.service.state import ServiceState

logger = logging.getLogger("vestibule.service")

_POLL = 0.02


class Drain:
    """Holds back SIGTERM for a while.

    It does so only where a server has a handler of its own in Python, in the main thread. A second SIGTERM goes
    through at once, as do all other signals: Ctrl-C in a terminal does not wait.

    Args:
        state: Turned to draining.
        seconds: For how long; 0: the signal is left alone.
    """

    def __init__(self, state: ServiceState, seconds: float) -> None:
        self._state = state
        self._seconds = seconds
        self._servers: Callable[[int, FrameType | None], Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """From now on SIGTERM drains first."""
        if self._seconds <= 0 or threading.current_thread() is not threading.main_thread():
            return
        handler = signal.getsignal(signal.SIGTERM)
        if not callable(handler):
            return
        self._servers, self._loop = handler, asyncio.get_running_loop()
        signal.signal(signal.SIGTERM, self._told)

    async def finish(self) -> None:
        """The server is stopping: waits for requests in flight, at most as long as draining may take, and stops
        watching.
        """
        self._state.drain()
        if self._timer is not None:
            self._timer.cancel()
        if self._servers is not None and signal.getsignal(signal.SIGTERM) == self._told:
            signal.signal(signal.SIGTERM, self._servers)
        self._servers = None
        deadline = time.monotonic() + self._seconds
        while self._state.in_flight > 0 and time.monotonic() < deadline:  # noqa: ASYNC110
            await anyio.sleep(_POLL)

    def _told(self, signum: int, frame: FrameType | None) -> None:
        if self._servers is None or self._loop is None:
            return
        if self._state.draining:
            self._servers(signum, frame)
            return
        self._state.drain()
        # A signal may come at any instruction; the loop is told as if from another thread, which also wakes it.
        self._loop.call_soon_threadsafe(self._begin, signum)

    def _begin(self, signum: int) -> None:
        logger.info("told to stop: no longer ready, serving for another %g s", self._seconds)
        if self._loop is not None:
            self._timer = self._loop.call_later(self._seconds, self._hand_over, signum)

    def _hand_over(self, signum: int) -> None:
        if self._servers is not None:
            self._servers(signum, None)
