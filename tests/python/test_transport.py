"""The client against a store over HTTP: what is sent, what comes back, what happens when it fails."""

from __future__ import annotations

import asyncio
import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from typing import Any

import pytest
from fake_store import FakeStore, Fault
from tokens import token

import vestibule
import vestibule_client
from vestibule import (
    AuthError,
    BadKey,
    BadValue,
    Conflict,
    Forbidden,
    RateLimited,
    Unavailable,
    ValueTooLarge,
    VestibuleError,
    Viewer,
)
from vestibule_client import ANONYMOUS, RequestLane, current_lane

pytestmark = pytest.mark.usefixtures("platform")


@contextmanager
def calling(who: str | None) -> Iterator[Viewer | None]:
    """Inside, calls are made as in a request of `who`; None is an anonymous visitor."""
    viewer = Viewer(id=f"id-of-{who}", email="e", username=who, verified=True) if who else None
    lane = RequestLane(viewer, f"token-of-{who}") if viewer else ANONYMOUS
    before = current_lane.set(lane)
    try:
        yield viewer
    finally:
        current_lane.reset(before)


def test_every_call_goes_where_the_api_says(store: FakeStore) -> None:
    kv = vestibule.kv
    with calling("alice"):
        kv.set("a/b ü", {"x": [1]})
        assert kv.get("a/b ü") == {"x": [1]}
        assert kv.get_with_version("a/b ü") == ({"x": [1]}, 1)
        assert kv.exists("a/b ü")
        assert kv.list("a/") == ["personal:a/b ü"]
        kv.delete("a/b ü")
        assert not kv.exists("a/b ü")
        assert kv.get("a/b ü", 5) == 5
        assert kv.append("shared:l", "x") == 1
        assert kv.incr("shared:n", 2.5) == 2.5
    base = "/v1/data/app-1/kv"
    assert [(seen["method"], seen["path"]) for seen in store.seen] == [
        ("PUT", base + "/a%2Fb%20%C3%BC"),
        ("GET", base + "/a%2Fb%20%C3%BC"),
        ("GET", base + "/a%2Fb%20%C3%BC"),
        ("HEAD", base + "/a%2Fb%20%C3%BC"),
        ("GET", base + "?prefix=a%2F"),
        ("DELETE", base + "/a%2Fb%20%C3%BC"),
        ("HEAD", base + "/a%2Fb%20%C3%BC"),
        ("GET", base + "/a%2Fb%20%C3%BC"),
        ("POST", base + "/shared%3Al/append"),
        ("POST", base + "/shared%3An/incr"),
    ]
    assert store.seen[0]["body"] == b'{"x":[1]}'
    assert {seen["x-vestibule-viewer-token"] for seen in store.seen} == {"token-of-alice"}
    assert store.connections == 1


def test_each_lane_says_for_whom_it_calls(store: FakeStore) -> None:
    vestibule.kv.get("shared:x")
    with calling(None):
        vestibule.kv.get("shared:x")
        with pytest.raises(AuthError, match="Sign in first"):
            vestibule.kv.set("shared:x", 1)
    with calling("alice"):
        vestibule.kv.get("shared:x")
    lanes = [(seen.get("x-vestibule-viewer-token"), seen.get("x-vestibule-lane")) for seen in store.seen]
    assert lanes == [(None, None), (None, "request"), (None, "request"), ("token-of-alice", None)]
    assert {seen["authorization"] for seen in store.seen} == {"Bearer vst_a_test"}


def test_conditions_travel_as_headers(store: FakeStore) -> None:
    vestibule.kv.set("a", 1, version=0)
    vestibule.kv.set("a", 2, version=1)
    with pytest.raises(Conflict) as caught:
        vestibule.kv.set("a", 3, version=1)
    assert caught.value.version == 2
    assert store.seen[0]["if-none-match"] == "*"
    assert store.seen[1]["if-match"] == '"1"'


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, {"error": "bad_key", "message": "no"}, {}), BadKey),
        ((400, {"error": "bad_value", "message": "no"}, {}), BadValue),
        ((401, {"error": "unauthorized", "message": "no"}, {}), AuthError),
        ((403, {"error": "forbidden", "message": "no"}, {}), Forbidden),
        ((409, {"error": "version_conflict", "version": 4}, {}), Conflict),
        ((413, {"error": "value_too_large", "size": 300_000, "limit": 262_144}, {}), ValueTooLarge),
        ((413, {"error": "quota_exceeded", "message": "full"}, {}), ValueTooLarge),
        ((429, {"error": "rate_limited"}, {"Retry-After": "7"}), RateLimited),
        ((503, {"error": "unavailable"}, {}), Unavailable),
        ((500, {"error": "internal"}, {}), VestibuleError),
        ((302, None, {}), VestibuleError),
    ],
)
def test_a_refused_write_raises_its_error(store: FakeStore, answer: Any, kind: type[VestibuleError]) -> None:
    store.faults.append(answer)
    with pytest.raises(kind) as caught, calling("alice"):
        vestibule.kv.set("a", 1)
    assert type(caught.value) is kind
    assert "token-of-alice" not in str(caught.value)
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after == 7
    if answer[1] is not None:
        assert caught.value.code == answer[1]["error"]


