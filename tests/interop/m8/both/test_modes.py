"""The three modes, which issuer and services must agree on (contract §1)."""

import pytest
from consumer import StartService
from harness.issuer import Issuer, StartIssuer, cookie_of, signed_in


def me(issuer: Issuer, bearer: dict[str, str]) -> int:
    return issuer.client.get("/profile/get/me/", headers=bearer).status_code


def test_hybrid_keeps_sessions_but_not_access_tokens(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer(issuer__mode="hybrid")
    service = start_service(issuer, TOKEN_MODE="hybrid")
    held = issuer.sign_in()
    assert service.status("/me", held) == 200
    renewed = issuer.refresh(held)
    assert issuer.try_refresh(held.refresh).status_code == 401
    assert issuer.logout(renewed).status_code == 200
    # The session is over, the access token is good until it expires.
    assert issuer.try_refresh(renewed.refresh).status_code == 401
    assert service.status("/me", renewed) == 200
    assert me(issuer, renewed.bearer) == 200
    assert issuer.introspect(renewed.claims["jti"]).json() == {"active": True}


def test_stateless_keeps_nothing(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer(issuer__mode="stateless")
    service = start_service(issuer, TOKEN_MODE="stateless", INTROSPECTION_URL=None, PRIVATE_API_SECRET=None)
    person = issuer.person("writer")
    held = issuer.login(person)
    assert service.status("/me", held) == 200
    assert held.refresh.count(".") == 2
    renewed = issuer.refresh(held)
    # A replay isn't detected: nothing is kept that could tell.
    again = signed_in(issuer.try_refresh(held.refresh))
    assert service.status("/me", again) == 200
    issuer.change(person, role="reader")
    assert service.status("/me", renewed) == 200
    logout = issuer.logout(renewed)
    assert logout.status_code == 200
    assert "Max-Age=0" in cookie_of(logout)
    assert service.status("/me", renewed) == 200
    assert issuer.introspect(renewed.claims["jti"]).json() == {"active": True}


def test_stateless_reads_the_account_at_each_refresh(start_issuer: StartIssuer) -> None:
    issuer = start_issuer(issuer__mode="stateless")
    person = issuer.person()
    held = issuer.login(person)
    issuer.change(person, is_active=False)
    answer = issuer.try_refresh(held.refresh)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid user or inactive user"})


@pytest.mark.parametrize("mode", ["hybrid", "stateless"])
def test_a_changed_password_ends_refreshing_in_every_mode(start_issuer: StartIssuer, mode: str) -> None:
    issuer = start_issuer(issuer__mode=mode)
    person = issuer.person()
    thief, held = issuer.login(person), issuer.login(person)
    change = {"current_password": person.password, "new_password": "a better one than before"}
    answer = issuer.client.patch("/profile/me/password/", json=change, headers=held.bearer)
    assert answer.status_code == 200, answer.text
    assert issuer.try_refresh(thief.refresh).status_code == 401


def test_sign_in_works_after_a_change_of_mode(start_issuer: StartIssuer) -> None:
    issuer = start_issuer(issuer__mode="stateless")
    person = issuer.person()
    before = issuer.login(person)
    issuer.settings = {**issuer.settings, "VESTIBULE_ISSUER__MODE": "stateful"}
    issuer.restart()
    assert issuer.try_refresh(before.refresh).status_code == 401
    assert issuer.introspect(before.claims["jti"]).json() == {"active": False}
    assert me(issuer, issuer.login(person).bearer) == 200
