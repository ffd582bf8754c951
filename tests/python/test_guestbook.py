"""The guestbook, outside the platform and behind the gate."""

from __future__ import annotations

from typing import Any

import pytest
from fake_store import FakeStore
from fastapi.testclient import TestClient
from tokens import token

import vestibule
from vestibule_auth import init_vestibule_auth


def alice() -> Any:
    return vestibule.test_viewer("alice")


def test_each_has_a_draft_and_all_share_the_book(guestbook: Any) -> None:
    client = TestClient(guestbook.app)
    with alice():
        assert client.get("/api/me").json()["username"] == "alice"
        assert client.put("/api/draft", json={"text": "of alice"}).status_code == 200
        assert client.post("/api/entries", json={"text": " hello "}).status_code == 201
    with vestibule.test_viewer("bob"):
        assert client.get("/api/draft").json() == {"text": ""}
        assert [(entry["by"], entry["text"]) for entry in client.get("/api/entries").json()] == [("alice", "hello")]
        client.post("/api/entries", json={"text": "me too"})
    with alice():
        assert client.get("/api/draft").json() == {"text": "of alice"}
        assert [entry["by"] for entry in client.get("/api/entries").json()] == ["bob", "alice"]


def test_the_page_works_with_plain_forms(guestbook: Any) -> None:
    client = TestClient(guestbook.app)
    with alice():
        answer = client.post("/entries", data={"text": "<b>é</b>\r\n& more"}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        client.post("/draft", data={"text": "\n</textarea>draft"})
        page = client.get("/")
    assert page.status_code == 200
    assert "&lt;b&gt;é&lt;/b&gt;\n&amp; more" in page.text
    assert "\n\n&lt;/textarea&gt;draft</textarea>" in page.text
    assert 'id="viewer">alice<' in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/static/guestbook.css").status_code == 200
    assert client.get("/static/guestbook.js").status_code == 200


def test_what_is_too_long_or_empty_is_refused_and_not_lost(guestbook: Any) -> None:
    client = TestClient(guestbook.app)
    with alice():
        assert "at most 280 characters; yours has 281" in client.post("/entries", data={"text": "x" * 281}).text
        assert "x" * 281 in client.post("/entries", data={"text": "x" * 281}).text
        assert client.post("/entries", data={"text": "é\r\n" * 140}).status_code == 200
        assert client.post("/entries", data={"text": " "}).status_code == 422
        assert client.post("/entries", content=b"").status_code == 422
        assert client.post("/draft", data={"text": "x" * 2001}).status_code == 422
        assert client.post("/draft", content=b"text=%ff").status_code == 400
        assert client.post("/draft", content=b"text=\xff").status_code == 400
        assert client.post("/draft", content=b"a=b&" * 100).status_code == 400
        assert client.post("/draft", content=b"text=" + b"x" * 40_000).status_code == 413
        assert client.post("/draft", data={"text": "x"}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert client.put("/api/draft", json={"text": "x" * 2001}).status_code == 422
        assert client.post("/api/entries", json={"text": "x" * 281}).status_code == 422
        assert client.post("/api/entries", json={"text": " \n"}).status_code == 422
        assert client.get("/api/draft").json() == {"text": ""}


def test_a_stranger_may_look_and_not_write(guestbook: Any) -> None:
    client = TestClient(guestbook.app)
    with alice():
        client.post("/api/entries", json={"text": "hello"})
    with vestibule.test_viewer(None):
        page = client.get("/").text
        assert "hello" in page
        assert "<form" not in page
        assert client.get("/api/me").json() is None
        assert client.get("/api/entries").json()[0]["text"] == "hello"
        for answer in (
            client.post("/entries", data={"text": "x"}),
            client.post("/draft", data={"text": "x"}),
            client.put("/api/draft", json={"text": "x"}),
            client.post("/api/entries", json={"text": "x"}),
        ):
            assert answer.status_code == 401


def test_the_book_keeps_the_newest_entries_and_fits_its_key(guestbook: Any) -> None:
    client = TestClient(guestbook.app)
    with vestibule.test_viewer("x" * 64):
        for number in range(guestbook.ENTRIES_KEPT + 2):
            text = f"{number} " + "💧" * 270
            assert client.post("/api/entries", json={"text": text}).status_code == 201
        entries = client.get("/api/entries").json()
    assert len(entries) == guestbook.ENTRIES_KEPT
    assert entries[0]["text"].startswith("151 ")
    assert entries[-1]["text"].startswith("2 ")


def test_behind_the_gate_it_belongs_to_the_viewer(guestbook: Any, platform: FakeStore) -> None:
    init_vestibule_auth(guestbook.app)
    client = TestClient(guestbook.app)
    assert client.get("/").status_code == 401
    assert client.get("/static/guestbook.css").status_code == 401
    one, two = token("alice"), token("bob")
    client.put("/api/draft", json={"text": "of alice"}, headers={"X-Vestibule-Viewer-Token": one})
    assert client.get("/api/draft", headers={"X-Vestibule-Viewer-Token": two}).json() == {"text": ""}
    assert client.get("/api/draft", headers={"X-Vestibule-Viewer-Token": one}).json() == {"text": "of alice"}
    me = client.get("/api/me", headers={"X-Vestibule-Viewer-Token": one}).json()
    assert me == {"id": "id-of-alice", "email": "alice@example.test", "username": "alice", "verified": True}


@pytest.mark.parametrize("field", ["by", "text"])
def test_nothing_anybody_wrote_becomes_markup(guestbook: Any, field: str) -> None:
    entry = {"by": "a", "text": "b", "at": "2026-01-01T00:00:00Z", field: "<script>alert(1)</script>\"'"}
    vestibule.kv.set("shared:entries", [entry])
    page = TestClient(guestbook.app).get("/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
