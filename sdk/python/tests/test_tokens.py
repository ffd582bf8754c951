"""The pure parts: keys, signatures, and what a token must say to be believed."""

from __future__ import annotations

import base64
import json
import pickle
import threading
import time
import uuid
from typing import Any

import pytest

from vestibule import _core
from vestibule.errors import ConfigurationError, IdentityUnavailable, InvalidToken, VestibuleError
from vestibule.testing import Issuer

# The worked example that every issuer and service of the family agrees on.
SECRET = "Access-Secret_Key-0123456789-abcdefXYZ!"
EXAMPLE = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJzdWIiOiI1NTBlODQwMC1lMjliLTQxZDQtYTcxNi00NDY2NTU0NDAwMDAiLCJ0eXBlIjoiYWNjZXNzIiwiZW1haWwiOiJhZGFAZXhhbXBsZS5j"
    "b20iLCJmdWxsX25hbWUiOiJBZGEgTG92ZWxhY2UiLCJhdmF0YXIiOm51bGwsImlzX2FjdGl2ZSI6dHJ1ZSwiZW1haWxfdmVyaWZpZWQiOnRydWUs"
    "ImlzX3N1cGVydXNlciI6ZmFsc2UsInJvbGUiOiJ3cml0ZXIiLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMCwibmJmIjoxNzAwMDAw"
    "MDAwLCJqdGkiOiIwYjdkN2YwZS02YTRlLTRkMGYtOWE1My0wZDlmM2I2ZjJjMTEiLCJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZS5jb20iLCJh"
    "dWQiOiJpdGVtLXNlcnZpY2UifQ."
    "PMdgmOYYgDYIulXm27MVZFKrqCkcBNhjzgBV0YpUBBU"
)
EXPECTED: dict[str, Any] = {
    "algorithm": "HS256",
    "issuer": "https://auth.example.com",
    "audience": "item-service",
}


def refusal(token: str | bytes, keys: _core.Keys, **expected: Any) -> str:
    with pytest.raises(InvalidToken) as caught:
        _core.verify(token, keys, **expected)
    return caught.value.reason


def test_the_worked_example_is_accepted() -> None:
    claims = _core.verify(EXAMPLE, _core.Keys.from_secret(SECRET), **EXPECTED)
    assert claims["role"] == "writer"
    assert claims["email"] == "ada@example.com"
    assert claims["aud"] == "item-service"
    assert claims["avatar"] is None
    assert claims["exp"] == 4102444800


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "HS256"])
def test_what_a_key_signs_its_public_half_verifies(algorithm: str) -> None:
    key = _core.SigningKey.generate(algorithm)
    token = key.sign({"a": [1, 2.5, None, "ä\U0001f600"], "b": {"c": True}, "n": 2**63})
    assert _core.verify_signature(token, key.keys(), algorithm=algorithm) == {
        "a": [1, 2.5, None, "ä\U0001f600"],
        "b": {"c": True},
        "n": 2**63,
    }
    assert _core.verify_signature(token.encode(), key.keys(), algorithm=algorithm)["a"][0] == 1
    if algorithm != "HS256":
        by_hand = _core.Keys.from_pem(key.public_pem())
        published = _core.Keys.from_jwks(json.dumps({"keys": [key.jwk()]}))
        for keys in (by_hand, published):
            assert _core.verify_signature(token, keys, algorithm=algorithm)["n"] == 2**63
        assert published.public_pem(key.kid) == key.public_pem()
        assert json.loads(by_hand.to_jwks())["keys"][0]["kid"] == key.kid


def test_a_public_key_is_never_taken_for_a_secret() -> None:
    key = _core.SigningKey.generate("RS256")
    forged = _core.SigningKey.from_secret(key.public_pem()).sign({"sub": "x"})
    for algorithm in ("RS256", "HS256"):
        with pytest.raises(InvalidToken):
            _core.verify_signature(forged, key.keys(), algorithm=algorithm)


