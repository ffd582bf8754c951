"""Who is calling: what is better than on the packages whose place this takes, at the same answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from conftest import MakeSettings, application
from fake_issuer import FakeIssuer
from fastapi import Depends, FastAPI, HTTPException, WebSocket
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from vestibule._core import SigningKey
from vestibule.service.routes import dependencies, served

from auth_sdk_m8.schemas.base import RoleType
from auth_sdk_m8.schemas.user import UserModel
from fastapi_m8 import AuthDeps

pytestmark = pytest.mark.anyio
MakeToken = Callable[..., str]


def client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_slow_key_set_does_not_stall_the_event_loop(
    issuer: FakeIssuer, make_settings: MakeSettings, make_token: MakeToken
) -> None:
    app, auth = application(make_settings(TOKEN_MODE="stateless"))
    issuer.hold.clear()
    async with client(app) as http:
        asked = asyncio.create_task(http.get("/me", headers=bearer(make_token())))
        # The loop goes round while the issuer keeps its answer to itself.
        assert await asyncio.to_thread(issuer.arrived.wait, 10)
        assert (await http.get("/items/openapi.json")).status_code == 200
        assert not asked.done()
        issuer.hold.set()
        assert (await asked).status_code == 200
    await auth.close()


async def test_a_key_set_that_cannot_be_had_is_503_and_not_500(
    issuer: FakeIssuer, make_settings: MakeSettings, make_token: MakeToken
) -> None:
    app, auth = application(make_settings(JWKS_URI=f"{issuer.base}/nowhere"))
    async with client(app) as http:
        for _ in range(2):
            answer = await http.get("/me", headers=bearer(make_token()))
            assert (answer.status_code, answer.json()) == (503, {"detail": "Token validation keys unavailable."})
            assert answer.headers["retry-after"].isdigit()
    await auth.close()


async def test_one_foreign_entry_in_the_key_set_spoils_no_other(
    issuer: FakeIssuer, make_settings: MakeSettings, make_token: MakeToken
) -> None:
    issuer.keys.insert(0, {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "foreign", "use": "sig"})
    issuer.keys.append({"kty": "RSA", "n": "AQAB", "kid": "broken"})
    app, auth = application(make_settings())
    async with client(app) as http:
        assert (await http.get("/me", headers=bearer(make_token()))).status_code == 200
    await auth.close()


async def test_a_new_key_is_good_without_a_blind_window(
    issuer: FakeIssuer, make_settings: MakeSettings, make_token: MakeToken
) -> None:
    app, auth = application(make_settings())
    async with client(app) as http:
        assert (await http.get("/me", headers=bearer(make_token()))).status_code == 200
        issuer.key = SigningKey.generate("RS256")
        issuer.keys.append(issuer.key.jwk())
        assert (await http.get("/me", headers=bearer(make_token(jti="by the new key")))).status_code == 200
    await auth.close()


async def test_questions_about_one_token_at_the_same_time_are_one(
    issuer: FakeIssuer, make_settings: MakeSettings, make_token: MakeToken
) -> None:
    app, auth = application(make_settings())
    token = make_token()
    async with client(app) as http:
        assert (await http.get("/me", headers=bearer(token))).status_code == 200
        issuer.asked.clear()
        issuer.arrived.clear()
        issuer.hold.clear()
        asked = [asyncio.create_task(http.get("/me", headers=bearer(token))) for _ in range(20)]
        assert await asyncio.to_thread(issuer.arrived.wait, 10)
        issuer.hold.set()
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    assert issuer.asked["good"] < 20
    await auth.close()


async def test_a_revoked_token_is_refused_with_the_next_request(
    issuer: FakeIssuer, make_settings: MakeSettings, make_token: MakeToken
) -> None:
    app, auth = application(make_settings())
    async with client(app) as http:
        answer = await http.get("/me", headers=bearer(make_token(jti="revoked")))
        assert (answer.status_code, answer.json()) == (403, {"detail": "Token has been revoked."})
    await auth.close()


async def test_fail_open_lets_a_token_pass_when_the_issuer_is_broken(
    make_settings: MakeSettings, make_token: MakeToken
) -> None:
    app, auth = application(make_settings(ACCESS_REVOCATION_FAILURE_MODE="fail_open"))
    async with client(app) as http:
        assert (await http.get("/me", headers=bearer(make_token(jti="broken")))).status_code == 200
    await auth.close()


async def test_a_mistyped_secret_does_not_switch_revocation_off_under_fail_open(
    make_settings: MakeSettings, make_token: MakeToken
) -> None:
    app, auth = application(make_settings(ACCESS_REVOCATION_FAILURE_MODE="fail_open", PRIVATE_API_SECRET="mistyped"))
    async with client(app) as http:
        answer = await http.get("/me", headers=bearer(make_token(jti="revoked")))
        assert (answer.status_code, answer.json()) == (503, {"detail": "Token revocation check unavailable."})
    await auth.close()


async def test_a_subject_that_is_no_id_is_a_bad_token_and_no_crash(
    make_settings: MakeSettings, make_token: MakeToken
) -> None:
    app, auth = application(make_settings())
    async with client(app) as http:
        answer = await http.get("/me", headers=bearer(make_token(sub="nobody")))
        assert (answer.status_code, answer.json()) == (403, {"detail": "Could not validate credentials."})
    await auth.close()


@pytest.mark.parametrize("forged", ["by another key", "unsigned", "confused"])
async def test_a_forged_token_is_refused(
    issuer: FakeIssuer, make_settings: MakeSettings, make_token: MakeToken, forged: str
) -> None:
    good = make_token()
    if forged == "by another key":
        issuer.key = SigningKey.generate("RS256")
        token = make_token()
    elif forged == "unsigned":
        token = "eyJhbGciOiJub25lIn0." + good.split(".")[1] + "."
    else:
        # The public key taken for a shared secret (RFC 8725 §2.1).
        issuer.key = SigningKey.from_secret(issuer.key.public_pem())
        token = make_token()
    app, auth = application(make_settings())
    async with client(app) as http:
        answer = await http.get("/me", headers=bearer(token))
        assert (answer.status_code, answer.json()) == (403, {"detail": "Could not validate credentials."})
        assert "www-authenticate" not in answer.headers
    await auth.close()


@pytest.mark.parametrize("source", ["introspection", "feed"])
async def test_both_ways_to_hear_of_revocations_refuse_what_the_issuer_says_is_revoked(
    make_settings: MakeSettings, make_token: MakeToken, source: str
) -> None:
    # This issuer has no stream, so that the feed leads to a question, too.
    app, auth = application(make_settings(REVOCATION_SOURCE=source))
    async with client(app) as http:
        assert (await http.get("/me", headers=bearer(make_token()))).status_code == 200
        assert (await http.get("/me", headers=bearer(make_token(jti="revoked")))).status_code == 403
    await auth.close()


GUARDS = ("reader", "writer", "admin", "superuser")
ROLES = {
    ("user", False): set(),
    ("reader", False): {"reader"},
    ("writer", False): {"reader", "writer"},
    ("admin", False): {"reader", "writer", "admin"},
    ("admin", True): {"reader", "writer", "admin"},
    ("superadmin", False): {"reader", "writer", "admin"},
    ("superadmin", True): {"reader", "writer", "admin", "superuser"},
}


@pytest.mark.parametrize(("role", "flag"), ROLES)
async def test_a_guard_lets_in_its_role_and_those_above(
    make_settings: MakeSettings, make_token: MakeToken, role: str, flag: bool
) -> None:
    app, auth = application(make_settings(TOKEN_MODE="stateless"))
    token = bearer(make_token(role=role, is_superuser=flag))
    async with client(app) as http:
        answers = {name: await http.get(f"/{name}", headers=token) for name in GUARDS}
    assert {name for name, answer in answers.items() if answer.status_code == 200} == ROLES[role, flag]
    refused = [answer.json() for answer in answers.values() if answer.status_code == 403]
    assert refused == [{"detail": "The user doesn't have enough privileges"}] * len(refused)
    await auth.close()


async def test_a_guard_may_be_called_by_hand(make_settings: MakeSettings, make_token: MakeToken) -> None:
    _, auth = application(make_settings(TOKEN_MODE="stateless"))
    user = await auth.get_current_user(make_token())
    assert auth.get_current_active_writer(user) is user
    assert auth.get_current_active_writer(current_user=user) is user
    assert auth.require_role(RoleType.READER)(user) is user
    with pytest.raises(HTTPException, match="403"):
        auth.get_current_active_admin(user)
    with pytest.raises(HTTPException, match="403"):
        await auth.get_current_user("nonsense")
    await auth.close()


async def test_guards_need_no_thread(make_settings: MakeSettings, make_token: MakeToken) -> None:
    app, auth = application(make_settings(TOKEN_MODE="stateless"))
    threads: list[threading.Thread] = []

    def looked_at(user: UserModel, role: RoleType) -> bool:
        threads.append(threading.current_thread())
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RoleType, "is_valid_role_auth", staticmethod(looked_at))
        async with client(app) as http:
            assert (await http.get("/admin", headers=bearer(make_token()))).status_code == 200
    assert threads == [threading.current_thread()]
    await auth.close()


async def test_a_user_put_in_by_a_test_counts_for_the_guards_too(make_settings: MakeSettings) -> None:
    app, auth = application(make_settings())
    admin = UserModel(id="550e8400-e29b-41d4-a716-446655440000", email="a@example.com", role=RoleType.ADMIN)
    app.dependency_overrides[auth.get_current_user] = lambda: admin
    async with client(app) as http:
        assert (await http.get("/admin")).status_code == 200
        assert (await http.get("/superuser")).status_code == 403
    await auth.close()


async def test_a_service_that_changes_its_user_changes_no_other(
    make_settings: MakeSettings, make_token: MakeToken
) -> None:
    _, auth = application(make_settings(TOKEN_MODE="stateless"))
    token = make_token()
    first = await auth.get_current_user(token)
    first.role = RoleType.SUPERADMIN
    assert (await auth.get_current_user(token)).role is RoleType.WRITER
    await auth.close()


async def test_the_log_says_why_and_never_what(
    make_settings: MakeSettings, make_token: MakeToken, caplog: pytest.LogCaptureFixture
) -> None:
    _, auth = application(make_settings(TOKEN_MODE="stateless"))
    token = make_token(exp=1)
    with caplog.at_level("DEBUG"), pytest.raises(HTTPException):
        await auth.get_current_user(token)
    assert "auth.fail type=access reason=expired" in caplog.text
    assert token.split(".")[2] not in caplog.text
    await auth.close()


async def test_connections_closed_are_opened_again(make_settings: MakeSettings, make_token: MakeToken) -> None:
    _, auth = application(make_settings())
    user: Any = await auth.get_current_user(make_token())
    await auth.close()
    await auth.close()
    assert (await auth.get_current_user(make_token())) == user
    await auth.close()


def test_the_audit_knows_the_guards_and_that_health_is_public(make_settings: MakeSettings) -> None:
    app, _ = application(make_settings())
    demanded = {
        route.path: {getattr(call, "required_role", None) for call in dependencies(route.dependant)} - {None}
        for route in served(app)
        if getattr(route, "dependant", None) is not None
    }
    assert demanded["/superuser"] == {"superadmin", "user"}
    assert demanded["/writer"] == {"writer", "user"}
    assert demanded["/me"] == {"user"}
    assert demanded["/broken"] == set()


def test_a_web_socket_knows_its_caller_too(make_settings: MakeSettings, make_token: MakeToken) -> None:
    app, auth = application(make_settings(TOKEN_MODE="stateless"))

    @app.websocket("/socket")
    async def socket(socket: WebSocket, user: Any = Depends(auth.get_current_active_writer)) -> None:  # noqa: B008
        await socket.accept()
        await socket.send_text(user.email)
        await socket.close()

    with TestClient(app) as http:
        with http.websocket_connect("/socket", headers=bearer(make_token())) as connection:
            assert connection.receive_text() == "ada@example.com"
        for headers in ({}, bearer("nonsense"), bearer(make_token(role="reader"))):
            with pytest.raises(WebSocketDenialResponse), http.websocket_connect("/socket", headers=headers):
                pass


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_tokens_are_asked_about_on_either_event_loop(
    issuer: FakeIssuer, make_settings: MakeSettings, make_token: MakeToken
) -> None:
    _, auth = application(make_settings())
    assert (await auth.get_current_user(make_token())).email == "ada@example.com"
    for jti, status in (("revoked", 403), ("broken", 503)):
        with pytest.raises(HTTPException) as refused:
            await auth.get_current_user(make_token(jti=jti))
        assert refused.value.status_code == status
    await auth.close()


async def test_dependencies_may_be_made_by_hand_from_the_first_five() -> None:
    async def nobody() -> None:
        raise HTTPException(401)

    auth = AuthDeps(nobody, UserModel, nobody, nobody, None)  # type: ignore[arg-type]
    await auth.close()
    with pytest.raises(RuntimeError, match="build_auth_deps"):
        auth.require_role(RoleType.ADMIN)
