"""Asking the issuer whether tokens are revoked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from vestibule import _core
from vestibule.service.client import SharedClient

_logger = logging.getLogger(__name__)


class RevocationCheckError(Exception):
    """Whether the token is revoked could not be found out."""


class _Answer:
    """What the issuer said, in the form of an HTTP client's answer."""

    def __init__(self, active: bool) -> None:
        self._active = active

    def raise_for_status(self) -> None:
        """It was good, or there would be none."""

    def json(self) -> dict[str, bool]:
        """The body."""
        return {"active": self._active}


class _Introspection:
    """Vestibule's client, in the form of an HTTP client, so that another can be put in its place. It makes one request
    for all who ask about the same token at the same time, on connections that it keeps."""

    def __init__(self, url: str, secret: str) -> None:
        # Without a secret nobody would answer; that shows when somebody is asked, and not before.
        self._shared = _shared_client(url, secret) if secret else None

    async def post(self, _url: str, *, json: dict[str, str]) -> _Answer:
        """Asks about the token of that id."""
        if self._shared is None:
            raise RevocationCheckError("there is no secret to ask with: PRIVATE_API_SECRET is empty")
        client: Any = self._shared.client
        return _Answer(await _awaited(partial(client.start_introspection, json["jti"], "")))

    def is_refused(self) -> bool:
        """Whether the issuer refuses the secret."""
        return self._shared is None or bool(self._shared.client.statistics()["credential_refused"])

    async def aclose(self) -> None:
        """Closes the connections. A later question opens others."""
        if self._shared is not None:
            self._shared.close()


def _shared_client(url: str, secret: str) -> SharedClient:
    return SharedClient(
        {
            # It verifies nothing, so any key will do.
            "keys": _core.SigningKey.generate("HS256").keys(),
            "algorithm": "HS256",
            "strict": False,
            "revocations": "introspection",
            "introspection_url": url,
            "introspection_version": 1,
            "private_api_secret": secret,
        }
    )


async def _awaited(start: Callable[[Callable[[Any, Exception | None], None]], None]) -> Any:
    """Awaits what another thread answers."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return await _awaited_by_trio(start)
    answer: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: Exception | None) -> None:
        if not answer.done():
            if error is None:
                answer.set_result(value)
            else:
                answer.set_exception(error)

    def tell(value: Any, error: Exception | None) -> None:
        # The loop may be closed by now; then nobody waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, value, error)

    start(tell)
    return await answer


async def _awaited_by_trio(start: Callable[[Callable[[Any, Exception | None], None]], None]) -> Any:
    import trio

    token, done, told = trio.lowlevel.current_trio_token(), trio.Event(), list[Any]()

    def settle(value: Any, error: Exception | None) -> None:
        told.extend((value, error))
        token.run_sync_soon(done.set)

    start(settle)
    await done.wait()
    if told[1] is not None:
        raise told[1]
    return told[0]


class RemoteRevocationClient:
    """Asks about one token at a time.

    Args:
        introspection_url: Where.
        private_api_secret: The secret that is shared with the issuer.
        connect_timeout: Seconds; the core's own limits are as strict.
        read_timeout: Seconds; as above.
        fail_closed: Whether not being able to ask is an error. Otherwise the token counts as good, unless it is the
            secret that the issuer refuses.
    """

    def __init__(
        self,
        *,
        introspection_url: str,
        private_api_secret: str,
        connect_timeout: float = 2.0,
        read_timeout: float = 3.0,
        fail_closed: bool = True,
    ) -> None:
        self._url = introspection_url
        self._client = _Introspection(introspection_url, private_api_secret)
        self._fail_closed = fail_closed

    async def is_revoked(self, jti: str) -> bool:
        """Whether the token of that id is revoked.

        Raises:
            RevocationCheckError: It could not be asked, and that counts.
        """
        try:
            answer = await self._client.post(self._url, json={"jti": jti})
            answer.raise_for_status()
            return not answer.json()["active"]
        except Exception as error:
            _logger.warning("whether token %s is revoked could not be asked: %s", jti, error)
            # A mistyped secret is a mistake and no outage, and must not switch revocation off.
            if self._fail_closed or self._client.is_refused():
                raise RevocationCheckError(str(error)) from error
            return False

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
