"""How long a call takes, in CPU time of this thread, with the machine's other work left out."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def per_call(call: Callable[[], object], calls: int, rounds: int = 15) -> list[float]:
    """Microseconds of one call: the mean of a burst, for each of several bursts; the loop is included (some 0.02)."""
    for _ in range(min(calls, 20)):
        call()
    times = []
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        before = time.thread_time_ns()
        for _ in range(calls):
            call()
        times.append((time.thread_time_ns() - before) / calls / 1e3)
    return times
