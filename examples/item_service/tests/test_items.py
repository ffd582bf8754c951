"""Who may do what. Tokens are really signed and verified, by an issuer in memory."""

from __future__ import annotations

from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from app.main import app
from app.main_async import app as async_app
from app.settings import settings
from vestibule.testing import as_user


def test_nobody_reads_items_without_signing_in(client: TestClient) -> None:
    answer = client.get("/items/")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_everybody_may_know_how_many_there_are(client: TestClient) -> None:
    assert client.get("/items/count").json()["items"] >= 0


def test_a_reader_reads_and_may_not_write(client: TestClient) -> None:
    with as_user(app, "reader"):
        assert client.get("/items/").json() == []
        assert client.post("/items/", json={"title": "lamp"}).status_code == 403


def test_what_a_writer_keeps_is_theirs_alone(client: TestClient) -> None:
    with as_user(app, "writer") as writer:
        item = client.post("/items/", json={"title": " lamp ", "note": "blue"}).json()
        assert (item["title"], item["note"], item["owner_id"]) == ("lamp", "blue", str(writer.user.id))
        assert client.get("/items/").json() == [item]
        assert client.patch(f"/items/{item['id']}", json={"note": "red"}).json()["note"] == "red"
    with as_user(app, "writer"):
        assert client.get(f"/items/{item['id']}").status_code == 404
        assert client.patch(f"/items/{item['id']}", json={"note": "mine"}).status_code == 404
        assert client.delete(f"/items/{item['id']}").status_code == 403


def test_an_administrator_sees_and_deletes_but_does_not_change_what_others_keep(client: TestClient) -> None:
    with as_user(app, "writer"):
        item = client.post("/items/", json={"title": "rude"}).json()["id"]
    with as_user(app, "admin"):
        assert client.get(f"/items/{item}").status_code == 200
        assert client.patch(f"/items/{item}", json={"title": "kind"}).status_code == 403
        assert client.delete(f"/items/{item}").status_code == 204
        assert client.delete(f"/items/{item}").status_code == 404


def test_a_superuser_forgets_an_account(client: TestClient) -> None:
    with as_user(app, "writer") as writer:
        client.post("/items/", json={"title": "one"})
    with as_user(app, "admin"):
        assert client.delete(f"/items/of/{writer.user.id}").status_code == 403
    with as_user(app, "superadmin"):
        assert client.delete(f"/items/of/{writer.user.id}").json() == {"items": 1}
        assert client.delete(f"/items/of/{writer.user.id}").json() == {"items": 0}


def test_an_account_keeps_only_so_many(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ITEMS_PER_ACCOUNT", 1)
    with as_user(app, "writer"):
        assert client.post("/items/", json={"title": "one"}).status_code == 201
        assert client.post("/items/", json={"title": "two"}).status_code == 409


def test_a_token_that_ended_opens_nothing(client: TestClient) -> None:
    with as_user(app, "writer") as writer:
        assert client.get("/items/").status_code == 200
        writer.revoke()
        answer = client.get("/items/")
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_token_expires(client: TestClient) -> None:
    with as_user(app, "reader") as reader:
        reader.issuer.clock.advance(3600)
        assert client.get("/items/").status_code == 401


@pytest.mark.parametrize("body", [{}, {"title": " "}, {"title": "x" * 201}, {"title": "x", "owner_id": str(uuid4())}])
def test_what_is_no_item_is_refused(client: TestClient, body: dict[str, str]) -> None:
    with as_user(app, "writer"):
        assert client.post("/items/", json=body).status_code == 422


def test_the_variant_without_threads_keeps_the_same_items(client: TestClient, async_client: TestClient) -> None:
    with as_user(async_app, "writer") as writer:
        item = async_client.post("/items/", json={"title": "lamp"}).json()
        assert async_client.get("/items/").json() == [item]
        assert client.get("/items/", headers=writer.headers).json() == [item]
    with as_user(async_app, "reader"):
        assert async_client.get("/items/").json() == []
        assert async_client.post("/items/", json={"title": "lamp"}).status_code == 403
