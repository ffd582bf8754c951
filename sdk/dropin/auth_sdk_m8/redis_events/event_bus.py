"""Publishing and hearing events that are models. Needs `redis` (extra `redis`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import redis.asyncio as redis

from auth_sdk_m8.redis_events._reader import Reader
from auth_sdk_m8.redis_events._signing import serialize
from auth_sdk_m8.schemas.redis_events import EventBase

_Event = TypeVar("_Event", bound=EventBase)


class EventBus(Reader):
    """Both ends of the bus. Events that are not signed by the key, if there is one, are dropped."""

    task: asyncio.Task[None] | None

    def __init__(self, redis_url: str, *, signing_key: str | None = None, accept_unsigned: bool = False) -> None:
        super().__init__(redis.from_url(redis_url, decode_responses=True), signing_key, accept_unsigned)

    async def publish(self, channel: str, event: EventBase) -> None:
        """Sends one event to whoever listens now."""
        await self.redis.publish(channel, serialize(event.model_dump(mode="json"), self._signing_key))

    async def subscribe(
        self, channel: str, event_schema: type[_Event], handler: Callable[[_Event], Awaitable[None]]
    ) -> None:
        """Hands what is published on `channel` from now on to `handler`, read as `event_schema`."""

        async def deliver(event: dict[str, Any]) -> None:
            await handler(event_schema.model_validate(event))

        await self._listen(channel, deliver)
