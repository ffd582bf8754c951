"""Guards: who passes, who does not, and what they are told."""

# No postponed annotations: FastAPI could not resolve those that name the fixtures.

import logging
import uuid
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from pydantic.errors import PydanticUndefinedAnnotation
from starlette.testclient import WebSocketDenialResponse

from vestibule.errors import ConfigurationError
from vestibule.service import (
    AppLifecycle,
    AuthDeps,
    Role,
    User,
    accepted_subprotocol,
    build_auth_deps,
    create_app,
)
from vestibule.service.auth import unresolved_annotations
from vestibule.testing import Issuer, as_user, settings

ROLES = ["user", "reader", "writer", "admin", "superadmin"]
GUARDS = {
    "user": "get_current_user",
    "reader": "get_current_reader",
    "writer": "get_current_writer",
    "admin": "get_current_active_admin",
    "superadmin": "get_current_active_superuser",
}


@pytest.fixture
def auth() -> AuthDeps:
    return build_auth_deps(settings(TOKEN_MODE="stateless"))


@pytest.fixture
def issuer(auth: AuthDeps) -> Iterator[Issuer]:
    with Issuer().trusted_by(auth.client) as issuer:
        yield issuer


@pytest.fixture
def app(auth: AuthDeps) -> FastAPI:
    app = FastAPI()
    for role, name in GUARDS.items():

        @app.get(f"/{role}")
        async def guarded(user: Annotated[User, Depends(getattr(auth, name))]) -> dict[str, Any]:
            return user.model_dump(mode="json")

    @app.get("/optional")
    async def optional(user: Annotated[User | None, Depends(auth.get_optional_user)]) -> str:
        return user.email if user else "nobody"

    @app.websocket("/live")
    async def live(websocket: WebSocket, user: Annotated[User, Depends(auth.get_current_writer)]) -> None:
        await websocket.accept(subprotocol=accepted_subprotocol(websocket))
        await websocket.send_text(user.email)
        await websocket.close()

    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("demanded", ROLES)
def test_a_role_passes_the_guards_of_its_own_and_lower_roles(
    client: TestClient, issuer: Issuer, role: str, demanded: str
) -> None:
    answer = client.get(f"/{demanded}", headers=bearer(issuer.token(role=role)))
    if ROLES.index(role) >= ROLES.index(demanded):
        assert answer.status_code == 200
        assert answer.json()["role"] == role
    else:
        assert answer.status_code == 403
        assert answer.json() == {"detail": "The user doesn't have enough privileges"}
        assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("flag", [True, False])
def test_contradictory_role_and_flag_pairs_are_refused(
    client: TestClient, issuer: Issuer, role: str, flag: bool
) -> None:
    answer = client.get("/user", headers=bearer(issuer.token(role=role, is_superuser=flag)))
    assert answer.status_code == (200 if flag == (role == "superadmin") else 401)


@pytest.mark.parametrize("role", ROLES)
def test_require_role_and_the_annotations_demand_the_same(auth: AuthDeps, issuer: Issuer, role: str) -> None:
    app = FastAPI()
    names = ["CurrentUser", "CurrentReader", "CurrentWriter", "CurrentAdmin", "CurrentSuperuser"]
    for demanded, name in zip(ROLES, names, strict=True):
        annotation = getattr(auth, name)

        async def by_annotation(user: Any) -> str:
            return str(user.role)

        by_annotation.__annotations__["user"] = annotation
        app.get(f"/annotation/{demanded}")(by_annotation)
        app.get(f"/guard/{demanded}", dependencies=[Depends(auth.require_role(demanded))])(lambda: "in")
    client = TestClient(app)
    for demanded in ROLES:
        expected = 200 if ROLES.index(role) >= ROLES.index(demanded) else 403
        for kind in ("annotation", "guard"):
            answer = client.get(f"/{kind}/{demanded}", headers=bearer(issuer.token(role=role)))
            assert answer.status_code == expected, (kind, demanded)


