"""`jti-status` of version 2: bound to a subject, with the generation that backs it."""

from typing import Any

import pytest
from auth_sdk_m8.testing import load_authorization_fixture_matrix
from harness.issuer import PRIVATE_API_SECRET, Issuer

HEADERS = {"X-Internal-Token": PRIVATE_API_SECRET}
INACTIVE = {"schema_version": "2", "active": False}


def ask(issuer: Issuer, **body: object) -> dict[str, Any]:
    answer = issuer.client.post("/private/v1/jti-status", json={"schema_version": "2", **body}, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert isinstance(found, dict)
    return found


def test_an_active_token_is_answered_with_its_subject_and_generation(issuer: Issuer) -> None:
    claims = issuer.sign_in().claims
    answer = ask(issuer, jti=claims["jti"], expected_user_id=claims["sub"])
    generation = answer.pop("auth_generation")
    assert answer == {"schema_version": "2", "active": True, "user_id": claims["sub"]}
    assert type(generation) is int
    assert generation >= 1


def test_every_cause_gets_the_same_answer(issuer: Issuer) -> None:
    person, other = issuer.person(), issuer.person()
    held = issuer.login(person)
    jti = held.claims["jti"]
    assert ask(issuer, jti=jti, expected_user_id=other.id) == INACTIVE
    assert ask(issuer, jti="0b7d7f0e-6a4e-4d0f-9a53-0d9f3b6f2c11", expected_user_id=person.id) == INACTIVE
    assert ask(issuer, jti=jti, expected_user_id="no uuid") == INACTIVE
    assert ask(issuer, jti=jti, expected_user_id=person.id, schema_version="3")["active"] is False
    issuer.logout(held)
    assert ask(issuer, jti=jti, expected_user_id=person.id) == INACTIVE
    again = issuer.login(person)
    issuer.change(person, is_active=False)
    assert ask(issuer, jti=again.claims["jti"], expected_user_id=person.id) == INACTIVE


def test_a_change_of_authority_raises_the_generation(issuer: Issuer) -> None:
    person = issuer.person()
    held = issuer.login(person)
    before = ask(issuer, jti=held.claims["jti"], expected_user_id=person.id)["auth_generation"]
    issuer.change(person, role="reader")
    assert ask(issuer, jti=held.claims["jti"], expected_user_id=person.id) == INACTIVE
    renewed = issuer.refresh(held)
    after = ask(issuer, jti=renewed.claims["jti"], expected_user_id=person.id)["auth_generation"]
    assert after > before


@pytest.mark.parametrize("version", [None, "1"])
def test_without_a_subject_it_is_version_1(issuer: Issuer, version: str | None) -> None:
    body = {"jti": issuer.sign_in().claims["jti"]} | ({"schema_version": version} if version else {})
    answer = issuer.client.post("/private/v1/jti-status", json=body, headers=HEADERS)
    assert answer.json() == {"active": True}


def test_answers_have_the_shape_of_the_fixtures(issuer: Issuer) -> None:
    fixtures = load_authorization_fixture_matrix()["jti_status_fixtures"]
    claims = issuer.sign_in().claims
    answer = ask(issuer, jti=claims["jti"], expected_user_id=claims["sub"])
    expected = fixtures["v2"]["active"]
    assert {name: type(value) for name, value in answer.items()} == {
        name: type(value) for name, value in expected.items()
    }
    assert ask(issuer, **fixtures["v2"]["request"]) == fixtures["v2"]["inactive"]
    answer_of_1 = issuer.client.post("/private/v1/jti-status", json=fixtures["v1"]["request"], headers=HEADERS)
    assert answer_of_1.json() == fixtures["v1"]["inactive"]
