"""Events over Redis: who hears what, and what is believed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_sdk_m8.redis_events._signing import deserialize, serialize
from auth_sdk_m8.redis_events.event_bus import EventBus
from auth_sdk_m8.redis_events.subscriber import EventSubscriber
from auth_sdk_m8.schemas.redis_events import EventBase
from auth_sdk_m8.schemas.user_events import UserDeletedEvent

pytestmark = pytest.mark.anyio

KEY = "Event-Signing_Key-0123456789-abcdefXYZ!"
# Of the wire contract.
VECTOR = {"event_type": "user.deleted", "user_id": "550e8400-e29b-41d4-a716-446655440000", "version": "v1"}
SIGNATURE = "4fe1e927f9b4c58134c31238546c4d585ac1aa697ca77236d47af1f1c43b6bc1"

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class Exchange:
    """What `redis.from_url` gives: one connection that hears what it subscribed to."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.channels: set[str] = set()

    def pubsub(self) -> Exchange:
        return self

    async def subscribe(self, channel: str) -> None:
        self.channels.add(channel)

    async def publish(self, channel: str, data: str) -> None:
        if channel in self.channels:
            await self.waiting.put({"type": "message", "channel": channel, "data": data})

    async def get_message(self, **_: Any) -> dict[str, Any]:
        return await self.waiting.get()

    async def close(self) -> None:
        """Nothing is open."""

    aclose = close


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    exchange = Exchange()
    monkeypatch.setattr("redis.asyncio.from_url", lambda *_, **__: exchange)
    return exchange


async def test_two_subscriptions_on_one_bus_hear_each_their_own(exchange: Exchange) -> None:
    bus = EventBus("redis://", signing_key=KEY)
    heard: list[tuple[str, str]] = []
    done = asyncio.Event()

    async def deleted(event: UserDeletedEvent) -> None:
        heard.append(("deleted", event.user_id))

    async def other(event: EventBase) -> None:
        heard.append(("other", event.event_type))
        done.set()

    await bus.subscribe("user.deleted", UserDeletedEvent, deleted)
    await bus.subscribe("other", EventBase, other)
    await bus.publish("user.deleted", UserDeletedEvent(user_id="ada"))
    await bus.publish("other", EventBase(event_type="other"))
    await asyncio.wait_for(done.wait(), 10)
    await bus.close()
    assert heard == [("deleted", "ada"), ("other", "other")]


async def test_a_message_that_can_not_be_read_holds_up_no_other(exchange: Exchange) -> None:
    subscriber = EventSubscriber("redis://", signing_key=KEY)
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await subscriber.subscribe("events", heard.put)
    await exchange.publish("events", "no JSON")
    await exchange.publish("events", json.dumps({"payload": VECTOR, "sig": "00"}))
    await exchange.publish("events", serialize(VECTOR, KEY))
    assert await asyncio.wait_for(heard.get(), 10) == VECTOR
    await subscriber.close()
    assert heard.empty()


def test_the_signature_is_that_of_the_wire() -> None:
    assert json.loads(serialize(VECTOR, KEY))["sig"] == SIGNATURE


@given(st.dictionaries(st.text(), values, max_size=5))
def test_what_is_signed_is_believed_and_what_was_changed_is_not(payload: dict[str, Any]) -> None:
    message = serialize(payload, KEY)
    assert deserialize(message, KEY) == payload
    changed = json.loads(message)
    changed["payload"]["another"] = "member"
    if changed["payload"] != payload:
        assert deserialize(json.dumps(changed), KEY) is None
    assert deserialize(message, "Another-Signing_Key-0123456789-abcdef") is None


@given(values)
def test_nothing_without_a_signature_is_believed(message: Any) -> None:
    assert deserialize(json.dumps(message), KEY) is None