def test_invalid_credentials_are_answered_with_401_and_a_challenge(client: TestClient, issuer: Issuer) -> None:
    plain = client.get("/user")
    assert (plain.status_code, plain.json()) == (401, {"detail": "Not authenticated"})
    assert plain.headers["www-authenticate"] == "Bearer"
    for token, description in [
        (issuer.token(lifetime=-60), "The access token expired"),
        (issuer.token(type="refresh"), "The token is not an access token"),
        (issuer.token() + "x", "The access token is invalid"),
        (Issuer().token(), "The access token is invalid"),
        (issuer.token(email="nobody"), "The access token is invalid"),
    ]:
        answer = client.get("/user", headers=bearer(token))
        assert answer.status_code == 401
        assert answer.json() == {"detail": description}
        expected = f'Bearer error="invalid_token", error_description="{description}"'
        assert answer.headers["www-authenticate"] == expected


def test_a_subject_that_is_no_uuid_is_a_401_and_no_500(client: TestClient, issuer: Issuer) -> None:
    assert client.get("/user", headers=bearer(issuer.token(sub="somebody"))).status_code == 401


def test_an_inactive_account_is_forbidden(client: TestClient, issuer: Issuer) -> None:
    answer = client.get("/user", headers=bearer(issuer.token(is_active=False)))
    assert (answer.status_code, answer.json()) == (403, {"detail": "Inactive user"})


def test_an_optional_guard_lets_nobody_through_but_no_bad_token(client: TestClient, issuer: Issuer) -> None:
    assert client.get("/optional").json() == "nobody"
    assert client.get("/optional", headers=bearer(issuer.token(email="Ada@Example.com"))).json() == "ada@example.com"
    assert client.get("/optional", headers=bearer("nonsense")).status_code == 401
    assert client.get("/optional", headers={"Authorization": "Basic dTpw"}).json() == "nobody"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_without_case(client: TestClient, issuer: Issuer, scheme: str) -> None:
    assert client.get("/user", headers={"Authorization": f"{scheme} {issuer.token()}"}).status_code == 200
    assert client.get("/user", headers={"Authorization": f"{scheme}   {issuer.token()} "}).status_code == 200


def _answer(app: FastAPI, headers: list[tuple[bytes, bytes]]) -> int:
    """The status of a request whose headers are sent as they are, which no HTTP library would do."""
    import anyio

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/user",
        "raw_path": b"/user",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "headers": headers,
    }
    anyio.run(app, scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b" ",
        b"Bearer",
        b"Bearer ",
        b"Bearer\t",
        b"bearer\xa0x",
        b"Bearer \xff\xfe",
        b"Bearer \xe9.\xe9.\xe9",
        b"Bearer " + b"x" * 100_000,
        b"Bearer " + b"." * 8000,
        b"Bearer a b c",
        b"Bearer \0\0",
        b"Basic dTpw",
        b"Bearerx",
        b"\xff" * 50,
        b"Bearer null",
        b"Bearer {}",
    ],
)
def test_garbage_in_the_header_is_a_401_and_never_a_500(app: FastAPI, issuer: Issuer, header: bytes) -> None:
    assert _answer(app, [(b"authorization", header)]) == 401


def test_two_authorization_headers_are_refused_even_if_both_are_good(app: FastAPI, issuer: Issuer) -> None:
    header = (b"authorization", f"Bearer {issuer.token()}".encode())
    assert _answer(app, [header]) == 200
    assert _answer(app, [header, header]) == 401
    assert _answer(app, [header, (b"authorization", b"Basic dTpw")]) == 401


def test_refusals_are_logged_without_the_token(
    client: TestClient, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="vestibule")
    token = issuer.token(lifetime=-60, email="secret.person@example.com")
    client.get("/user", headers=bearer(token))
    assert "auth.fail type=access reason=expired" in caplog.text
    vestibule = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("vestibule"))
    assert "secret.person" not in vestibule
    assert not any(part in vestibule for part in token.split("."))


