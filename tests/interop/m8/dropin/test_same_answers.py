"""One and the same service answers on the drop-in what it answers on the packages whose place that takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fake_issuer import SECRET, FakeIssuer

from vestibule._core import SigningKey

ORIGINALS = os.environ.get("ORIGINALS_PYTHON")

Request = tuple[str, str, dict[str, str]]


@pytest.fixture(scope="module")
def fake_issuer() -> Iterator[FakeIssuer]:
    issuer = FakeIssuer()
    yield issuer
    issuer.close()


def get(path: str, token: str | None = None, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        named["Authorization"] = f"Bearer {token}"
    return "GET", path, named


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "sub": "550e8400-e29b-41d4-a716-446655440000",
        "type": "access",
        "email": "Ada@Example.com",
        "full_name": "Ada Lovelace",
        "avatar": None,
        "is_active": True,
        "email_verified": True,
        "is_superuser": False,
        "role": "writer",
        "exp": now + 3600,
        "iat": now,
        "nbf": now,
        "jti": "good-0000",
        "iss": "https://issuer.example.com",
        "aud": "items",
    }
    return {name: value for name, value in (good | changes).items() if value != "absent"}


def dotenv(issuer: FakeIssuer, **changes: str) -> dict[str, str]:
    settings = {
        "PROJECT_NAME": "items",
        "STACK_NAME": "items",
        "DOMAIN": "localhost",
        "ENVIRONMENT": "local",
        "API_PREFIX": "/items",
        "BACKEND_HOST": "http://localhost:9000",
        "FRONTEND_HOST": "http://localhost:5173",
        "BACKEND_CORS_ORIGINS": "http://localhost:5173,https://app.example.com",
        "AUTH_SERVICE_ROLE": "consumer",
        "AUTH_PREFIX": "/user",
        "TOKEN_MODE": "stateful",
        "TOKEN_ISSUER": "https://issuer.example.com",
        "TOKEN_AUDIENCE": "items",
        "JWKS_URI": f"{issuer.base}/jwks.json",
        "INTROSPECTION_URL": f"{issuer.base}/private/v1/jti-status",
        "PRIVATE_API_SECRET": SECRET,
        "REFRESH_SECRET_KEY": "Never_Used-By-A-Consumer-0123456789",
        "EVENT_SIGNING_ENABLED": "false",
        "DB_HOST": "localhost",
        "DB_PORT": "5432",
        "DB_DATABASE": "unused",
        "DB_USER": "unused",
        "DB_PASSWORD": "Never_Used-1",
    }
    return {name: value for name, value in (settings | changes).items() if value != "absent"}


def both(*situations: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """What the originals answer, and what the drop-in does."""
    program = Path(__file__).with_name("answers.py")

    def run(python: str, variables: dict[str, str]) -> list[Any]:
        asked = json.dumps(situations)
        done = subprocess.run(
            [python, str(program)], env=variables, input=asked, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        answers: list[Any] = json.loads(done.stdout)
        return answers

    if ORIGINALS is None:
        pytest.skip("ORIGINALS_PYTHON names no interpreter that has the packages")
    here = dict(os.environ)
    # What is in the way of modules here must not be in theirs.
    there = {name: value for name, value in here.items() if name != "PYTHONPATH"}
    with ThreadPoolExecutor() as pool:
        theirs = pool.submit(run, ORIGINALS, {**there, "EXPECTED": "originals"})
        ours = pool.submit(run, sys.executable, {**here, "EXPECTED": "drop-in"})
        return theirs.result(), ours.result()


def situation(dotenv: dict[str, str], *requests: Request, **variables: str) -> dict[str, Any]:
    return {"dotenv": dotenv, "requests": requests, "variables": variables}


def check(*situations: dict[str, Any]) -> list[Any]:
    """Answers to every request that are the same, on both."""
    theirs, ours = both(*situations)
    for asked, their, our in zip(situations, theirs, ours, strict=True):
        if isinstance(their[0], str) or isinstance(our[0], str):
            assert our == their, asked["dotenv"]
            continue
        for request, one, another in zip(asked["requests"], their, our, strict=True):
            assert plain(another) == plain(one), request
    return ours


def plain(answer: list[Any]) -> list[Any]:
    """An answer without how long a check took, and without what models say about themselves."""
    status, headers, body = answer
    try:
        document = json.loads(body)
    except ValueError:
        return answer
    if not isinstance(document, dict):
        return answer
    for schema in document.get("components", {}).get("schemas", {}).values():
        # Sentences about the models are in our own words.
        schema.pop("description", None)
    for found in document.get("checks", []):
        if found["latency_ms"] is not None:
            found["latency_ms"] = "measured"
    # Its length goes with the digits of the time.
    return [status, [pair for pair in headers if pair[0] != "content-length"], document]


TOKENS: dict[str, dict[str, Any]] = {
    "user": {"role": "user"},
    "reader": {"role": "reader"},
    "writer": {},
    "admin": {"role": "admin"},
    "admin with the flag": {"role": "admin", "is_superuser": True},
    "superadmin without the flag": {"role": "superadmin"},
    "superadmin": {"role": "superadmin", "is_superuser": True},
    "writer with the flag": {"is_superuser": True},
    "no role": {"role": "absent"},
    "no name": {"full_name": None},
    "an audience of several": {"aud": ["others", "items"]},
    "inactive": {"is_active": False},
    "inactive and revoked": {"is_active": False, "jti": "revoked-1"},
    "revoked": {"jti": "revoked-2"},
    "not to be asked": {"jti": "broken-1"},
    "expired": {"exp": 1_700_000_000},
    "from the future": {"nbf": 4_000_000_000},
    "another issuer": {"iss": "https://issuer.example.com/"},
    "another audience": {"aud": "others"},
    "no audience": {"aud": []},
    "a refresh token": {"type": "refresh"},
    "no type": {"type": "absent"},
    "no id": {"jti": "absent"},
    "no time": {"iat": "absent"},
    "an unknown role": {"role": "owner"},
    "a role in capitals": {"role": "WRITER"},
    "an address that can't be": {"email": "root@localhost"},
    "an address that is reserved": {"email": "ada@example.test"},
    "no address": {"email": "absent"},
    "more than is known": {"tenant_id": "x", "colour": "green"},
}


def test_tokens(fake_issuer: FakeIssuer) -> None:
    tokens = {name: fake_issuer.key.sign(claims(**changes)) for name, changes in TOKENS.items()}
    tokens["another key"] = SigningKey.generate("RS256").sign(claims())
    tokens["another algorithm"] = SigningKey.generate("ES256").sign(claims())
    tokens["no signature"] = tokens["writer"].rpartition(".")[0] + "."
    tokens["changed"] = tokens["writer"][:-4] + "AAAA"
    tokens |= {"no token": "nonsense", "nothing": "", "dots": "..", "white space": f" {tokens['writer']} "}
    paths = ("/items/me", "/items/also-me", "/items/admin", "/items/superuser")
    requests = [get(path, token) for token in tokens.values() for path in paths]
    good = tokens["writer"]
    requests += [get("/items/me")] + [
        ("GET", "/items/me", {"Authorization": text})
        for text in (f"bearer {good}", f"BEARER {good}", f"Basic {good}", "Bearer", "bearer", good, "", f"Token {good}")
    ]
    hs256 = {"ACCESS_TOKEN_ALGORITHM": "HS256", "ACCESS_SECRET_KEY": "Access-Secret_Key-0123456789-abcdefXYZ!"}
    shared = SigningKey.from_secret(hs256["ACCESS_SECRET_KEY"])
    by_secret = [get("/items/me", shared.sign(claims())), get("/items/me", good), get("/items/me", tokens["changed"])]
    lenient = {"TOKEN_STRICT_VALIDATION": "false", "TOKEN_ISSUER": "absent", "TOKEN_AUDIENCE": "absent"}
    answers = check(
        situation(dotenv(fake_issuer), *requests),
        situation(dotenv(fake_issuer, TOKEN_MODE="hybrid"), *requests),
        situation(dotenv(fake_issuer, TOKEN_MODE="stateless", INTROSPECTION_URL="absent"), *requests),
        situation(dotenv(fake_issuer, ACCESS_REVOCATION_FAILURE_MODE="fail_open"), *requests),
        situation(
            dotenv(fake_issuer, ACCESS_REVOCATION_FAILURE_MODE="fail_open", AUTH_STRICT_MODE="true"), *requests[-20:]
        ),
        situation(dotenv(fake_issuer, PRIVATE_API_SECRET="wrong"), *requests[:8]),
        situation(dotenv(fake_issuer, JWKS_URI="absent", **hs256), *by_secret),
        situation(dotenv(fake_issuer, **lenient), *requests),
    )
    statuses = [answer[0] for answer in answers[0]]
    assert {200, 401, 403, 503} <= set(statuses)


def odd_claims() -> dict[str, dict[str, Any]]:
    """Claims as no issuer of this generation writes them."""
    now = int(time.time())
    times = (now + 300.5, now - 5.5, str(now + 300), str(now - 5), "x", True, False, [], {}, None, 1e30, -1, 0)
    account = "550e8400-e29b-41d4-a716-446655440000"
    values = ("", 5, None, [], ["x"], {}, True, "yes", "no", 1, 0, 2, 1.0, "  ", account.upper(), f"urn:uuid:{account}")
    names = ("sub", "jti", "type", "iss", "aud", "email", "role", "full_name", "avatar", "is_active", "is_superuser")
    addresses = ("Ada <ada@example.com>", " ada@example.com ", "ADA@EXAMPLE.COM", "ada@bücher.example", "a@b", "a@b.c")
    odd = {f"{name} {value!r}": {name: value} for name in ("exp", "iat", "nbf") for value in times}
    odd |= {f"{name} {value!r}": {name: value} for name in names for value in values}
    return odd | {address: {"email": address} for address in addresses}


def test_odd_tokens_are_answered_alike_or_refused(fake_issuer: FakeIssuer) -> None:
    odd = odd_claims()
    requests = [get("/items/me", fake_issuer.key.sign(claims(**changes))) for changes in odd.values()]
    [theirs], [ours] = both(situation(dotenv(fake_issuer, TOKEN_MODE="stateless"), *requests))
    differ = {name for name, one, another in zip(odd, theirs, ours, strict=True) if one != another}
    for name, answer in zip(odd, ours, strict=True):
        if name in differ:
            assert (answer[0], answer[2]) == (403, '{"detail":"Could not validate credentials."}'), name
    # Times that are no numbers (RFC 7519 §2), subjects that are no accounts, and a name before the address.
    assert {name.split()[0] for name in differ} == {"exp", "iat", "nbf", "sub", "Ada"}


def test_documentation_hosts_headers_and_cors(fake_issuer: FakeIssuer) -> None:
    paths = (
        "/items/openapi.json",
        "/items/docs",
        "/items/redoc",
        "/docs/oauth2-redirect",
        "/docs",
        "/items/health/",
        "/items/health",
        "/items/5",
        "/items/x",
        "/items/5/",
        "/nowhere",
        "/items/own-headers",
        "/items/answered",
        "/items/refused",
        "/items/me",
        "/metrics",
        "/livez",
    )
    requests = [get(path) for path in paths]
    requests += [("HEAD", "/items/health/", {}), ("POST", "/items/5", {}), ("OPTIONS", "/items/5", {})]
    for host in (
        "api.example.com",
        "API.example.com",
        "api.example.com:8000",
        "a.b.example.org",
        "example.org",
        "evil",
    ):
        requests.append(get("/items/5", Host=host))
        requests.append(get("/items/5", Host=host, Origin="https://app.example.com"))
    origins = ("http://localhost:5173", "https://app.example.com", "https://evil.example.com", "null")
    for origin in origins:
        requests.append(get("/items/me", Origin=origin))
        for wanted in ("Authorization", "content-type, x-requested-with", "X-API-Key", "Accept-Language"):
            for method in ("GET", "PATCH", "TRACE"):
                headers = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": wanted}
                requests.append(("OPTIONS", "/items/me", {"Origin": origin, **headers}))
    named = {"ALLOWED_HOSTS": '["api.example.com", "*.example.org"]'}
    own = {"CONTENT_SECURITY_POLICY": "default-src 'self'", "HSTS_MAX_AGE": "60", "HSTS_INCLUDE_SUBDOMAINS": "false"}
    check(
        situation(dotenv(fake_issuer), *requests),
        situation(dotenv(fake_issuer, **named), *requests),
        situation(dotenv(fake_issuer, ENVIRONMENT="staging", **named), *requests),
        situation(dotenv(fake_issuer, ENVIRONMENT="production", **named), *requests, NAME="Items", VERSION="2.1"),
        situation(dotenv(fake_issuer, ENVIRONMENT="production", SERVE_DOCS_IN_PRODUCTION="true"), *requests),
        situation(dotenv(fake_issuer, STRICT_PRODUCTION_MODE="true", **own, **named), *requests),
        situation(dotenv(fake_issuer, ENVIRONMENT="production", SECURITY_HEADERS_ENABLED="no"), *requests),
        situation(dotenv(fake_issuer, ENVIRONMENT="production", HSTS_MAX_AGE="0"), *requests),
        situation(dotenv(fake_issuer, SET_OPEN_API="false"), *requests, NAME="Items", VERSION="2.1"),
        situation(dotenv(fake_issuer, SET_DOCS="off", SET_REDOC="0"), *requests, NAME="Items"),
        situation(dotenv(fake_issuer, API_PREFIX="/my-svc/v1"), *requests, get("/my-svc/v1/docs")),
        situation(dotenv(fake_issuer, API_PREFIX="/"), *requests, get("//health/")),
        situation(dotenv(fake_issuer, API_PREFIX="items"), *requests),
        situation(dotenv(fake_issuer, METRICS_ENABLED="true", API_PREFIX="/counted"), *requests),
    )


@pytest.mark.parametrize("detail", ["public", "by-secret"])
def test_health(fake_issuer: FakeIssuer, detail: str) -> None:
    requests = [
        get("/items/health/"),
        get("/items/health/", X_Internal_Token=SECRET),
        get("/items/health/", X_Internal_Token="wrong"),
        get("/items/health/", X_Internal_Token=""),
    ]
    situations = [
        situation(dotenv(fake_issuer), *requests, DETAIL=detail, CHECKS=checks, DATABASE=status, POLICY=policy, **named)
        for status in ("ok", "degraded", "fail", "unknown")
        for policy in ("lenient", "strict")
        for checks, named in (("database", {}), ("database,cache", {"NAME": "Items", "VERSION": "2.1"}))
    ]
    situations += [
        situation(dotenv(fake_issuer), *requests, DETAIL=detail, CHECKS=checks) for checks in ("", "cache,crashing")
    ]
    situations.append(situation(dotenv(fake_issuer, PRIVATE_API_SECRET=""), *requests, DETAIL=detail))
    check(*situations)


def test_settings_that_start_and_that_do_not(fake_issuer: FakeIssuer) -> None:
    changes: list[dict[str, str]] = [
        {"PROJECT_NAME": "two words"},
        {"ENVIRONMENT": "Production"},
        {"API_PREFIX": ""},
        {"UNKNOWN": "1"},
        {"SQLALCHEMY_DATABASE_URI": "sqlite://"},
        {"ALLOWED_HOSTS": "a.example.com,b.example.com"},
        {"ALLOWED_HOSTS": ""},
        {"ALLOWED_HOSTS": "[]"},
        {"BACKEND_CORS_ORIGINS": "*"},
        {"BACKEND_CORS_ORIGINS": "http://intranet"},
        {"BACKEND_CORS_ORIGINS": ""},
        {"DB_PASSWORD": "weak"},
        {"DB_PASSWORD": "absent"},
        {"REFRESH_SECRET_KEY": "changethis"},
        {"REFRESH_SECRET_KEY": "absent"},
        {"TOKEN_ISSUER": "absent"},
        {"TOKEN_AUDIENCE": " "},
        {"INTROSPECTION_URL": "absent"},
        {"PRIVATE_API_SECRET": "absent"},
        {"INTROSPECTION_URL": "no address"},
        {"JWKS_URI": "absent"},
        {"ACCESS_PUBLIC_KEY_FILE": "/nowhere.pem"},
        {"EVENT_SIGNING_ENABLED": "true"},
        {"AUTH_SERVICE_ROLE": "issuer"},
        {"TOKEN_MODE": "sometimes"},
        {"SET_DOCS": "perhaps"},
        {"REDIS_SSL": "true"},
        {"LOGIN_RATE_LIMIT_REQUESTS": "0"},
        {"DOMAIN": "a b", "STACK_NAME": "A B", "DB_PORT": "0"},
        {"METRICS_GROUPS": "none of them"},
        {"domain": "also.example.com"},
    ]
    situations = [situation(dotenv(fake_issuer, **change), get("/items/5")) for change in changes]
    # The file beats the environment.
    renamed = situation(dotenv(fake_issuer), get("/items/openapi.json"), PROJECT_NAME="other", SET_DOCS="false")
    unnamed = situation(dotenv(fake_issuer, PROJECT_NAME="absent"), get("/items/openapi.json"), PROJECT_NAME="other")
    check(*situations, renamed, unnamed)


def test_what_is_better_and_only_that(fake_issuer: FakeIssuer) -> None:
    """Each difference there is, with the weakness that it mends."""
    broken = get("/items/broken", Origin="https://app.example.com")
    nobody = get("/items/me", fake_issuer.key.sign(claims(sub="nobody")))
    unreachable = dotenv(fake_issuer, JWKS_URI=f"{fake_issuer.base}/nowhere")
    token = fake_issuer.key.sign(claims())
    theirs, ours = both(
        situation(dotenv(fake_issuer, ENVIRONMENT="production"), broken, nobody),
        situation(unreachable, get("/items/me", token), get("/items/me", token)),
        situation(dotenv(fake_issuer), get("/items/health/", X_Internal_Token="Schlüssel")),
    )
    # An error that nobody handled: the same answer, with the headers of every other answer.
    assert (theirs[0][0][0], theirs[0][0][2]) == (ours[0][0][0], ours[0][0][2]) == (500, "Internal Server Error")
    assert set(map(tuple, theirs[0][0][1])) < set(map(tuple, ours[0][0][1]))
    added = {name for name, _ in ours[0][0][1]} - {name for name, _ in theirs[0][0][1]}
    assert {"access-control-allow-origin", "content-security-policy", "strict-transport-security"} <= added
    # A subject that is no account's id: a bad token, and not the service's fault.
    assert (theirs[0][1][0], ours[0][1][0]) == (500, 403)
    assert json.loads(ours[0][1][2]) == {"detail": "Could not validate credentials."}
    # A key set that can't be had: not the caller's fault, and never taken for a bad token.
    assert [answer[0] for answer in theirs[1]] == [500, 403]
    assert [answer[0] for answer in ours[1]] == [503, 503]
    assert json.loads(ours[1][0][2]) == {"detail": "Token validation keys unavailable."}
    # A credential that is no ASCII: a wrong one like any other.
    assert (theirs[2][0][0], ours[2][0][0]) == (500, 200)
    assert json.loads(ours[2][0][2]) == {"status": "ok"}