def test_unsigned_tokens_are_refused() -> None:
    def encoded(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = Issuer().claims()
    for algorithm in ("none", "None", "NONE", "", "HS256"):
        token = f"{encoded({'alg': algorithm})}.{encoded(claims)}."
        assert refusal(token, _core.Keys.from_secret(SECRET), **EXPECTED) == "invalid"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": 1_700_000_000}, "expired"),
        ({"exp": "4102444800"}, "invalid"),
        ({"exp": ...}, "invalid"),
        ({"type": "refresh"}, "wrong_type"),
        ({"type": "Access"}, "wrong_type"),
        ({"iss": "https://auth.example.com/"}, "invalid"),
        ({"aud": "another"}, "invalid"),
        ({"aud": []}, "invalid"),
        ({"nbf": 4_000_000_000}, "invalid"),
        ({"iat": 4_000_000_000}, "invalid"),
        ({"iat": ...}, "invalid"),
        ({"sub": ...}, "invalid"),
        ({"sub": "no-uuid"}, "invalid_payload"),
        ({"email": "root@localhost"}, "invalid_payload"),
        ({"email": ...}, "invalid_payload"),
        ({"role": "owner"}, "invalid_payload"),
        ({"role": "ADMIN"}, "invalid_payload"),
        ({"role": "admin", "is_superuser": True}, "inconsistent_privilege_claims"),
        ({"role": "superadmin", "is_superuser": False}, "inconsistent_privilege_claims"),
    ],
)
def test_a_token_that_says_something_wrong_is_refused_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    issuer = Issuer(issuer="https://auth.example.com", audience="item-service", algorithm="HS256")
    claims = issuer.claims(role="writer", lifetime=10**8)
    good = issuer.sign(claims)
    keys = issuer.keys()
    _core.verify(good, keys, **EXPECTED)
    bad = {name: value for name, value in {**claims, **changed}.items() if value is not ...}
    assert refusal(issuer.sign(bad), keys, **EXPECTED) == reason


def test_an_audience_may_be_one_of_several() -> None:
    issuer = Issuer(algorithm="HS256")
    token = issuer.token(aud=["x", "item-service"])
    claims = _core.verify(token, issuer.keys(), algorithm="HS256", issuer=issuer.issuer, audience="item-service")
    assert claims["aud"] == ["x", "item-service"]


def test_leniency_is_asked_for_by_name() -> None:
    issuer = Issuer(algorithm="HS256")
    keys = issuer.keys()
    token = issuer.token(role="admin", is_superuser=True, sub="somebody", iss=..., aud=..., nbf=..., iat=...)
    assert refusal(token, keys, algorithm="HS256", strict=True) == "invalid"
    assert refusal(token, keys, algorithm="HS256", strict=False) == "invalid_payload"
    claims = _core.verify(token, keys, algorithm="HS256", strict=False, consistent_privileges=False, uuid_subject=False)
    assert (claims["sub"], claims["role"], claims["is_superuser"]) == ("somebody", "admin", True)


def test_leeway_applies_at_a_given_time() -> None:
    issuer = Issuer(algorithm="HS256")
    token = issuer.token(exp=1_800_000_000, iat=1_700_000_000, nbf=1_700_000_000)
    expected: dict[str, Any] = {
        "algorithm": "HS256",
        "issuer": issuer.issuer,
        "audience": issuer.audience,
    }
    assert _core.verify(token, issuer.keys(), **expected, now=1_800_000_001.5)
    assert refusal(token, issuer.keys(), **expected, now=1_800_000_002.0) == "expired"
    assert refusal(token, issuer.keys(), **expected, now=1_699_999_997.0) == "invalid"


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "\ud800",
        b"\xff\xfe",
        "é.é.é",
        "." * 5000,
        "x" * 20_000,
        "\0.\0.\0",
        EXAMPLE + " ",
    ],
)
def test_what_is_no_token_is_refused_cleanly(garbage: str | bytes) -> None:
    assert refusal(garbage, _core.Keys.from_secret(SECRET), **EXPECTED) == "invalid"
    with pytest.raises(InvalidToken):
        _core.verify_signature(garbage, _core.Keys.from_secret(SECRET), algorithm="HS256")


def test_what_is_neither_text_nor_bytes_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError):
        _core.verify(7, _core.Keys.from_secret(SECRET), **EXPECTED)  # type: ignore[arg-type]


