"""The test kit itself, and header parsing under any input."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st

from vestibule import _core
from vestibule.errors import InvalidToken
from vestibule.service import ServiceSettings, ServiceSettingsError, build_auth_deps
from vestibule.service.challenge import subprotocols, token_of
from vestibule.testing import Clock, Issuer, as_user, settings
from vestibule.testing.fixtures import clock, issuer

__all__ = ["clock", "issuer"]


def test_the_fixtures_share_a_clock(clock: Clock, issuer: Issuer) -> None:
    token = issuer.token(lifetime=60)
    expected: dict[str, Any] = {"algorithm": issuer.algorithm, "issuer": issuer.issuer, "audience": issuer.audience}
    _core.verify(token, issuer.keys(), **expected)
    clock.advance(3600)
    claims = _core.verify(issuer.token(lifetime=60), issuer.keys(), **expected, now=clock.now())
    assert claims["exp"] == pytest.approx(clock.now() + 60, abs=2)


def test_settings_of_tests_read_neither_environment_nor_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("TOKEN_AUDIENCE=of-the-file\n")
    monkeypatch.setenv("TOKEN_ISSUER", "https://of-the-environment.example.com")
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    made = settings()
    assert isinstance(made, ServiceSettings)
    assert (made.TOKEN_AUDIENCE, made.TOKEN_ISSUER) == ("test-service", "https://issuer.example.com")
    assert settings(TOKEN_AUDIENCE="mine").TOKEN_AUDIENCE == "mine"
    with pytest.raises(ServiceSettingsError, match="TOKEN_MODE"):
        settings(TOKEN_MODE="sometimes")


def test_a_claim_can_be_left_out_and_replaced(issuer: Issuer) -> None:
    account = uuid.uuid4()
    claims = issuer.claims(role="superadmin", user_id=account, sid=..., extra=1)
    assert "sid" not in claims
    assert (claims["extra"], claims["is_superuser"], claims["sub"]) == (1, True, str(account))


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "HS256"])
def test_a_service_of_any_algorithm_is_signed_in_to(algorithm: str) -> None:
    auth = build_auth_deps(settings(TOKEN_MODE="stateless", TOKEN_AUDIENCE="another"))
    app = FastAPI()
    app.get("/", dependencies=[Depends(auth.get_current_user)])(lambda: "in")
    issuer = Issuer(audience="another", algorithm=algorithm)
    with TestClient(app) as client, as_user(app, issuer=issuer) as caller:
        assert caller.issuer is issuer
        assert client.get("/").status_code == 200
        issuer.rotate(keep_old=False)
        assert client.get("/").status_code == 401


def test_a_dependency_can_be_overridden_as_any_other() -> None:
    auth = build_auth_deps(settings(TOKEN_MODE="stateless"))
    app = FastAPI()

    @app.get("/")
    async def root(user: Any = Depends(auth.get_current_user)) -> str:  # noqa: B008
        return str(user)

    app.dependency_overrides[auth.get_current_user] = lambda: "somebody"
    assert TestClient(app).get("/").json() == "somebody"


NAMES = st.sampled_from([b"authorization", b"sec-websocket-protocol", b"host"])
VALUES = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda scheme, rest: scheme + rest, st.sampled_from([b"Bearer ", b"bEARER", b"bearer, "]), st.binary()),
)


@given(
    kind=st.sampled_from(["http", "websocket"]),
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=5),
    offered=st.one_of(st.none(), st.lists(st.one_of(st.just("bearer"), st.text()), max_size=4)),
)
@example(kind="websocket", headers=[], offered=["bearer", "\ud800"])
def test_any_headers_are_a_token_or_none_or_refused(
    kind: str, headers: list[tuple[bytes, bytes]], offered: list[str] | None
) -> None:
    scope: dict[str, Any] = {"type": kind, "headers": headers}
    if offered is not None:
        scope["subprotocols"] = offered
    assert all(isinstance(name, str) for name in subprotocols(scope))
    try:
        token = token_of(scope)
    except InvalidToken:
        return
    assert token is None or isinstance(token, bytes)
    if kind == "http" and not any(name == b"authorization" for name, _ in headers):
        assert token is None


KEYS = _core.SigningKey.generate("ES256").keys()


@given(st.one_of(st.binary(), st.text(), st.from_regex(rb"[A-Za-z0-9_.-]{0,200}")))
def test_any_bytes_and_any_text_are_refused_as_a_token(token: bytes | str) -> None:
    with pytest.raises(InvalidToken):
        _core.verify(token, KEYS, algorithm="ES256", strict=False)
    with pytest.raises(InvalidToken):
        _core.verify_signature(token, KEYS, algorithm="ES256")
