"""What a running service knows of itself."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(slots=True)
class ServiceState:
    """Where a service stands between start and end.

    Attributes:
        ready: Started, and not on the way out.
        ready_since: When it became ready, in seconds of the monotonic clock; None before.
        draining: It was told to stop: it still answers, and asks for no new work.
        in_flight: Connections being answered.
    """

    ready: bool = False
    ready_since: float | None = None
    draining: bool = False
    in_flight: int = 0

    def start(self) -> None:
        """Everything it needs is there."""
        self.ready, self.draining, self.ready_since = True, False, time.monotonic()

    def drain(self) -> None:
        """From now on it is not ready."""
        self.ready, self.draining = False, True
