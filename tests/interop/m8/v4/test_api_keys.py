"""API keys of people, as a service meets them."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from auth_sdk_m8.testing import load_authorization_fixture_matrix
from consumer import Service, StartService
from harness.issuer import Issuer, Person, SignedIn


@dataclass
class Key:
    owner: Person
    held: SignedIn
    made: dict[str, Any]

    @property
    def header(self) -> dict[str, str]:
        return {"X-API-Key": self.made["plaintext"]}


@pytest.fixture(scope="module")
def secret(issuer: Issuer) -> str:
    return issuer.register("notes", "introspection", "api-key-introspection")


@pytest.fixture
def service(issuer: Issuer, secret: str, start_service: StartService) -> Service:
    return start_service(
        issuer,
        INTERNAL_CLIENT_ID="notes",
        PRIVATE_API_SECRET=secret,
        API_KEY_INTROSPECTION_ENABLED="true",
    )


def create(issuer: Issuer, held: SignedIn, **fields: object) -> httpx.Response:
    body = {"name": "of a test", "ttl_hours": 1, "audiences": ["notes"], **fields}
    return issuer.client.post("/profile/api-keys/", json=body, headers=held.bearer)


def key(issuer: Issuer, role: str = "writer", **fields: object) -> Key:
    owner = issuer.person(role)
    held = issuer.login(owner)
    answer = create(issuer, held, **fields)
    assert answer.status_code == 201, answer.text
    return Key(owner, held, answer.json())


def test_a_key_stands_for_its_owner(issuer: Issuer, service: Service) -> None:
    mine = key(issuer)
    answer = service.get("/key", **mine.header)
    assert answer.status_code == 200, answer.text
    principal = answer.json()
    assert principal["user_id"] == mine.owner.id
    assert (principal["role"], principal["access_mode"]) == ("writer", "read_only")


def test_what_a_key_may_is_what_the_sdk_says(issuer: Issuer, service: Service) -> None:
    rows = load_authorization_fixture_matrix()["audience_and_capability_policy_matrix"]
    paths = {"user": "/key", "reader": "/key/reader", "writer": "/key/writer"}
    keys: dict[tuple[str, str, bool], Key] = {}
    for row in rows:
        if row["capability_ceiling_error"]:
            continue
        which = (row["role"], row["access_mode"], row["has_audience"])
        if which not in keys:
            audiences = ["notes"] if row["has_audience"] else []
            keys[which] = key(issuer, row["role"], access_mode=row["access_mode"], audiences=audiences)
        answer = service.get(paths[row["required_role"]], **keys[which].header)
        expected = 200 if row["remote_allowed"] else 403 if row["remote_active"] else 401
        assert answer.status_code == expected, (row, answer.text)


def test_a_demoted_owner_has_a_demoted_key_at_once(issuer: Issuer, service: Service) -> None:
    mine = key(issuer, access_mode="read_write")
    assert service.get("/key/writer", **mine.header).status_code == 200
    issuer.change(mine.owner, role="user")
    assert service.get("/key/writer", **mine.header).status_code == 403


def unusable(service: Service, header: dict[str, str]) -> None:
    answer = service.get("/key", **header)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid or expired API key"})


def test_unusable_keys_all_look_the_same(issuer: Issuer, service: Service) -> None:
    unusable(service, {})
    unusable(service, {"X-API-Key": "ak_" + "0" * 32})
    unusable(service, key(issuer, audiences=[]).header)
    revoked = key(issuer)
    path = f"/profile/api-keys/{revoked.made['id']}"
    assert issuer.client.delete(path, headers=revoked.held.bearer).status_code == 200
    unusable(service, revoked.header)
    disabled = key(issuer)
    issuer.change(disabled.owner, is_active=False)
    unusable(service, disabled.header)
    deleted = key(issuer)
    path = f"/users/delete/{deleted.owner.id}/"
    assert issuer.client.delete(path, headers=issuer.superuser().bearer).status_code == 200
    unusable(service, deleted.header)


def test_a_key_is_shown_once(issuer: Issuer) -> None:
    mine = key(issuer)
    assert mine.made["plaintext"].startswith("ak_")
    assert len(mine.made["plaintext"]) == 35
    listed = issuer.client.get("/profile/api-keys/", headers=mine.held.bearer).json()
    assert [entry["id"] for entry in listed] == [mine.made["id"]]
    assert mine.made["plaintext"] not in str(listed)


def test_a_key_opens_nothing_that_wants_a_token(issuer: Issuer, service: Service) -> None:
    mine = key(issuer, "superadmin", access_mode="read_write")
    assert service.get("/admin", **mine.header).status_code == 401
    assert service.status("/admin", mine.made["plaintext"]) == 403


def test_the_issuer_verifies_a_key_and_tells_its_quota(issuer: Issuer) -> None:
    mine = key(issuer)
    first = issuer.client.get("/profile/api-keys/verify", headers=mine.header)
    second = issuer.client.get("/profile/api-keys/verify", headers=mine.header)
    assert (first.status_code, second.status_code) == (200, 200)
    left = [int(answer.headers["x-ratelimit-remaining"]) for answer in (first, second)]
    assert left[0] - left[1] == 1
    assert int(first.headers["x-ratelimit-limit"]) == 60


def test_a_spent_quota_is_429_at_the_service_too(issuer: Issuer, service: Service) -> None:
    mine = key(issuer)
    for _ in range(130):
        answer = service.get("/key", **mine.header)
        if answer.status_code != 200:
            break
    assert (answer.status_code, answer.json()) == (429, {"detail": "API key rate limit exceeded"})
    assert int(answer.headers["retry-after"]) >= 1
