"""Publishing events that are plain objects. Needs `redis` (extra `redis`)."""

from __future__ import annotations

from typing import Any

import redis.asyncio as redis

from auth_sdk_m8.redis_events._signing import serialize


class EventPublisher:
    """Publishes on channels, signed if there is a key."""

    def __init__(self, redis_url: str, *, signing_key: str | None = None) -> None:
        self.redis = redis.from_url(redis_url, decode_responses=True)
        self._signing_key = signing_key

    async def publish(self, channel: str, event: dict[str, Any]) -> None:
        """Sends one event to whoever listens now."""
        await self.redis.publish(channel, serialize(event, self._signing_key))

    async def close(self) -> None:
        """Closes the connection."""
        await self.redis.aclose()