def test_the_user_is_made_once_a_token_and_cannot_be_changed(auth: AuthDeps, issuer: Issuer) -> None:
    token = issuer.token(role="writer", full_name="Ada Lovelace", tenant_id="t1")
    first = auth.client.client.check(token)
    assert first is not None
    assert first is auth.client.client.check(token.encode())
    assert (first.full_name, first.tenant_id, first.role) == ("Ada Lovelace", "t1", Role.WRITER)
    assert isinstance(first.id, uuid.UUID)
    with pytest.raises(ValueError, match="frozen"):
        first.role = Role.ADMIN
    assert first.has_role("reader")
    assert not first.has_role(Role.ADMIN)
    assert "jti" not in first.model_dump_json()


def test_roles_are_ordered_by_rank_and_not_by_spelling() -> None:
    assert sorted(Role, key=lambda role: role.rank) == [Role(name) for name in ROLES]
    assert Role.ADMIN > Role.WRITER > Role.READER > Role.USER
    assert Role.SUPERADMIN >= "admin"
    assert Role.USER < "reader" <= Role.READER
    assert Role.WRITER.covers("reader")
    assert not Role.READER.covers(Role.WRITER)
    assert f"{Role.ADMIN}" == "admin"
    with pytest.raises(ValueError, match="owner"):
        Role.ADMIN.covers("owner")


def test_openapi_shows_how_to_sign_in(app: FastAPI) -> None:
    described = app.openapi()
    scheme = {"type": "oauth2", "flows": {"password": {"scopes": {}, "tokenUrl": "/user/login/access-token"}}}
    assert described["components"]["securitySchemes"] == {"OAuth2PasswordBearer": scheme}
    assert described["paths"]["/admin"]["get"]["security"] == [{"OAuth2PasswordBearer": []}]
    assert "parameters" not in described["paths"]["/admin"]["get"]


def test_guards_say_which_role_they_demand(auth: AuthDeps) -> None:
    for role, name in GUARDS.items():
        assert getattr(auth, name).required_role == Role(role)
    assert auth.get_optional_user.required_role is None
    assert auth.require_role("writer", stale_policy="fail_closed").stale_policy == "fail_closed"


def test_unknown_roles_and_policies_are_told_at_once(auth: AuthDeps) -> None:
    with pytest.raises(ConfigurationError, match="owner"):
        auth.require_role("owner")
    with pytest.raises(ConfigurationError, match="maybe"):
        auth.require_role("user", stale_policy="maybe")
    with pytest.raises(ConfigurationError, match="maybe"):
        auth.optional_user(stale_policy="maybe")


def test_a_websocket_shows_its_token_in_a_header(client: TestClient, issuer: Issuer) -> None:
    headers = bearer(issuer.token(role="writer", email="ada@example.com"))
    with client.websocket_connect("/live", headers=headers) as websocket:
        assert websocket.receive_text() == "ada@example.com"
        assert websocket.accepted_subprotocol is None


def test_a_browser_shows_its_token_as_a_subprotocol_of_a_websocket(client: TestClient, issuer: Issuer) -> None:
    token = issuer.token(role="writer", email="ada@example.com")
    with client.websocket_connect("/live", subprotocols=["bearer", token]) as websocket:
        assert websocket.receive_text() == "ada@example.com"
        assert websocket.accepted_subprotocol == "bearer"
    with client.websocket_connect("/live", subprotocols=["chat", "bearer", token]) as websocket:
        assert websocket.accepted_subprotocol == "bearer"


@pytest.mark.parametrize(
    "subprotocols", [["bearer"], ["bearer", "x"], ["bearer", "a", "b"], ["chat"], ["bearer", "x" * 9999]]
)
def test_a_websocket_with_a_bad_subprotocol_token_is_refused_before_it_is_accepted(
    client: TestClient, issuer: Issuer, subprotocols: list[str]
) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/live", subprotocols=subprotocols),
    ):
        pass
    assert refused.value.status_code == 401


