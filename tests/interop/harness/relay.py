"""A wire between a program and what it calls, which a test can cut, hold up and mend."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

Address = tuple[str, int] | Path


class Relay:
    """Passes TCP connections on to another address, a port or a Unix socket. It begins mended."""

    def __init__(self, target: Address, port: int | None = None) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", port or 0))
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._whole = True
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends all connections and refuses new ones: they are closed at once."""
        with self._lock:
            self._whole = False
            ended, self._open = self._open, []
        for end in ended:
            _close(end)

    def mend(self) -> None:
        """Passes new connections on again."""
        self._whole = True

    def close(self) -> None:
        """Ends everything."""
        self.cut()
        _close(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._pass_on, args=(here,), daemon=True).start()

    def _pass_on(self, here: socket.socket) -> None:
        there = None
        with suppress(OSError):
            there = _connect(self._target)
        with self._lock:
            whole = self._whole and there is not None
            if whole:
                assert there is not None
                self._open += [here, there]
        if not whole or there is None:
            _close(here)
            if there is not None:
                _close(there)
            return
        back = threading.Thread(target=_copy, args=(there, here), daemon=True)
        back.start()
        _copy(here, there)
        back.join()
        with self._lock:
            self._open = [end for end in self._open if end not in (here, there)]
        _close(here)
        _close(there)


def _connect(target: Address) -> socket.socket:
    if isinstance(target, Path):
        there = socket.socket(socket.AF_UNIX)
        there.connect(str(target))
        return there
    return socket.create_connection(target)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _close(end: socket.socket) -> None:
    # A thread that waits in `recv` or `accept` hears of a shutdown, not of a close.
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
