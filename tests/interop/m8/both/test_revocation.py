"""What ends a token, and that a service notices with its next request."""

import pytest
from consumer import Service, StartService
from harness.issuer import PRIVATE_API_SECRET, Issuer, SignedIn, StartIssuer, cookie_of
from harness.process import wait_until

REVOKED = {"detail": "Token has been revoked."}
UNAVAILABLE = {"detail": "Token revocation check unavailable."}


def refused(service: Service, held: SignedIn) -> None:
    """The service, too, must refuse at once: there is no waiting in here."""
    answer = service.get("/me", held)
    assert (answer.status_code, answer.json()) == (403, REVOKED)


def refused_by_issuer(issuer: Issuer, held: SignedIn) -> None:
    answer = issuer.client.get("/profile/get/me/", headers=held.bearer)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Session revoked"})


def test_logout_takes_effect_at_once(issuer: Issuer, service: Service) -> None:
    held = issuer.sign_in()
    assert service.status("/me", held) == 200
    answer = issuer.logout(held)
    assert (answer.status_code, answer.json()) == (200, {"success": True, "msg": "Logged out successfully"})
    cookie = cookie_of(answer)
    assert cookie.startswith(('refresh_token="";', "refresh_token=;"))
    assert "Max-Age=0" in cookie
    assert "Path=/" in cookie
    refused(service, held)
    refused_by_issuer(issuer, held)
    assert issuer.try_refresh(held.refresh).status_code == 401


def test_logout_needs_no_refresh_cookie(issuer: Issuer, service: Service) -> None:
    held = issuer.sign_in()
    assert issuer.client.post("/login/logout/", headers=held.bearer).status_code == 200
    refused(service, held)
    assert issuer.try_refresh(held.refresh).status_code == 401


def test_logout_needs_a_token(issuer: Issuer) -> None:
    answer = issuer.client.post("/login/logout/")
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


def test_logout_on_one_device_leaves_the_other(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    desk, phone = issuer.login(person), issuer.login(person)
    assert issuer.logout(desk).status_code == 200
    refused(service, desk)
    assert service.status("/me", phone) == 200
    assert service.status("/me", issuer.refresh(phone)) == 200


def test_a_disabled_account_is_out_at_once(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    held = issuer.login(person)
    issuer.change(person, is_active=False)
    refused(service, held)
    assert issuer.try_refresh(held.refresh).status_code == 401
    again = issuer.try_login(person.email, person.password)
    assert (again.status_code, again.json()) == (400, {"detail": "Invalid credentials or inactive user"})


def test_an_enabled_account_does_not_get_its_old_tokens_back(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    held = issuer.login(person)
    issuer.change(person, is_active=False)
    issuer.change(person, is_active=True)
    refused(service, held)
    assert issuer.try_refresh(held.refresh).status_code == 401
    assert service.status("/me", issuer.login(person)) == 200


def test_a_deleted_account_is_out_at_once(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    held = issuer.login(person)
    answer = issuer.client.delete(f"/users/delete/{person.id}/", headers=issuer.superuser().bearer)
    assert (answer.status_code, answer.json()) == (200, {"message": "User deleted successfully"})
    refused(service, held)
    assert issuer.try_refresh(held.refresh).status_code == 401


def test_a_changed_role_is_there_after_the_next_refresh_and_the_old_token_is_dead(
    issuer: Issuer, service: Service
) -> None:
    person = issuer.person("admin")
    held = issuer.login(person)
    assert service.status("/admin", held) == 200
    issuer.change(person, role="user")
    refused(service, held)
    renewed = issuer.refresh(held)
    assert renewed.claims["role"] == "user"
    assert service.status("/me", renewed) == 200
    assert service.status("/admin", renewed) == 403


def test_a_changed_password_ends_the_other_sessions(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    desk, thief = issuer.login(person), issuer.login(person)
    change = {"current_password": person.password, "new_password": "a better one than before"}
    answer = issuer.client.patch("/profile/me/password/", json=change, headers=desk.bearer)
    assert (answer.status_code, answer.json()) == (200, {"message": "Password updated successfully"})
    refused(service, thief)
    assert issuer.try_refresh(thief.refresh).status_code == 401
    # Who changed it stays signed in.
    assert service.status("/me", issuer.refresh(desk)) == 200


def test_a_session_ended_by_a_superuser_is_out_at_once(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    first, second = issuer.login(person), issuer.login(person)
    answer = issuer.client.delete(f"/sessions/delete-by-user/{person.id}/", headers=issuer.superuser().bearer)
    assert answer.status_code == 200, answer.text
    refused(service, first)
    refused(service, second)


def test_a_revoked_token_stays_revoked_when_the_issuer_is_killed(
    start_issuer: StartIssuer, start_service: StartService
) -> None:
    issuer = start_issuer()
    service = start_service(issuer)
    held, other = issuer.sign_in(), issuer.sign_in()
    assert issuer.logout(held).status_code == 200
    issuer.kill()
    issuer.start()
    refused(service, held)
    assert service.status("/me", other) == 200


def test_a_wrong_shared_secret_is_not_mistaken_for_a_good_token(issuer: Issuer, start_service: StartService) -> None:
    service = start_service(issuer, PRIVATE_API_SECRET="Mistyped-Secret_0123456789-abcdefgh")
    answer = service.get("/me", issuer.sign_in())
    assert (answer.status_code, answer.json()) == (503, UNAVAILABLE)


def test_a_service_whose_issuer_is_gone_lets_nobody_in_and_recovers(
    start_issuer: StartIssuer, start_service: StartService
) -> None:
    issuer = start_issuer()
    service = start_service(issuer)
    held = issuer.sign_in()
    assert service.status("/me", held) == 200
    issuer.stop()
    answer = service.get("/me", held)
    assert (answer.status_code, answer.json()) == (503, UNAVAILABLE)
    issuer.start()
    wait_until("the service works again", lambda: service.status("/me", held) == 200)


@pytest.mark.parametrize("secret", ["", "wrong", "Shared-With_Vestibule-0123456789-ab", PRIVATE_API_SECRET + "x"])
def test_introspection_is_for_those_who_know_the_secret(issuer: Issuer, secret: str) -> None:
    answer = issuer.introspect(issuer.sign_in().claims["jti"], secret)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})


def test_introspection_answers_with_a_boolean(issuer: Issuer) -> None:
    held = issuer.sign_in()
    jti = held.claims["jti"]
    assert issuer.introspect(jti).json() == {"active": True}
    issuer.logout(held)
    assert issuer.introspect(jti).json() == {"active": False}
    # What was never issued is not good, either.
    assert issuer.introspect("0b7d7f0e-6a4e-4d0f-9a53-0d9f3b6f2c11").json() == {"active": False}


@pytest.mark.parametrize("body", [{}, {"jti": ""}, {"jti": 7}, {"jti": None}, []])
def test_introspection_of_nothing_is_refused(issuer: Issuer, body: object) -> None:
    headers = {"X-Internal-Token": PRIVATE_API_SECRET}
    answer = issuer.client.post("/private/v1/jti-status", json=body, headers=headers)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], list)