def test_a_key_given_by_hand_verifies_whatever_the_token_calls_it() -> None:
    key = _core.SigningKey.generate("ES256")
    other = _core.SigningKey.generate("ES256")
    token = key.sign({})
    assert _core.verify_signature(token, _core.Keys.from_pem(key.public_pem()), algorithm="ES256") == {}
    with pytest.raises(InvalidToken):
        _core.verify_signature(token, _core.Keys.from_pem(other.public_pem()), algorithm="ES256")


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigurationError):
        _core.Keys.from_pem(text)
    with pytest.raises(ConfigurationError):
        _core.SigningKey.from_pem(text)
    with pytest.raises(ConfigurationError):
        _core.Keys.from_secret(text[:31])
    with pytest.raises(ConfigurationError):
        _core.Keys.from_jwks(text)
    with pytest.raises(ConfigurationError):
        _core.SigningKey.generate(text)


def test_one_bad_entry_of_a_key_set_harms_no_other() -> None:
    key = _core.SigningKey.generate("ES256")
    entries = [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}, {"kty": 7}, None, key.jwk()]
    assert _core.Keys.from_jwks(json.dumps({"keys": entries})).kids == [key.kid]


def test_keys_do_not_show_themselves() -> None:
    assert SECRET not in repr(_core.SigningKey.from_secret(SECRET))
    assert SECRET not in repr(_core.Keys.from_secret(SECRET))
    assert SECRET not in repr(_core.EventKey(SECRET))
    assert json.loads(_core.Keys.from_secret(SECRET).to_jwks()) == {"keys": []}


def test_event_signatures_are_those_that_subscribers_compute() -> None:
    key = _core.EventKey("Event-Signing_Key-0123456789-abcdefXYZ!")
    payload = json.dumps(
        {"event_type": "user.deleted", "user_id": "550e8400-e29b-41d4-a716-446655440000", "version": "v1"}
    )
    signature = "4fe1e927f9b4c58134c31238546c4d585ac1aa697ca77236d47af1f1c43b6bc1"
    assert key.sign(payload) == signature
    assert key.verify(payload, signature)
    assert not key.verify(payload.replace("deleted", "updated"), signature)
    assert not key.verify(payload, signature.upper())
    with pytest.raises(ValueError, match="expected"):
        key.sign("no json")


def test_errors_survive_pickling() -> None:
    refused = pickle.loads(pickle.dumps(InvalidToken("expired")))
    assert (refused.reason, isinstance(refused, VestibuleError)) == ("expired", True)
    unavailable = pickle.loads(pickle.dumps(IdentityUnavailable("keys", 7, "lost")))
    assert (unavailable.cause, unavailable.retry_after, unavailable.detail) == ("keys", 7, "lost")


def test_the_interpreter_is_released_during_verification() -> None:
    # Two threads that verify can only overlap if the interpreter is released: both are inside at the same time at least
    # once, which a counter that is only moved by a third, pure Python thread proves by moving during one call.
    issuer = Issuer(algorithm="RS256")
    token = issuer.token(filler="x" * 4000)
    keys = issuer.keys()
    turns = 0
    done = threading.Event()

    def count() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1

    counting = threading.Thread(target=count)
    counting.start()
    try:
        deadline = time.monotonic() + 30
        moved = 0
        while moved == 0 and time.monotonic() < deadline:
            before = turns
            _core.verify(token, keys, algorithm="RS256", issuer=issuer.issuer, audience=issuer.audience)
            # Taking the interpreter back from a busy thread waits for its time slice, in which it counts.
            moved = turns - before
    finally:
        done.set()
        counting.join()
    assert moved > 0


def test_ids_are_as_the_token_has_them() -> None:
    issuer = Issuer(algorithm="HS256")
    session, account = str(uuid.uuid4()), uuid.uuid4()
    token = issuer.token(user_id=account, sid=session, gen=7, amr=["pwd", "otp"], acr="x", auth_time=1)
    claims = _core.verify(token, issuer.keys(), algorithm="HS256", issuer=issuer.issuer, audience=issuer.audience)
    assert claims["sub"] == str(account)
    assert (claims["sid"], claims["gen"]) == (session, 7)
    assert (claims["amr"], claims["acr"], claims["auth_time"]) == (["pwd", "otp"], "x", 1)