def test_a_size_over_the_limit_names_key_and_numbers(store: FakeStore) -> None:
    store.faults.append((413, {"error": "value_too_large", "size": 300_000, "limit": 262_144}, {}))
    with pytest.raises(ValueTooLarge, match="'a' has 300000 bytes; the limit is 262144"):
        vestibule.kv.set("a", 1)


def test_what_may_not_be_read_is_as_if_it_were_missing(store: FakeStore) -> None:
    for _ in range(2):
        store.faults.append((403, {"error": "forbidden"}, {}))
    assert vestibule.kv.get("a", 3) == 3
    assert not vestibule.kv.exists("a")


def test_another_404_is_not_a_missing_key(store: FakeStore) -> None:
    store.faults.append((404, {"error": "not_found", "message": "no such app"}, {}))
    with pytest.raises(VestibuleError, match="no such app"):
        vestibule.kv.get("a")


@pytest.mark.parametrize("fault", [Fault.HANG_UP, Fault.DO_AND_HANG_UP])
def test_calls_that_can_be_repeated_are(store: FakeStore, fault: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: vestibule.kv.set("a", 1),
        lambda: vestibule.kv.get("a"),
        lambda: vestibule.kv.exists("a"),
        lambda: vestibule.kv.list(),
        lambda: vestibule.kv.delete("a"),
    ]
    for call in calls:
        store.seen.clear()
        store.faults.extend([fault, fault])
        call()
        assert len(store.seen) == 3


def test_after_three_tries_the_store_is_unavailable(store: FakeStore) -> None:
    store.faults.extend([Fault.HANG_UP] * 3)
    with pytest.raises(Unavailable, match="could not be reached"):
        vestibule.kv.get("a")
    assert len(store.seen) == 3


def test_calls_that_cannot_be_repeated_are_sent_once(store: FakeStore) -> None:
    calls: list[Callable[[], object]] = [
        lambda: vestibule.kv.append("a", 1),
        lambda: vestibule.kv.incr("b"),
        lambda: vestibule.kv.set("c", 1, version=0),
    ]
    for call in calls:
        store.seen.clear()
        store.faults.append(Fault.DO_AND_HANG_UP)
        with pytest.raises(Unavailable, match="not known whether the change was made"):
            call()
        assert len(store.seen) == 1
    assert vestibule.kv.get("a") == [1]


def test_a_connection_the_server_closed_meanwhile_is_not_used(store: FakeStore) -> None:
    store.faults.append(Fault.CLOSE_AFTER)
    vestibule.kv.get("a")
    backend = vestibule_client._store()
    assert isinstance(backend, vestibule_client.HttpStore)
    deadline = threading.Event()
    for _ in range(1000):
        if vestibule_client._is_stale(backend._idle[-1]):
            break
        deadline.wait(0.01)
    # Not repeatable, and yet it works: the closed connection is seen before anything is sent.
    assert vestibule.kv.append("l", 1) == 1
    assert store.connections == 2


