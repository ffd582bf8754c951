"""Listening on Redis channels."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from auth_sdk_m8.redis_events._signing import deserialize

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_PAUSE_SECONDS = 1.0

Deliver = Callable[[dict[str, Any]], Awaitable[None]]


class Reader:
    """One connection and one task that hands each message to whoever asked for its channel."""

    def __init__(self, client: Any, signing_key: str | None, accept_unsigned: bool) -> None:
        self.redis = client
        self.pubsub = client.pubsub()
        self.task: asyncio.Task[None] | None = None
        self._signing_key = signing_key
        self._accept_unsigned = accept_unsigned
        self._deliver: dict[str, Deliver] = {}

    async def _listen(self, channel: str, deliver: Deliver) -> None:
        self._deliver[channel] = deliver
        await self.pubsub.subscribe(channel)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            try:
                message = await self.pubsub.get_message(ignore_subscribe_messages=True, timeout=_POLL_SECONDS)
            except asyncio.CancelledError:
                return
            except Exception:
                logger.exception("events could not be read")
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if message is None:
                # Whoever answers at once must not keep the loop for himself.
                await asyncio.sleep(0)
            elif message.get("type") == "message":
                await self._hand_over(message)

    async def _hand_over(self, message: dict[str, Any]) -> None:
        channel = message.get("channel", next(iter(self._deliver), None))
        deliver = self._deliver.get(channel.decode() if isinstance(channel, bytes) else str(channel))
        if deliver is None:
            return
        try:
            event = deserialize(message["data"], self._signing_key, accept_unsigned=self._accept_unsigned)
            if event is not None:
                await deliver(event)
        except Exception:
            logger.exception("an event could not be handled")

    async def close(self) -> None:
        """Stops listening and closes the connection."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.pubsub.close()
        await self.redis.aclose()
