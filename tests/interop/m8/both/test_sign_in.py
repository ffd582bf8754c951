"""Signing in, and what the service then knows of a person."""

import re
from uuid import UUID

import pytest
from consumer import Service
from harness.issuer import AUDIENCE, Issuer, StartIssuer, cookie_of, signed_in

COOKIE = re.compile(r"refresh_token=vst_r_[A-Za-z0-9_-]{43}; HttpOnly; Max-Age=2592000; Path=/; SameSite=strict")


def test_a_person_who_signed_in_is_known_to_the_service(issuer: Issuer, service: Service) -> None:
    person = issuer.person("writer")
    answer = service.get("/me", issuer.login(person))
    assert answer.status_code == 200, answer.text
    user = answer.json()
    assert user["id"] == person.id
    assert user["email"] == person.email
    assert (user["role"], user["is_superuser"], user["is_active"]) == ("writer", False, True)


def test_the_body_holds_the_access_token_and_nothing_else(issuer: Issuer) -> None:
    answer = issuer.sign_in().answer
    assert answer.json().keys() == {"access_token", "token_type"}
    assert answer.json()["token_type"] == "bearer"


def test_the_cookie_is_written_exactly_as_clients_expect_it(issuer: Issuer) -> None:
    held = issuer.sign_in()
    assert COOKIE.fullmatch(cookie_of(held.answer))
    assert COOKIE.fullmatch(cookie_of(issuer.refresh(held).answer))


def test_the_cookie_is_secure_when_people_come_by_https(start_issuer: StartIssuer) -> None:
    issuer = start_issuer(server__public_url="https://auth.example.com", server__apps_domain="apps.example.net")
    cookie = cookie_of(issuer.sign_in().answer)
    assert COOKIE.fullmatch(cookie.removesuffix("; Secure"))
    assert cookie.endswith("; SameSite=strict; Secure")


def test_the_claims_have_the_types_that_strict_validators_want(issuer: Issuer) -> None:
    person = issuer.person("superadmin")
    claims = issuer.login(person).claims
    assert claims["sub"] == person.id
    assert str(UUID(claims["sub"])) == claims["sub"]
    assert claims["type"] == "access"
    assert claims["iss"] == issuer.name
    assert claims["aud"] == AUDIENCE
    for name in ("exp", "iat", "nbf"):
        assert type(claims[name]) is int
    assert claims["exp"] - claims["iat"] == 30 * 60
    assert isinstance(claims["jti"], str)
    assert 16 <= len(claims["jti"]) <= 128
    assert claims["email"] == person.email
    assert (claims["role"], claims["is_superuser"], claims["is_active"]) == ("superadmin", True, True)
    assert isinstance(claims["email_verified"], bool)
    for name in ("full_name", "avatar"):
        assert claims[name] is None or isinstance(claims[name], str)


@pytest.mark.parametrize("role", ["user", "reader", "writer", "admin", "superadmin"])
def test_the_flag_always_agrees_with_the_role(issuer: Issuer, role: str) -> None:
    claims = issuer.sign_in(role).claims
    assert (claims["role"], claims["is_superuser"]) == (role, role == "superadmin")


def test_the_address_may_be_typed_in_any_case_and_with_spaces(issuer: Issuer) -> None:
    person = issuer.person()
    signed_in(issuer.try_login(f" {person.email.upper()} ", person.password))


def test_nobody_learns_which_accounts_exist(issuer: Issuer) -> None:
    person = issuer.person()
    wrong = issuer.try_login(person.email, "wrong password")
    unknown = issuer.try_login("nobody-of-that-name@example.com", "wrong password")
    for answer in (wrong, unknown):
        assert answer.status_code == 400
        assert answer.json() == {"detail": "Invalid credentials or inactive user"}
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("form", [{}, {"username": "ada"}, {"password": "x"}, {"username": "", "password": ""}])
def test_a_form_with_a_field_missing_is_told_which(issuer: Issuer, form: dict[str, str]) -> None:
    answer = issuer.client.post("/login/access-token", data=form)
    assert answer.status_code == 422
    missing = [field for field in ("username", "password") if not form.get(field)]
    assert [entry["loc"] for entry in answer.json()["detail"]] == [["body", field] for field in missing]


def test_test_token_reads_the_account(issuer: Issuer) -> None:
    person = issuer.person()
    held = issuer.login(person)
    issuer.change(person, full_name="Ada Lovelace")
    answer = issuer.client.post("/login/test-token/", headers=issuer.refresh(held).bearer)
    assert answer.status_code == 200, answer.text
    user = answer.json()
    assert (user["id"], user["full_name"], user["provider"]) == (person.id, "Ada Lovelace", "password")
    assert user.keys() == {
        *("id", "provider", "email", "full_name", "avatar", "is_active", "email_verified"),
        *("is_superuser", "role", "created_at", "updated_at"),
    }
