"""Nothing secret is shown in the details of health, however deep it lies."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from vestibule.service.health import HealthCheckResult, HealthStatus
from vestibule.service.redaction import REDACTED, names_secret, redact, redact_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot reach postgresql://app:s3cret@db:5432/items", "cannot reach postgresql://***:***@db:5432/items"),
        ("redis://:s3cret@cache:6379/0", "redis://***:***@cache:6379/0"),
        ("https://s3cret@host/path", "https://***:***@host/path"),
        ("mysql://app:p@ss/w#rd@db/items", "mysql://***:***@db/items"),
        ("host=db user=app password=s3cret dbname=x", "host=db user=app password=*** dbname=x"),
        ("PGPASSWORD='s3 cret' psql", "PGPASSWORD=*** psql"),
        ('{"api_key": "s3cret", "rows": 1}', '{"api_key": ***, "rows": 1}'),
        ("sent Authorization: Bearer eyJh.s3cret.x to it", "sent Authorization: Bearer *** to it"),
        ("nothing to hide at https://host/path?a=1", "nothing to hide at https://host/path?a=1"),
    ],
)
def test_credentials_in_text_are_hidden(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@pytest.mark.parametrize(
    "key", ["password", "DB_PASSWORD", "apiKey", "api-key", "accessKey", "X-Internal-Token", "DSN", "privateKey"]
)
def test_keys_that_name_secrets_are_known_in_any_spelling(key: str) -> None:
    assert names_secret(key)


@pytest.mark.parametrize("key", ["rows", "tokenizer", "key", "passenger", "host", "keys_loaded", "monkey"])
def test_other_keys_are_not(key: str) -> None:
    assert not names_secret(key)


def test_redaction_goes_all_the_way_down() -> None:
    shown = redact({"pool": {"nodes": [{"dsn": "x", "url": "db://u:p@h", "deep": ({"apiKey": "y"},)}]}})
    assert shown == {"pool": {"nodes": [{"dsn": REDACTED, "url": "db://***:***@h", "deep": [{"apiKey": REDACTED}]}]}}


def test_whatever_the_details_hold_json_can_say_them_and_the_secret_is_not_in_them() -> None:
    dice = random.Random(7)

    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def thing(depth: int) -> Any:
        plain = [None, True, 3, 2.5, float("nan"), float("inf"), b"bytes", "text", Odd(), {1, 2}, object()]
        if depth == 0 or dice.random() < 0.4:
            return dice.choice(plain)
        if dice.random() < 0.5:
            return [thing(depth - 1) for _ in range(3)]
        return {dice.choice(["a", 1, None, "password"]): thing(depth - 1), "token": "s3cret", "url": "x://s3cret@h"}

    for _ in range(300):
        shown = HealthCheckResult("it", HealthStatus.OK, error="pwd=s3cret", meta={"all": thing(6)}).shown()
        text = json.dumps(shown, allow_nan=False)
        assert "s3cret" not in text


@pytest.mark.parametrize("before", range(960, 1040, 7))
def test_a_secret_at_the_cut_is_hidden_too(before: int) -> None:
    text = "x" * before + " postgresql://app:s3cret-s3cret-s3cret@db/items"
    assert "s3cret" not in redact_text(text)


@pytest.mark.parametrize("part", ["://", "a-", "token", "password = ", "Bearer ", "x@"])
def test_hostile_text_costs_little(part: str) -> None:
    assert len(redact_text(part * 100_000)) <= 1000  # without a limit this takes minutes


def test_details_that_hold_themselves_end() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    assert len(json.dumps(redact(endless))) < 300
    assert len(redact(list(range(10_000)))) == 100
    assert len(redact_text("x" * 100_000)) == 1000