def test_a_websocket_is_refused_with_the_status_a_request_would_get(client: TestClient, issuer: Issuer) -> None:
    for headers, status in [
        ({}, 401),
        (bearer("x"), 401),
        (bearer(issuer.token(role="reader")), 403),
        (bearer(issuer.token(role="admin", is_active=False)), 403),
    ]:
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/live", headers=headers):
            pass
        assert refused.value.status_code == status
        assert ("www-authenticate" in refused.value.headers) == (status == 401)


def test_a_websocket_of_a_server_without_denial_answers_is_closed_with_1008(app: FastAPI, issuer: Issuer) -> None:
    import anyio

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/live",
        "raw_path": b"/live",
        "query_string": b"",
        "root_path": "",
        "server": ("test", 80),
        "client": ("test", 1),
        "headers": [],
        "subprotocols": [],
    }
    anyio.run(app, scope, receive, send)
    assert [(message["type"], message.get("code")) for message in sent] == [("websocket.close", 1008)]


def test_an_annotation_that_cannot_be_resolved_is_told_in_a_sentence() -> None:
    local = build_auth_deps(settings(TOKEN_MODE="stateless"))
    router = APIRouter()

    @router.get("/good")
    async def good(user: User = Depends(local.get_current_user)) -> str:  # noqa: B008
        return user.email

    assert unresolved_annotations(router.routes) == []

    async def bad(user: "local.CurrentUser") -> str:  # type: ignore[name-defined]
        return str(user)

    try:
        router.get("/bad")(bad)
    except PydanticUndefinedAnnotation as error:
        # Older versions of pydantic say it themselves.
        assert "'local' is not defined" in str(error)  # noqa: PT017
        return
    [sentence] = unresolved_annotations(router.routes)
    assert "/bad" in sentence
    assert "local.CurrentUser" in sentence
    assert "Depends(auth.get_current_user)" in sentence


def test_a_caller_is_signed_in_for_a_whole_app(app: FastAPI) -> None:
    client = TestClient(app)
    assert client.get("/user").status_code == 401
    with as_user(app, role="writer", email="ada@example.com") as caller:
        assert client.get("/writer").json()["email"] == "ada@example.com"
        assert client.get("/writer").json()["id"] == str(caller.user.id)
        assert client.get("/admin").status_code == 403
        with as_user(app, role="admin"):
            assert client.get("/admin").status_code == 200
        assert client.get("/admin").status_code == 403
        assert client.get("/user", headers=bearer("x")).status_code == 401
        with client.websocket_connect("/live") as websocket:
            assert websocket.receive_text() == "ada@example.com"
    assert client.get("/user").status_code == 401
    assert client.get("/user", headers=caller.headers).status_code in (401, 503)


def test_tokens_expire_when_the_clock_is_moved(app: FastAPI, auth: AuthDeps) -> None:
    client = TestClient(app)
    with as_user(auth, role="reader") as caller:
        assert client.get("/reader", headers=caller.headers).status_code == 200
        caller.issuer.clock.advance(1799)
        assert client.get("/reader", headers=caller.headers).status_code == 200
        caller.issuer.clock.advance(4)
        answer = client.get("/reader", headers=caller.headers)
        assert (answer.status_code, answer.json()) == (401, {"detail": "The access token expired"})
        assert client.get("/reader", headers=bearer(caller.issuer.token(role="reader"))).status_code == 200
        with pytest.raises(ValueError, match="forward"):
            caller.issuer.clock.advance(-1)


