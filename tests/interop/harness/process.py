"""Programs started for a test: on free ports, without the settings of whoever runs the tests, stopped in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PATIENCE = 60.0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Ours, without settings and proxies that would leak into the test."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VESTIBULE_") and not name.lower().endswith("_proxy")
    }
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "NO_COLOR": "1", **extra}


def wait_until(what: str, holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Waits until something holds; fails with its name when it never does."""
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {patience:.0f} s")
        time.sleep(0.02)


class Process:
    """A running program whose output is kept in a file."""

    def __init__(
        self, command: Sequence[str], folder: Path, name: str, extra: Mapping[str, str], *, log: Path | None = None
    ) -> None:
        self.log = log or folder / f"{name}.log"
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                command, cwd=folder, env=environment(extra), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def wait_ready(self, what: str, ready: Callable[[], bool]) -> None:
        """Waits until it answers; fails with its log when it ended or never does."""

        def holds() -> bool:
            if not self.running:
                raise AssertionError(f"{what} ended:\n{self.output()}")
            return ready()

        try:
            wait_until(what, holds)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.output()}") from None

    def output(self) -> str:
        return self.log.read_text(errors="replace")[-8000:]

    def stop(self) -> None:
        """Asks it to end, and insists after a while."""
        if self.running:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._child.wait()

    def terminate(self) -> None:
        """Asks it to end, and does not wait."""
        self._child.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Waits until it ends by itself; its exit status."""
        try:
            return self._child.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"it does not end:\n{self.output()}") from None

    def freeze(self) -> None:
        """Stops it where it is, with its connections open, until `thaw`."""
        self._child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._child.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once, as a crash does."""
        self._child.kill()
        self._child.wait()
