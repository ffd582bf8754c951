"""Keys, values, scopes and versions, outside the platform."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import datetime
import decimal
import pickle
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import ellivate
import ellivate_client
import vestibule
import vestibule_client
from vestibule import (
    AuthError,
    BadKey,
    BadValue,
    Conflict,
    NotAvailable,
    ValueTooLarge,
    VestibuleError,
    Viewer,
)


def test_every_way_to_import_gives_the_same_object() -> None:
    from ellivate import ellivate as first
    from ellivate_client import ellivate as second
    from vestibule import vestibule as third

    assert first is second is third is vestibule_client.vestibule
    vestibule.kv.set("shared:x", 1)
    assert ellivate.get("shared:x") == 1
    assert ellivate_client.ellivate.kv.get("shared:x") == 1
    assert ellivate.list("shared:") == vestibule.list("shared:") == third.kv.list("shared:") == ["shared:x"]
    assert vestibule.viewer() is None


def test_the_modules_offer_everything_the_object_has() -> None:
    own = {name for name in dir(vestibule_client.vestibule) if not name.startswith("_")}
    for module in (vestibule, ellivate):
        assert own <= set(dir(module))
    assert not {"list", "set"} & set(vestibule.__all__)


def test_errors_have_both_names() -> None:
    assert ellivate.EllivateError is VestibuleError
    assert issubclass(ellivate.EllivateAuthError, ellivate.EllivateError)
    assert ellivate.EllivateValueTooLarge is vestibule.vestibule.ValueTooLarge
    assert issubclass(ellivate.EllivateKeyError, ValueError)


def test_a_value_comes_back_as_json_would_give_it() -> None:
    vestibule.kv.set("a", {"t": (1, 2), 3: None, "ü": "💧", "f": 0.1, "n": 2**60})
    assert vestibule.kv.get("personal:a") == {"t": [1, 2], "3": None, "ü": "💧", "f": 0.1, "n": 2**60}


def test_a_value_that_was_got_is_not_the_stored_one() -> None:
    vestibule.kv.set("a", [1])
    vestibule.kv.get("a").append(2)
    assert vestibule.kv.get("a") == [1]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_json_value_survives(value: Any) -> None:
    def holds_half_a_pair(part: Any) -> bool:
        return any("\ud800" <= letter <= "\udfff" for letter in repr(part)) or "\\ud" in repr(part)

    if holds_half_a_pair(value):
        return
    vestibule.kv.set("a", value)
    assert vestibule.kv.get("a") == value


class Model(BaseModel):
    name: str = "x"


@dataclasses.dataclass
class Plain:
    name: str = "x"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (datetime.datetime(2026, 1, 1), "datetime.datetime"),  # noqa: DTZ001
        ({1, 2}, "type set "),
        (b"x", "type bytes "),
        (decimal.Decimal("1"), "decimal.Decimal"),
        (uuid.UUID(int=1), "uuid.UUID"),
        (Plain(), "dataclasses.asdict"),
        (Model(), 'model_dump(mode="json")'),
        ({"deep": [Model()]}, "test_values.Model"),
        (object(), "type object "),
        (float("nan"), "NaN"),
        ([float("-inf")], "infinity"),
        ("\ud800", "surrogate"),
        ({(1, 2): 3}, "keys must be"),
    ],
)
def test_what_is_not_json_is_refused_by_name(value: Any, said: str) -> None:
    with pytest.raises(BadValue) as caught:
        vestibule.kv.set("a", value)
    assert said in str(caught.value)
    assert isinstance(caught.value, TypeError | ValueError)
    assert not vestibule.kv.exists("a")


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(BadValue, match="contains itself"):
        vestibule.kv.set("a", loop)
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(BadValue, match="deeply"):
        vestibule.kv.set("a", deep)
    for levels, fits in ((100, True), (101, False)):
        nested: Any = '[[\\["['
        for _ in range(levels):
            nested = [nested]
        if fits:
            vestibule.kv.set("a", nested)
        else:
            with pytest.raises(BadValue, match="100 levels"):
                vestibule.kv.set("a", nested)


def test_a_value_may_have_262144_bytes_and_not_one_more() -> None:
    vestibule.kv.set("a", "x" * (262_144 - 2))
    with pytest.raises(ValueTooLarge, match=r"'a' has 262145 bytes .* 262144.*blob"):
        vestibule.kv.set("a", "x" * (262_144 - 1))
    with pytest.raises(ValueTooLarge):
        vestibule.kv.set("a", "ü" * 131_072)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "personal:",
        "shared:",
        "public:",
        " a",
        "a ",
        "a\n",
        "\x00",
        "a\x7fb",
        "a\x85",
        "shared: a",
        "\u3000a",
        "x" * 513,
        "ü" * 257,
        "\udc00",
    ],
)
def test_a_bad_key_is_refused(key: str) -> None:
    for call in (vestibule.kv.get, vestibule.kv.delete, vestibule.kv.exists, vestibule.kv.incr):
        with pytest.raises(BadKey):
            call(key)
    with pytest.raises(ValueError, match="key"):
        vestibule.kv.set(key, 1)


@pytest.mark.parametrize("key", [None, 3, b"x", ["x"]])
def test_a_key_is_text(key: Any) -> None:
    with pytest.raises(BadKey, match="A key is text"):
        vestibule.kv.get(key)
    with pytest.raises(BadKey, match="A prefix is text"):
        vestibule.kv.list(key)


@pytest.mark.parametrize("key", ["a/b:c", "..", "ü b", "x" * 512, "a\u00a0b", "foo:bar", "Shared:x", "%2F?#", "shared"])
def test_a_good_key_is_taken_as_it_is(key: str) -> None:
    vestibule.kv.set(key, 1)
    assert vestibule.kv.list() == [f"personal:{key}"]
    assert vestibule.kv.get(f"personal:{key}") == 1


def test_scopes_keep_viewers_apart() -> None:
    with vestibule.test_viewer("alice") as alice:
        vestibule.kv.set("x", "of alice")
        vestibule.kv.set("shared:x", "of all")
        assert vestibule.viewer() == alice
    with vestibule.test_viewer("bob"):
        assert vestibule.kv.get("x") is None
        assert vestibule.kv.get("shared:x") == "of all"
        vestibule.kv.set("personal:x", "of bob")
        assert vestibule.kv.list("") == ["personal:x"]
        assert vestibule.kv.list("shared:") == ["shared:x"]
    with vestibule.test_viewer("alice"):
        assert vestibule.kv.get("x") == "of alice"
    assert vestibule.viewer() is None
    assert vestibule.kv.get("x") is None
    vestibule.kv.set("x", "of the app")
    with vestibule.test_viewer("bob"):
        assert vestibule.kv.get("x") == "of bob"


def test_an_anonymous_visitor_reads_what_is_shared_and_writes_nothing() -> None:
    vestibule.kv.set("shared:x", 1)
    with vestibule.test_viewer(None):
        assert vestibule.viewer() is None
        assert vestibule.kv.get("shared:x") == 1
        assert vestibule.kv.get("x", "none") == "none"
        assert vestibule.kv.list() == []
        for write in (
            lambda: vestibule.kv.set("x", 1),
            lambda: vestibule.kv.set("shared:x", 1),
            lambda: vestibule.kv.delete("x"),
            lambda: vestibule.kv.append("public:x", 1),
            lambda: vestibule.kv.incr("shared:x"),
        ):
            with pytest.raises(AuthError):
                write()


def test_a_stored_none_is_there_although_get_cannot_tell() -> None:
    vestibule.kv.set("a", None)
    assert vestibule.kv.get("a", 5) is None
    assert vestibule.kv.exists("a")
    assert vestibule.kv.list() == ["personal:a"]
    vestibule.kv.delete("a")
    vestibule.kv.delete("a")
    assert vestibule.kv.get("a", 5) == 5


def test_versions_guard_a_write() -> None:
    assert vestibule.kv.get_with_version("a", "none") == ("none", 0)
    vestibule.kv.set("a", 1, version=0)
    with pytest.raises(Conflict) as caught:
        vestibule.kv.set("a", 2, version=0)
    assert caught.value.version == 1
    vestibule.kv.set("a", 2, version=1)
    assert vestibule.kv.get_with_version("a") == (2, 2)
    for version in (-1, True, "1"):
        with pytest.raises(BadValue):
            vestibule.kv.set("a", 2, version=version)  # type: ignore[arg-type]


def test_concurrent_changes_are_all_kept() -> None:
    def work() -> None:
        for _ in range(20):
            vestibule.kv.append("shared:list", 1)
            vestibule.kv.incr("shared:count", 2)
            vestibule.kv.update("shared:sum", lambda old: old + 1, default=0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(vestibule.kv.get("shared:list")) == 160
    assert vestibule.kv.get("shared:count") == 320
    assert vestibule.kv.get("shared:sum") == 160


def test_counting_and_appending_need_the_right_kind() -> None:
    vestibule.kv.set("a", {"x": 1})
    with pytest.raises(BadValue):
        vestibule.kv.append("a", 1)
    with pytest.raises(BadValue):
        vestibule.kv.incr("a")
    vestibule.kv.set("n", None)
    with pytest.raises(BadValue):
        vestibule.kv.append("n", 1)
    with pytest.raises(BadValue):
        vestibule.kv.incr("n")
    vestibule.kv.set("big", 2**63 - 1)
    with pytest.raises(BadValue, match="64 bits"):
        vestibule.kv.incr("big")
    for n in (float("nan"), True, "1", None, 2**63):
        with pytest.raises(BadValue):
            vestibule.kv.incr("b", n)  # type: ignore[arg-type]
    assert vestibule.kv.incr("b", 1.5) == 1.5
    assert vestibule.kv.append("c", [1]) == 1


def test_the_awaitable_twins_do_the_same() -> None:
    async def work() -> None:
        kv = vestibule.kv
        await kv.aset("a", 1)
        assert await kv.aget("a") == 1
        assert await kv.aget_with_version("a") == (1, 1)
        assert await kv.aexists("a")
        assert await kv.alist() == ["personal:a"]
        assert await kv.aupdate("a", lambda old: old + 1) == 2

        async def later(old: int) -> int:
            await asyncio.sleep(0)
            return old + 1

        assert await kv.aupdate("a", later) == 3
        assert await kv.aincr("a") == 4
        assert await kv.aappend("b", "x") == 1
        await kv.adelete("a")
        assert await vestibule.aget("a", 7) == 7

    asyncio.run(work())


def test_the_viewer_is_read_as_attributes_and_as_a_mapping() -> None:
    with vestibule.test_viewer("alice", email="a@b.c", verified=False) as viewer:
        assert viewer is not None
        assert (viewer.username, viewer["email"], viewer.get("nope", 1)) == ("alice", "a@b.c", 1)
        assert dict(viewer) == {"id": viewer.id, "email": "a@b.c", "username": "alice", "verified": False}
        assert "a@b.c" not in repr(viewer)
        assert viewer == Viewer(id=viewer.id, email="", username="", verified=True)
        assert len({viewer, copy.copy(viewer)}) == 1
        with pytest.raises(dataclasses.FrozenInstanceError):
            viewer.id = "x"  # type: ignore[misc]
        with pytest.raises(KeyError):
            viewer["role"]
        twin = pickle.loads(pickle.dumps(viewer))
        assert dict(twin) == dict(viewer)
        assert not hasattr(twin, "_lane")


def test_what_the_server_does_not_have_says_so() -> None:
    calls: list[Callable[[], object]] = [
        lambda: vestibule.blob.put(b"x", mime_type="text/plain"),
        lambda: vestibule.collection("x"),
        lambda: vestibule.reason("x"),
        lambda: vestibule.schedule.every("1h"),
        lambda: ellivate.notify("a", "b", "c"),
        lambda: ellivate.ellivate.connection("x"),
    ]
    for call in calls:
        with pytest.raises(NotAvailable, match="not available on this server"):
            call()
    assert not hasattr(vestibule.blob, "__wrapped__")


def test_a_file_keeps_the_data_of_development(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_DEV_STORE", str(tmp_path / "data.json"))
    monkeypatch.setenv("VESTIBULE_DEV_VIEWER", "alice")
    vestibule_client.reset()
    viewer = vestibule.viewer()
    assert viewer is not None
    assert viewer.username == "alice"
    vestibule.kv.set("a", {"x": 1})
    assert vestibule.kv.incr("n") == 1
    vestibule_client.reset()
    assert vestibule.kv.get("a") == {"x": 1}
    assert vestibule.kv.incr("n") == 2
    with vestibule.test_viewer("bob"):
        assert vestibule.kv.list() == []
