"""Revocations that the issuer tells by its event stream, as guards and forked children hear of them."""

# No postponed annotations: FastAPI could not resolve local names.

import os
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from network_issuer import NetworkIssuer, wait_until

from vestibule.errors import InvalidToken
from vestibule.service import AuthDeps, build_auth_deps
from vestibule.testing import settings


@pytest.fixture
def issuer() -> Iterator[NetworkIssuer]:
    with NetworkIssuer().serving() as issuer:
        yield issuer


@pytest.fixture
def auth(issuer: NetworkIssuer) -> Iterator[AuthDeps]:
    overrides: dict[str, Any] = {"TOKEN_MODE": "stateful", "REVOCATION_SOURCE": "feed"}
    auth = build_auth_deps(settings(**issuer.settings(**overrides)))
    auth.start()
    wait_until(lambda: auth.statistics()["feed_current"] == 1.0 and auth.statistics()["keys_loaded"])
    yield auth
    auth.client.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_revocation_is_heard_of_without_a_question(auth: AuthDeps, issuer: NetworkIssuer) -> None:
    app = FastAPI()
    app.get("/", dependencies=[Depends(auth.get_current_user)])(lambda: "in")
    client = TestClient(app)
    token, other = issuer.token(), issuer.token()
    assert [client.get("/", headers=bearer(one)).status_code for one in (token, other)] == [200, 200]
    issuer.announce(token)
    wait_until(lambda: client.get("/", headers=bearer(token)).status_code == 401)
    answer = client.get("/", headers=bearer(token))
    assert answer.json() == {"detail": "The access token was revoked"}
    assert client.get("/", headers=bearer(other)).status_code == 200
    assert issuer.introspections == 0


@pytest.mark.parametrize(("policy", "status"), [("fail_closed", 503), ("introspect", 200), ("fail_open", 200)])
def test_a_route_says_what_holds_while_the_stream_is_broken_off(
    auth: AuthDeps, issuer: NetworkIssuer, policy: str, status: int
) -> None:
    app = FastAPI()
    guard = auth.require_role("user", stale_policy=policy)
    app.get("/", dependencies=[Depends(guard)])(lambda: "in")
    client = TestClient(app)
    token = issuer.token()
    assert client.get("/", headers=bearer(token)).status_code == 200
    issuer.streaming.clear()
    wait_until(lambda: auth.statistics()["feed_current"] == 0.0)
    assert client.get("/", headers=bearer(token)).status_code == status
    assert (issuer.introspections > 0) == (policy == "introspect")
    issuer.streaming.set()
    wait_until(lambda: auth.statistics()["feed_current"] == 1.0)
    assert client.get("/", headers=bearer(token)).status_code == 200


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_hears_of_revocations_too(auth: AuthDeps, issuer: NetworkIssuer) -> None:
    before, after = issuer.token(), issuer.token()
    for token in (before, after):
        assert auth.client.client.check_blocking(token) is not None
    issuer.announce(before)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            mine = auth.client.client

            def refused(token: str) -> bool:
                try:
                    mine.check_blocking(token)
                except InvalidToken as error:
                    return error.reason == "revoked"
                return False

            wait_until(lambda: refused(before))
            assert not refused(after)
            os.write(writing, b"x")
            wait_until(lambda: refused(after))
            code = 0
        finally:
            os._exit(code)
    assert os.read(reading, 1) == b"x"
    issuer.announce(after)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(reading)
    os.close(writing)
    # The parent has heard of both on its own connection.
    for token in (before, after):
        with pytest.raises(InvalidToken, match="revoked"):
            auth.client.client.check_blocking(token)
