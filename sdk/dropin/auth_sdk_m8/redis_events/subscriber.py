"""Hearing events as plain objects. Needs `redis` (extra `redis`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis.asyncio as redis

from auth_sdk_m8.redis_events._reader import Reader


class EventSubscriber(Reader):
    """Hears events of channels. Those that are not signed by the key, if there is one, are dropped."""

    task: asyncio.Task[None] | None

    def __init__(self, redis_url: str, *, signing_key: str | None = None, accept_unsigned: bool = False) -> None:
        super().__init__(redis.from_url(redis_url, decode_responses=True), signing_key, accept_unsigned)

    async def subscribe(self, channel: str, handler: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Hands what is published on `channel` from now on to `handler`."""
        await self._listen(channel, handler)
