"""Refreshing: parallel requests sign nobody out, a thief does not stay."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from consumer import Service
from harness.issuer import Issuer, refresh_of, signed_in
from harness.process import wait_until

# The grace of an old access token, and what a busy machine and a service's cache may add to it, in seconds.
GRACE_AND_MORE = 120.0


def test_a_refresh_gives_a_new_pair_of_the_same_person(issuer: Issuer, service: Service) -> None:
    held = issuer.sign_in()
    renewed = issuer.refresh(held)
    assert renewed.access != held.access
    assert renewed.refresh != held.refresh
    assert renewed.claims["sub"] == held.claims["sub"]
    assert renewed.claims["jti"] != held.claims["jti"]
    assert service.status("/me", renewed) == 200


def test_requests_in_flight_survive_a_refresh(issuer: Issuer, service: Service) -> None:
    held = issuer.sign_in()
    issuer.refresh(held)
    assert service.status("/me", held) == 200


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        (None, "Refresh token missing"),
        ("", None),
        ("garbage", "Invalid refresh token"),
        ("vst_r_" + "A" * 43, "Invalid refresh token"),
        ("a.b.c", "Invalid refresh token"),
    ],
)
def test_what_is_no_refresh_token_is_refused(issuer: Issuer, token: str | None, detail: str | None) -> None:
    headers = {} if token is None else {"Cookie": f"refresh_token={token}"}
    answer = issuer.client.post("/login/refresh-token/", headers=headers)
    assert answer.status_code == 401
    if detail:
        assert answer.json() == {"detail": detail}


def test_an_access_token_is_no_refresh_token(issuer: Issuer) -> None:
    answer = issuer.try_refresh(issuer.sign_in().access)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid refresh token"})


def test_a_refresh_token_is_no_access_token(issuer: Issuer, service: Service) -> None:
    assert service.status("/me", issuer.sign_in().refresh) == 403


@pytest.mark.parametrize("rounds", [3])
def test_parallel_refreshes_sign_nobody_out(issuer: Issuer, service: Service, rounds: int) -> None:
    held = issuer.sign_in()
    for _ in range(rounds):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _, token=held.refresh: issuer.try_refresh(token), range(3)))
        won = [answer for answer in answers if answer.status_code == 200]
        lost = [answer for answer in answers if answer.status_code != 200]
        # The browser holds the cookie of the one that won; those who lost set none.
        assert len(won) == 1, [answer.text for answer in answers]
        for answer in lost:
            assert answer.status_code == 401
            assert "reuse" in answer.json()["detail"].lower()
            assert "set-cookie" not in answer.headers or refresh_of(answer) == refresh_of(won[0])
        held = signed_in(won[0])
        assert service.status("/me", held) == 200


def test_a_late_twin_leaves_the_session_alive(issuer: Issuer, service: Service) -> None:
    held = issuer.sign_in()
    renewed = issuer.refresh(held)
    twin = issuer.try_refresh(held.refresh)
    assert twin.status_code == 401
    assert twin.json()["detail"].startswith("Token reuse detected")
    assert service.status("/me", renewed) == 200
    assert service.status("/me", issuer.refresh(renewed)) == 200


@pytest.mark.slow
def test_a_stolen_token_that_comes_late_ends_the_session(issuer: Issuer, service: Service) -> None:
    stolen = issuer.sign_in()
    successor = issuer.refresh(stolen)
    current = issuer.refresh(successor)
    # For half a minute it could be the twin of a request in flight; the successor's access token lives as long.
    wait_until("the grace is over", lambda: service.status("/me", successor) == 403, GRACE_AND_MORE)
    assert service.status("/me", current) == 200
    replay = issuer.try_refresh(stolen.refresh)
    assert replay.status_code == 401
    assert "reuse" in replay.json()["detail"].lower()
    answer = service.get("/me", current)
    assert (answer.status_code, answer.json()) == (403, {"detail": "Token has been revoked."})
    assert issuer.try_refresh(current.refresh).status_code == 401


@pytest.mark.slow
def test_the_old_access_token_dies_half_a_minute_after_a_refresh(issuer: Issuer, service: Service) -> None:
    held = issuer.sign_in()
    renewed = issuer.refresh(held)
    assert service.status("/me", held) == 200
    wait_until("the old access token is dead", lambda: service.status("/me", held) == 403, GRACE_AND_MORE)
    assert service.status("/me", renewed) == 200


def test_a_pair_survives_the_death_of_the_issuer(start_issuer: object) -> None:
    assert callable(start_issuer)
    issuer: Issuer = start_issuer()
    held = issuer.refresh(issuer.sign_in())
    issuer.kill()
    issuer.start()
    assert issuer.introspect(held.claims["jti"]).json() == {"active": True}
    issuer.refresh(held)
