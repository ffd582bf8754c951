"""Signed events over Redis, heard by the real subscriber of the SDK."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from auth_sdk_m8.redis_events.event_bus import EventBus
from auth_sdk_m8.redis_events.subscriber import EventSubscriber
from auth_sdk_m8.schemas.redis_events import EventBase
from harness.issuer import EVENT_SIGNING_KEY, Issuer, Person, StartIssuer
from harness.redis import Redis

WITHIN = 3.0

# The subscriber calls what its Redis package would rather have called otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")


class UserDeleted(EventBase):
    user_id: str


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    redis = Redis(tmp_path)
    yield redis
    redis.stop()


@pytest.fixture
def issuer(start_issuer: StartIssuer, redis: Redis) -> Issuer:
    return start_issuer(issuer__event_signing_key=EVENT_SIGNING_KEY, redis__url=redis.url)


def delete(issuer: Issuer, person: Person) -> None:
    assert issuer.client.delete(f"/users/delete/{person.id}/", headers=issuer.superuser().bearer).status_code == 200


def heard(
    subscribe: Callable[[Callable[[Any], Awaitable[None]]], Awaitable[Any]], deed: Callable[[], None]
) -> list[Any]:
    """What a subscriber hears of a deed."""
    messages: list[Any] = []

    async def listen() -> None:
        arrived = asyncio.Event()

        async def handle(message: Any) -> None:
            messages.append(message)
            arrived.set()

        subscriber = await subscribe(handle)
        try:
            await asyncio.to_thread(deed)
            await asyncio.wait_for(arrived.wait(), WITHIN)
        finally:
            await subscriber.close()

    asyncio.run(listen())
    return messages


def test_a_deleted_account_is_told_of(issuer: Issuer, redis: Redis) -> None:
    person = issuer.person()

    async def subscribe(handle: Callable[[Any], Awaitable[None]]) -> EventBus:
        bus = EventBus(redis.url, signing_key=EVENT_SIGNING_KEY)
        await bus.subscribe("user.deleted", UserDeleted, handle)
        return bus

    [event] = heard(subscribe, lambda: delete(issuer, person))
    assert (event.event_type, event.version) == ("user.deleted", "v1")
    assert event.user_id == person.id


@pytest.mark.parametrize("deed", ["logout", "disable"])
def test_a_revoked_session_is_told_of(issuer: Issuer, redis: Redis, deed: str) -> None:
    person = issuer.person()
    held = issuer.login(person)

    async def subscribe(handle: Callable[[Any], Awaitable[None]]) -> EventSubscriber:
        subscriber = EventSubscriber(redis.url, signing_key=EVENT_SIGNING_KEY)
        await subscriber.subscribe("session.revoked", handle)
        return subscriber

    def act() -> None:
        if deed == "logout":
            issuer.logout(held)
        else:
            issuer.change(person, is_active=False)

    event, *_ = heard(subscribe, act)
    assert event["event_type"] == "session.revoked"
    assert event["user_id"] == person.id
    assert event["jti"] in (held.claims["jti"], None)


def test_another_key_hears_nothing(issuer: Issuer, redis: Redis) -> None:
    person = issuer.person()

    async def subscribe(handle: Callable[[Any], Awaitable[None]]) -> EventSubscriber:
        subscriber = EventSubscriber(redis.url, signing_key="Another-Signing_Key-0123456789-abcdef")
        await subscriber.subscribe("user.deleted", handle)
        return subscriber

    with pytest.raises(TimeoutError):
        heard(subscribe, lambda: delete(issuer, person))


def test_the_issuer_works_on_when_redis_is_gone(issuer: Issuer, redis: Redis) -> None:
    held = issuer.sign_in()
    redis.stop()
    assert issuer.logout(held).status_code == 200
    assert issuer.introspect(held.claims["jti"]).json() == {"active": False}
    issuer.sign_in()
