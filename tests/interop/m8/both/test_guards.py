"""Who is let in by the service's guards, and what the others are told."""

import pytest
from consumer import GENERATION, Service
from harness.issuer import Issuer, SignedIn

ROLES = ["user", "reader", "writer", "admin", "superadmin"]
GUARDS = {"/me": "user", "/writer": "writer", "/admin": "admin", "/superuser": "superadmin"}
if GENERATION == "v1":
    del GUARDS["/writer"]


@pytest.fixture(scope="module")
def signed_in(issuer: Issuer) -> dict[str, SignedIn]:
    return {role: issuer.sign_in(role) for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", GUARDS)
def test_a_guard_admits_its_role_and_those_above(
    service: Service, signed_in: dict[str, SignedIn], path: str, role: str
) -> None:
    answer = service.get(path, signed_in[role])
    if ROLES.index(role) >= ROLES.index(GUARDS[path]):
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code == 403
        assert answer.json() == {"detail": "The user doesn't have enough privileges"}


@pytest.mark.parametrize("header", [None, "Basic YWRhOmFkYQ==", "Token abc"])
def test_no_credential_gets_a_challenge_from_both(issuer: Issuer, service: Service, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    for answer in (service.get("/me", **headers), issuer.client.get("/profile/get/me/", headers=headers)):
        assert answer.status_code == 401
        assert answer.json() == {"detail": "Not authenticated"}
        assert answer.headers["www-authenticate"] == "Bearer"


def tampered(token: str) -> str:
    head, _, tail = token.rpartition(".")
    return f"{head}.{tail[:-6]}{'A' * 6 if not tail.endswith('AAAAAA') else 'B' * 6}"


@pytest.mark.parametrize("make", [lambda token: "garbage", tampered, lambda token: token.rpartition(".")[0] + "."])
def test_a_bad_token_is_refused_alike_by_both(issuer: Issuer, service: Service, make: object) -> None:
    assert callable(make)
    token = make(issuer.sign_in().access)
    bearer = {"Authorization": f"Bearer {token}"}
    for answer in (service.get("/me", **bearer), issuer.client.get("/profile/get/me/", headers=bearer)):
        assert answer.status_code == 403
        assert answer.json() == {"detail": "Could not validate credentials."}
        assert "www-authenticate" not in answer.headers


def test_the_scheme_may_be_written_in_any_case(issuer: Issuer, service: Service) -> None:
    token = issuer.sign_in().access
    headers = {"Authorization": f"bEARER {token}"}
    assert service.get("/me", **headers).status_code == 200
    assert issuer.client.get("/profile/get/me/", headers=headers).status_code == 200


def test_a_token_of_another_issuer_is_refused(issuer: Issuer, service: Service, start_issuer: object) -> None:
    assert callable(start_issuer)
    other = start_issuer()
    assert service.status("/me", other.sign_in()) == 403