def test_revoked_tokens_sessions_and_accounts_are_refused_at_once() -> None:
    auth = build_auth_deps(settings(TOKEN_MODE="stateful"))
    app = FastAPI()

    @app.get("/", dependencies=[Depends(auth.get_current_user)])
    async def root() -> str:
        return "in"

    client = TestClient(app)
    with as_user(auth) as caller:
        assert client.get("/", headers=caller.headers).status_code == 200
        caller.revoke()
        answer = client.get("/", headers=caller.headers)
        assert (answer.status_code, answer.json()) == (401, {"detail": "The access token was revoked"})
        issuer, session, account = caller.issuer, str(uuid.uuid4()), uuid.uuid4()
        one = bearer(issuer.token(sid=session, user_id=account))
        other = bearer(issuer.token(user_id=account))
        assert [client.get("/", headers=headers).status_code for headers in (one, other)] == [200, 200]
        issuer.revoke(session_id=session)
        assert [client.get("/", headers=headers).status_code for headers in (one, other)] == [401, 200]
        issuer.revoke(user_id=account)
        assert [client.get("/", headers=headers).status_code for headers in (one, other)] == [401, 401]
        assert client.get("/", headers=bearer(issuer.token())).status_code == 200


def test_a_rotated_key_is_accepted_at_once_and_a_leaked_one_no_longer(app: FastAPI, auth: AuthDeps) -> None:
    client = TestClient(app)
    with Issuer().trusted_by(auth.client) as issuer:
        old = bearer(issuer.token())
        issuer.rotate()
        new = bearer(issuer.token())
        assert len(issuer.key_set()["keys"]) == 2
        assert [client.get("/user", headers=headers).status_code for headers in (old, new)] == [200, 200]
        issuer.rotate(keep_old=False)
        newest = bearer(issuer.token())
        statuses = [client.get("/user", headers=headers).status_code for headers in (old, new, newest)]
        assert statuses == [401, 401, 200]


@pytest.mark.parametrize(
    ("policy", "mode", "status"),
    [
        ("fail_closed", "fail_closed", 503),
        ("fail_closed", "fail_open", 503),
        ("fail_open", "fail_closed", 200),
        ("fail_open", "fail_open", 200),
        # Nobody can be asked here, so the failure mode decides.
        ("introspect", "fail_closed", 503),
        ("introspect", "fail_open", 200),
        (None, "fail_closed", 503),
    ],
)
def test_a_route_says_what_holds_while_revocations_are_not_heard_of(policy: str | None, mode: str, status: int) -> None:
    auth = build_auth_deps(settings(TOKEN_MODE="stateful", ACCESS_REVOCATION_FAILURE_MODE=mode))
    app = FastAPI()
    app.get("/", dependencies=[Depends(auth.require_role("user", stale_policy=policy))])(lambda: "in")
    app.get("/optional", dependencies=[Depends(auth.optional_user(stale_policy=policy))])(lambda: "in")
    client = TestClient(app)
    with as_user(auth) as caller:
        paths = ("/", "/optional")
        assert [client.get(path, headers=caller.headers).status_code for path in paths] == [200, 200]
        caller.issuer.set_stale()
        assert [client.get(path, headers=caller.headers).status_code for path in paths] == [status, status]
        assert client.get("/optional").status_code == 200
        # What was told as ended stays ended, however old the news is.
        caller.revoke()
        assert [client.get(path, headers=caller.headers).status_code for path in paths] == [401, 401]


def test_a_caller_stays_signed_in_when_the_app_starts_and_stops() -> None:
    auth = build_auth_deps(settings(TOKEN_MODE="stateless"))
    router = APIRouter(prefix="/things", dependencies=[Depends(auth.get_current_reader)])
    router.get("/")(lambda: "in")
    outer = APIRouter(prefix="/outer")
    outer.include_router(router)
    app = create_app(settings(), outer, lifecycle=AppLifecycle(auth_deps=auth))
    with as_user(app, role="reader"):
        for _ in range(2):
            with TestClient(app) as client:
                assert client.get("/outer/things/").status_code == 200
    with TestClient(app) as client:
        assert client.get("/outer/things/").status_code == 401


def test_an_app_without_guards_is_told(auth: AuthDeps) -> None:
    with pytest.raises(LookupError, match="no route"), as_user(FastAPI()):
        pass
