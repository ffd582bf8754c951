"""Which names a service answers to."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_HOSTS_KEPT: Final = 256


class TrustedHosts:
    """Which hosts a service answers to.

    Args:
        hosts: Host names; `*.example.com` stands for all names below `example.com`, `*` for any.
        exempt: Paths that answer under any host: probes and scrapers call by address, and get nothing made of the host.
    """

    def __init__(self, hosts: Sequence[str], exempt: Collection[str] = ()) -> None:
        lowered = [host.lower().encode("idna" if not host.startswith(("*", "[")) else "ascii") for host in hosts]
        self._exact = frozenset(lowered)
        self._below = tuple(host[1:] for host in lowered if host.startswith(b"*."))
        self._any = b"*" in self._exact
        self._exempt = frozenset(exempt)
        # Whole header values that were right, so that the next one is a look-up. Wildcards match without end: bounded.
        self._known: set[bytes] = set()

    def allow(self, hosts: list[bytes], path: str, root_path: str = "") -> bool:
        """Whether a request with these values of `Host` may pass. More than one is wrong (RFC 9112 section 3.2).

        Args:
            hosts: All that were sent.
            path: The path, of which `root_path` may be the beginning.
            root_path: What a proxy in front took away.
        """
        if len(hosts) == 1 and hosts[0] in self._known:
            return True
        return path.removeprefix(root_path) in self._exempt or (len(hosts) == 1 and self._is_one(hosts[0]))

    def _is_one(self, sent: bytes) -> bool:
        match = _HOST.fullmatch(sent)
        if match is None:
            return False
        host = match[1].lower()
        if not (self._any or host in self._exact or host.endswith(self._below)):
            return False
        if len(self._known) < _HOSTS_KEPT:
            self._known.add(sent)
        return True