def test_a_server_that_restarts_is_found_again(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(store.server_address)
    os.rename(address, address + ".away")
    pauses: list[float] = []

    def come_back(pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 2:
            os.rename(address + ".away", address)

    monkeypatch.setattr(time, "sleep", come_back)
    assert vestibule.kv.append("l", 1) == 1
    assert len(pauses) == 2


def test_no_server_at_all_is_unavailable(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    os.unlink(str(store.server_address))
    with pytest.raises(Unavailable) as caught:
        vestibule.kv.set("a", 1)
    assert "not known" not in str(caught.value)
    assert caught.value.status == 503


def test_a_silent_server_is_given_up(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vestibule_client, "TOTAL_S", 0.1)
    store.faults.append(Fault.SILENCE)
    with pytest.raises(Unavailable, match="did not answer within"):
        vestibule.kv.get("a")
    assert len(store.seen) == 1


def test_an_app_without_an_address_of_the_store_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VESTIBULE_DATA_SOCKET")
    vestibule_client.reset()
    with pytest.raises(Unavailable, match="VESTIBULE_DATA_SOCKET"):
        vestibule.kv.get("a")


def test_the_store_may_be_at_a_url(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from fake_store import Handler

    class TcpStore(HTTPServer):
        answer = staticmethod(store.answer)
        seen = store.seen
        faults = store.faults
        meet = None
        connections = 0

    server = TcpStore(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        monkeypatch.delenv("VESTIBULE_DATA_SOCKET")
        monkeypatch.setenv("VESTIBULE_DATA_URL", f"http://127.0.0.1:{server.server_port}")
        vestibule_client.reset()
        vestibule.kv.set("shared:a", 1)
        assert vestibule.kv.get("shared:a") == 1
        backend = vestibule_client._store()
        assert isinstance(backend, vestibule_client.HttpStore)
        backend._idle.pop().close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_threads_share_the_pool_and_get_their_own_answers(store: FakeStore) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        with calling(f"p{number}"):
            for turn in range(30):
                vestibule.kv.set("x", [number, turn])
                got = vestibule.kv.get("x")
                if got != [number, turn]:
                    wrong.append(got)
                vestibule.kv.append("shared:all", number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(vestibule.kv.get("shared:all")) == 360
    assert store.connections <= 13


def test_updates_from_many_threads_are_all_kept() -> None:
    def work() -> None:
        for _ in range(10):
            vestibule.kv.update("shared:n", lambda old: old + 1, default=0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert vestibule.kv.get("shared:n") == 80


def test_the_awaitable_twins_leave_the_loop_free_and_keep_the_viewer(store: FakeStore) -> None:
    # Every answer waits until all eight requests are there: blocking calls would never finish.
    store.meet = threading.Barrier(8)

    async def one(number: int) -> object:
        with calling(f"p{number}"):
            await vestibule.kv.aset("x", number)
            return await vestibule.kv.aget("x")

    async def work() -> list[object]:
        return await asyncio.gather(*(one(number) for number in range(8)))

    assert asyncio.run(work()) == list(range(8))
    store.meet = None


def test_two_hundred_awaited_appends_lose_none() -> None:
    async def work() -> None:
        await asyncio.gather(*(vestibule.kv.aappend("shared:l", number) for number in range(200)))

    asyncio.run(work())
    assert sorted(vestibule.kv.get("shared:l")) == list(range(200))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_opens_connections_of_its_own(store: FakeStore) -> None:
    with calling("alice"):
        vestibule.kv.set("x", 1)
        asyncio.run(_touch())
        connections = store.connections
        child = os.fork()
        if child == 0:
            try:
                ok = vestibule.kv.get("x") == 1
                asyncio.run(_touch())
                os._exit(0 if ok else 1)
            except BaseException:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert store.connections > connections
        assert vestibule.kv.get("x") == 1


async def _touch() -> None:
    await vestibule.kv.aget("x")


def test_a_thread_without_the_viewer_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    vestibule_client.mark_serving()

    def work() -> None:
        for _ in range(3):
            vestibule.kv.get("draft")
            vestibule.kv.get("shared:x")

    with calling("alice"):
        for _ in range(2):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "test_transport.py:" in caplog.text
    assert "'draft'" in caplog.text


def test_the_viewer_can_be_handed_over_to_a_thread(store: FakeStore, caplog: pytest.LogCaptureFixture) -> None:
    vestibule_client.mark_serving()

    def with_viewer(viewer: Viewer) -> None:
        with vestibule.as_viewer(viewer):
            vestibule.kv.set("by-viewer", 1)

    with calling("alice") as alice:
        assert alice is not None
        for thread in (
            threading.Thread(target=with_viewer, args=(alice,)),
            threading.Thread(target=vestibule.copy_context().run, args=(vestibule.kv.set, "by-context", 1)),
        ):
            thread.start()
            thread.join()
        assert vestibule.kv.list() == ["personal:by-context", "personal:by-viewer"]
    assert caplog.records == []


def test_nobody_can_be_made_up_on_the_platform() -> None:
    stranger = Viewer(id="id-of-alice", email="", username="alice", verified=True)
    with pytest.raises(AuthError), vestibule.as_viewer(stranger):
        pass
    with pytest.raises(VestibuleError), vestibule.test_viewer("alice"):
        pass


def test_a_development_viewer_counts_for_nothing_on_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_DEV_VIEWER", "alice")
    assert vestibule.viewer() is None


def test_an_interrupted_exchange_leaves_no_connection_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    vestibule.kv.set("shared:a", "first")
    with monkeypatch.context() as patch:

        def interrupted(_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(http.client.HTTPConnection, "getresponse", interrupted)
        with pytest.raises(KeyboardInterrupt):
            vestibule.kv.get("shared:b")
    assert vestibule.kv.get("shared:a") == "first"


def test_a_real_token_is_never_in_a_message(store: FakeStore) -> None:
    secret = token()
    current = current_lane.set(RequestLane(Viewer(id="i", email="e", username="u", verified=True), secret))
    try:
        store.faults.extend([Fault.HANG_UP] * 3)
        with pytest.raises(Unavailable) as caught:
            vestibule.kv.get("a")
        assert secret not in repr(caught.value)
        assert secret not in repr(vestibule.viewer())
    finally:
        current_lane.reset(current)
