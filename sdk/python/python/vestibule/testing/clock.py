"""A clock that tests move."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """The system's clock, plus what it was moved by. Who trusts an `Issuer` goes by its clock."""

    def __init__(self) -> None:
        self._moved = 0.0
        self._listeners: list[Callable[[float], None]] = []

    @property
    def moved(self) -> float:
        """How far it was moved, in seconds."""
        return self._moved

    def now(self) -> float:
        """What time it is, in Unix seconds."""
        return time.time() + self._moved

    def advance(self, seconds: float) -> None:
        """Moves it forward.

        Raises:
            ValueError: `seconds` is negative; what expired stays expired.
        """
        if seconds < 0:
            raise ValueError("a clock goes forward only")
        self._moved += seconds
        for listener in self._listeners:
            listener(seconds)

    def on_move(self, listener: Callable[[float], None]) -> None:
        """Calls `listener` with the seconds of each move."""
        self._listeners.append(listener)
