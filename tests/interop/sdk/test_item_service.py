"""The example on every database, as its README says it is used."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import databases
import pytest
from conftest import migrate
from databases import Database
from harness.issuer import Issuer
from service import Service


@pytest.fixture(scope="module", params=databases.ENGINES)
def kept_in(request: pytest.FixtureRequest, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Database:
    engine: str = request.param
    if reason := databases.missing(engine):
        pytest.skip(reason)
    database = databases.make(engine, tmp_path_factory.mktemp("database"))
    said = migrate(issuer, database)
    assert "upgrade" in (said.stdout + said.stderr).lower()
    return database


@pytest.fixture(scope="module", params=["app.main:app", "app.main_async:app"], ids=["threads", "async"])
def items(
    request: pytest.FixtureRequest, issuer: Issuer, kept_in: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service and its variant, which has the routes that show the difference."""
    service = Service(issuer, tmp_path_factory.mktemp("service"), kept_in, app=request.param)
    yield service
    service.close()


@pytest.fixture(scope="module")
def threads(issuer: Issuer, kept_in: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service alone."""
    service = Service(issuer, tmp_path_factory.mktemp("service"), kept_in)
    yield service
    service.close()


def test_migrations_may_run_again(issuer: Issuer, kept_in: Database) -> None:
    migrate(issuer, kept_in)
    assert kept_in.rows("SELECT version_num FROM alembic_version") == [("0001",)]


def test_models_and_migrations_agree(items: Service) -> None:
    checked = items.run("alembic", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_writer_keeps_items_and_nobody_else_sees_them(issuer: Issuer, items: Service) -> None:
    writer, other = issuer.sign_in("writer"), issuer.sign_in("reader")
    made = items.request("POST", "/", writer, json={"title": "  Ein Fahrrad 🚲 ", "note": "rot"})
    assert made.status_code == 201, made.text
    item = made.json()
    assert (item["title"], item["note"], item["owner_id"]) == ("Ein Fahrrad 🚲", "rot", writer.claims["sub"])
    assert item["created_at"].endswith(("Z", "+00:00"))
    assert [one["id"] for one in items.get("/", writer).json()] == [item["id"]]
    assert items.get("/", other).json() == []
    assert UUID(item["id"])


def test_what_is_kept_is_in_the_database(issuer: Issuer, items: Service) -> None:
    writer = issuer.sign_in("writer")
    title = f"unique {uuid4()}"
    items.request("POST", "/", writer, json={"title": title})
    assert (title,) in items.database.rows("SELECT title FROM items")


def test_items_are_listed_newest_first_and_in_parts(issuer: Issuer, threads: Service) -> None:
    writer = issuer.sign_in("writer")
    for title in ("one", "two", "three"):
        threads.request("POST", "/", writer, json={"title": title})
    assert [one["title"] for one in threads.get("/", writer).json()] == ["three", "two", "one"]
    part = threads.get("/?limit=1&offset=1", writer).json()
    assert [one["title"] for one in part] == ["two"]
    assert threads.get("/?limit=1000", writer).status_code == 422


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("user", {"list": 200, "create": 403, "delete": 403, "forget": 403}),
        ("reader", {"list": 200, "create": 403, "delete": 403, "forget": 403}),
        ("writer", {"list": 200, "create": 201, "delete": 403, "forget": 403}),
        ("admin", {"list": 200, "create": 201, "delete": 404, "forget": 403}),
        ("superadmin", {"list": 200, "create": 201, "delete": 404, "forget": 200}),
    ],
)
def test_roles_decide_who_may_do_what(issuer: Issuer, threads: Service, role: str, may: dict[str, int]) -> None:
    held = issuer.sign_in(role)
    answers = {
        "list": threads.get("/", held),
        "create": threads.request("POST", "/", held, json={"title": "mine"}),
        "delete": threads.request("DELETE", f"/{uuid4()}", held),
        "forget": threads.request("DELETE", f"/of/{uuid4()}", held),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == may


def test_an_administrator_deletes_what_somebody_else_keeps(issuer: Issuer, threads: Service) -> None:
    writer, admin = issuer.sign_in("writer"), issuer.sign_in("admin")
    item = threads.request("POST", "/", writer, json={"title": "rude"}).json()["id"]
    assert threads.get(f"/{item}", admin).status_code == 200
    assert threads.request("PATCH", f"/{item}", admin, json={"title": "kind"}).status_code == 403
    assert threads.request("DELETE", f"/{item}", admin).status_code == 204
    assert threads.get(f"/{item}", writer).status_code == 404


def test_changes_are_kept(issuer: Issuer, threads: Service) -> None:
    writer = issuer.sign_in("writer")
    made = threads.request("POST", "/", writer, json={"title": "draft", "note": "n"}).json()
    changed = threads.request("PATCH", f"/{made['id']}", writer, json={"title": "final"}).json()
    assert (changed["title"], changed["note"]) == ("final", "n")
    assert changed["updated_at"] > made["updated_at"]
    assert threads.get(f"/{made['id']}", writer).json() == changed


def test_a_superuser_forgets_an_account(issuer: Issuer, threads: Service) -> None:
    writer, superuser = issuer.sign_in("writer"), issuer.sign_in("superadmin")
    for title in ("one", "two"):
        threads.request("POST", "/", writer, json={"title": title})
    gone = threads.request("DELETE", f"/of/{writer.claims['sub']}", superuser)
    assert (gone.status_code, gone.json()) == (200, {"items": 2})
    assert threads.get("/", writer).json() == []


def test_without_a_token_only_the_count_is_told(issuer: Issuer, threads: Service) -> None:
    assert threads.get("/count").status_code == 200
    answer = threads.get("/")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_what_is_no_item_is_refused(issuer: Issuer, items: Service) -> None:
    writer = issuer.sign_in("writer")
    refused: list[object] = [{}, {"title": "  "}, {"title": "x" * 201}, {"title": "x", "owner_id": str(uuid4())}, []]
    for body in refused:
        assert items.request("POST", "/", writer, json=body).status_code == 422


def test_health_and_metrics_are_there(items: Service) -> None:
    assert items.get("/health/").json() == {"status": "ok"}
    assert items.client.get("/readyz").status_code == 200
    told = items.client.get("/metrics")
    assert told.status_code == 200
    assert "http_requests_total" in told.text


def test_every_route_is_guarded_or_marked(items: Service) -> None:
    audit = items.run("vestibule", "audit", items.app)
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_an_unguarded_route_is_found(service: Service) -> None:
    audit = service.run("vestibule", "audit", "leaky:app")
    assert audit.returncode == 1, audit.stdout + audit.stderr
    assert "/secrets" in audit.stdout + audit.stderr
