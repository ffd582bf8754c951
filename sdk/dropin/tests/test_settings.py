"""Settings: what they refuse, and how they say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MakeSettings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from vestibule._core import SigningKey

from auth_sdk_m8.core.config import parse_cors
from auth_sdk_m8.core.pem import assert_key_strength
from fastapi_m8 import ConsumerServiceSettings


def test_all_that_is_wrong_together_is_said_at_once(make_settings: MakeSettings) -> None:
    with pytest.raises(ValidationError) as refused:
        make_settings(TOKEN_ISSUER=None, DB_PASSWORD="weak", REFRESH_SECRET_KEY="weak", REDIS_SSL=True)
    for name in ("TOKEN_ISSUER", "DB_PASSWORD", "REFRESH_SECRET_KEY", "REDIS_SSL_CA"):
        assert name in str(refused.value)


def test_what_is_refused_is_not_told_to_the_log(make_settings: MakeSettings) -> None:
    with pytest.raises(ValidationError) as refused:
        make_settings(PROJECT_NAME="hunter2 hunter2", DB_PASSWORD="hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_key_is_good_for_its_own_algorithm_only(algorithm: str) -> None:
    key = SigningKey.generate(algorithm).public_pem()
    assert_key_strength(key, algorithm, is_private=False)
    with pytest.raises(ValueError, match="requires"):
        assert_key_strength(key, "ES256" if algorithm == "RS256" else "RS256", is_private=False)


@given(st.text(max_size=200))
def test_no_text_is_a_key_by_chance(text: str) -> None:
    with pytest.raises(ValueError, match="Cannot parse PEM key material"):
        assert_key_strength(text, "RS256", is_private=False)


@given(st.text(max_size=200))
def test_origins_are_origins_or_refused(text: str) -> None:
    try:
        origins = parse_cors(text)
    except ValueError:
        return
    assert all(origin.startswith(("http://", "https://")) and "*" not in origin for origin in origins)


def test_a_service_starts_by_a_file_that_beats_the_environment(tmp_path: Path, make_settings: MakeSettings) -> None:
    settings = make_settings()
    names = [name for name in type(settings).model_fields if name in settings.model_fields_set]
    values = {name: settings.model_dump(mode="json")[name] for name in names}
    values |= {"DB_PASSWORD": "Never_Used-1", "REFRESH_SECRET_KEY": "Never_Used-By-A-Consumer-0123456789"}
    values["PRIVATE_API_SECRET"] = "x"
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in values.items()))
    program = (
        "from fastapi_m8 import ConsumerServiceSettings\n"
        "class Settings(ConsumerServiceSettings):\n    model_config = {'env_file': '.env'}\n"
        "print(Settings().PROJECT_NAME)"
    )
    environment = {**os.environ, "PROJECT_NAME": "other", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "items\n"


def test_a_service_may_say_where_its_file_is() -> None:
    class Here(ConsumerServiceSettings):
        ENV_FILE_DIR = Path(__file__).parent

    assert Path(__file__).parent == Here.ENV_FILE_DIR
