"""What settings need of each other, and that nothing is asked for which the mode does not need."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr
from settings_help import MINIMAL, lonely, problems, warnings

from vestibule._core import SigningKey
from vestibule.service import ServiceSettings
from vestibule.service.settings.rules import weakness

STATELESS = {"TOKEN_MODE": "stateless", "ISSUER_URL": "https://id.example.com", "TOKEN_AUDIENCE": "items"}
STRONG = "Shared_By-The-Issuer-0123456789-xyz"
POSTGRES = {"SELECTED_DB": "Postgres", "DB_HOST": "db", "DB_DATABASE": "items", "DB_USER": "me", "DB_PASSWORD": "x"}


@pytest.fixture(autouse=True)
def _lonely(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lonely(monkeypatch, tmp_path)


def test_a_consumer_needs_no_secret_of_the_issuer_and_no_database() -> None:
    settings = ServiceSettings(**STATELESS)
    assert settings.AUTH_SERVICE_ROLE == "consumer"
    assert settings.REFRESH_SECRET_KEY is None
    assert settings.SQLALCHEMY_DATABASE_URI is None
    assert settings.requires_redis is False


def test_a_stateless_service_is_asked_for_no_credential_and_a_stateful_one_is() -> None:
    assert ServiceSettings(**STATELESS).is_stateless
    told = problems(**{**STATELESS, "TOKEN_MODE": "stateful"})
    assert set(told) == {"PRIVATE_API_SECRET"}
    assert set(problems(**{**STATELESS, "TOKEN_MODE": "stateful"}, PRIVATE_API_SECRET=" ")) == {"PRIVATE_API_SECRET"}
    without_url = {key: value for key, value in STATELESS.items() if key != "ISSUER_URL"}
    told = problems(**{**without_url, "TOKEN_MODE": "stateful"})
    assert set(told) == {"JWKS_URI", "TOKEN_ISSUER", "INTROSPECTION_URL", "PRIVATE_API_SECRET"}


@pytest.mark.parametrize("name", ["ACCESS_PRIVATE_KEY_FILE", "ACCESS_PRIVATE_KEY"])
def test_a_private_key_keeps_a_service_from_starting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/keys/private.pem")
    assert "sign in as anybody" in problems(**STATELESS)[name]


def test_a_private_key_in_the_file_of_the_public_one_keeps_a_service_from_starting(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    told = problems(**STATELESS, ACCESS_PUBLIC_KEY_FILE=str(tmp_path / "key.pem"))
    assert "private key" in told["ACCESS_PUBLIC_KEY_FILE"]


def test_other_secrets_of_the_issuer_are_warned_about() -> None:
    settings = ServiceSettings(**STATELESS, REFRESH_SECRET_KEY="weak", ACCESS_SECRET_KEY="weak")
    assert set(warnings(settings)) == {"REFRESH_SECRET_KEY", "ACCESS_SECRET_KEY"}


def test_a_public_key_file_stands_for_the_key_set(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(SigningKey.generate("RS256").public_pem())
    values = {"TOKEN_MODE": "stateless", "TOKEN_ISSUER": "https://id.example.com", "TOKEN_AUDIENCE": "items"}
    settings = ServiceSettings(**values, ACCESS_PUBLIC_KEY_FILE=path)
    assert path.read_text().strip() == settings.ACCESS_PUBLIC_KEY
    told = problems(**values, ACCESS_PUBLIC_KEY_FILE=path, ACCESS_TOKEN_ALGORITHM="ES256")
    assert "a key for RS256" in told["ACCESS_PUBLIC_KEY_FILE"]
    path.write_text("no key")
    assert "PEM" in problems(**values, ACCESS_PUBLIC_KEY_FILE=path)["ACCESS_PUBLIC_KEY_FILE"]
    assert "does not exist" in problems(**values, ACCESS_PUBLIC_KEY_FILE="/absent")["ACCESS_PUBLIC_KEY_FILE"]


class TestAlgorithms:
    def test_a_shared_key_is_asked_for_with_hs256_only(self) -> None:
        assert set(problems(**STATELESS, ACCESS_TOKEN_ALGORITHM="HS256")) == {"ACCESS_SECRET_KEY"}
        settings = ServiceSettings(**STATELESS, ACCESS_TOKEN_ALGORITHM="hs256", ACCESS_SECRET_KEY=STRONG)
        assert settings.JWKS_URI is None

    def test_no_signature_is_no_algorithm(self) -> None:
        assert "RS256, ES256 or HS256" in problems(**STATELESS, ACCESS_TOKEN_ALGORITHM="none")["ACCESS_TOKEN_ALGORITHM"]

    def test_the_old_name_of_the_algorithm_is_understood(self) -> None:
        settings = ServiceSettings(**STATELESS, TOKEN_ALGORITHM="ES256")
        assert settings.ACCESS_TOKEN_ALGORITHM == "ES256"

    def test_two_algorithms_that_contradict_are_a_problem(self) -> None:
        told = problems(**STATELESS, TOKEN_ALGORITHM="HS256", ACCESS_TOKEN_ALGORITHM="RS256")
        assert set(told) == {"TOKEN_ALGORITHM"}
        no_keys = {"TOKEN_MODE": "stateless", "TOKEN_ISSUER": "x", "TOKEN_AUDIENCE": "y"}
        told = problems(**no_keys, TOKEN_ALGORITHM="HS256", ACCESS_TOKEN_ALGORITHM="RS256")
        assert set(told) == {"TOKEN_ALGORITHM"}

    @pytest.mark.parametrize(
        ("secret", "why"),
        [
            ("x" * 31, "shorter"),
            ("x" * 32, "different"),
            ("change-me-access-32-chars-minimum", "placeholder"),
            ("a b" * 20, "white space"),
            ("0123456789abcdef" * 4, None),
        ],
    )
    def test_a_key_that_is_easily_guessed_is_refused(self, secret: str, why: str | None) -> None:
        found = weakness(secret)
        assert found is None if why is None else why in str(found)
        values = {**STATELESS, "ACCESS_TOKEN_ALGORITHM": "HS256", "ACCESS_SECRET_KEY": secret}
        if why is None:
            assert SecretStr(secret) == ServiceSettings(**values).ACCESS_SECRET_KEY
        else:
            assert why in problems(**values)["ACCESS_SECRET_KEY"]


class TestClaims:
    def test_both_claims_are_asked_for_when_strict(self) -> None:
        values = {"TOKEN_MODE": "stateless", "JWKS_URI": "https://id.example.com/keys"}
        assert set(problems(**values)) == {"TOKEN_ISSUER", "TOKEN_AUDIENCE"}
        assert set(problems(**values, TOKEN_ISSUER=" ", TOKEN_AUDIENCE="items")) == {"TOKEN_ISSUER"}

    def test_they_may_be_left_out_by_saying_so(self) -> None:
        values = {"TOKEN_MODE": "stateless", "JWKS_URI": "https://id.example.com/keys"}
        assert ServiceSettings(**values, TOKEN_STRICT_VALIDATION=False).TOKEN_AUDIENCE is None


class TestCredentials:
    def test_service_tokens_need_a_registered_service(self) -> None:
        assert set(problems(**MINIMAL, SERVICE_TOKEN_EXCHANGE_ENABLED=True)) == {"INTERNAL_CLIENT_ID"}
        assert set(problems(**STATELESS, INTERNAL_CLIENT_ID="items")) == {"PRIVATE_API_SECRET"}

    @pytest.mark.parametrize("name", ["HEALTH_DETAIL_CREDENTIAL", "METRICS_SCRAPE_CREDENTIAL"])
    def test_credentials_for_looking_differ_from_the_services_own(self, name: str) -> None:
        values = {**MINIMAL, name: MINIMAL["PRIVATE_API_SECRET"]}
        assert set(problems(**values)) == {name}

    @pytest.mark.parametrize("name", ["PRIVATE_API_SECRET", "DB_PASSWORD"])
    def test_placeholders_of_samples_do_on_a_developers_machine_only(self, name: str) -> None:
        values = {**MINIMAL, **POSTGRES, name: "change-me"}
        assert getattr(ServiceSettings(**values), name) == SecretStr("change-me")
        assert set(problems(**{**values, "ENVIRONMENT": "staging"})) == {name}


class TestDatabase:
    def test_the_database_is_given_whole_or_not_at_all(self) -> None:
        for name in ("DB_HOST", "DB_DATABASE", "DB_USER", "DB_PASSWORD"):
            partial = {key: value for key, value in POSTGRES.items() if key != name}
            assert set(problems(**MINIMAL, **partial)) == {name}

    def test_each_kind_has_its_driver_and_port(self) -> None:
        group = {**MINIMAL, **POSTGRES, "DB_PASSWORD": "Va@li/d:P+ss1!"}
        uris = {
            kind: ServiceSettings(**{**group, "SELECTED_DB": kind}).SQLALCHEMY_DATABASE_URI
            for kind in ("Postgres", "Mysql", "Mariadb", "postgresql")
        }
        tail = "me:Va%40li%2Fd%3AP%2Bss1%21@db"
        assert uris == {
            "Postgres": f"postgresql+psycopg://{tail}:5432/items",
            "Mysql": f"mysql+pymysql://{tail}:3306/items",
            "Mariadb": f"mariadb+pymysql://{tail}:3306/items",
            "postgresql": f"postgresql+psycopg://{tail}:5432/items",
        }

    def test_sqlite_needs_a_path_only(self) -> None:
        settings = ServiceSettings(**MINIMAL, SELECTED_DB="Sqlite", DB_DATABASE="/data/items.db")
        assert settings.SQLALCHEMY_DATABASE_URI == "sqlite+pysqlite:////data/items.db"
        assert set(problems(**MINIMAL, SELECTED_DB="Sqlite")) == {"DB_DATABASE"}

    def test_one_url_does_instead_and_not_beside(self) -> None:
        settings = ServiceSettings(**MINIMAL, DATABASE_URL="postgresql://me:x@db/items")
        assert settings.SQLALCHEMY_DATABASE_URI == "postgresql+psycopg://me:x@db:5432/items"
        assert settings.SELECTED_DB == "Postgres"
        assert set(problems(**MINIMAL, SELECTED_DB="Mysql", DATABASE_URL="sqlite:///items.db")) == {"SELECTED_DB"}
        assert ServiceSettings(**MINIMAL, SELECTED_DB="Mysql", DATABASE_URL="mariadb://me@db/items").DB_HOST is None
        assert set(problems(**MINIMAL, **POSTGRES, DATABASE_URL="postgresql://me:x@db/items")) == {"DATABASE_URL"}
        assert "percent" in problems(**MINIMAL, DATABASE_URL="postgresql://me:a#b@db/items")["DATABASE_URL"]

    def test_a_socket_is_a_host_too(self) -> None:
        settings = ServiceSettings(**MINIMAL, **{**POSTGRES, "DB_HOST": "/run/postgresql"})
        assert settings.SQLALCHEMY_DATABASE_URI == "postgresql+psycopg://me:x@/items?host=%2Frun%2Fpostgresql&port=5432"

    def test_files_of_encryption_belong_together(self, tmp_path: Path) -> None:
        path = tmp_path / "some.pem"
        path.write_text("x")
        assert set(problems(**MINIMAL, DB_TLS_CERT=path)) == {"DB_TLS_KEY"}
        assert set(problems(**MINIMAL, REDIS_SSL=True, REDIS_SSL_KEY=path)) == {"REDIS_SSL_CERT", "REDIS_SSL_CA"}
        assert set(problems(**MINIMAL, DB_TLS_MODE="verify-full")) == {"DB_TLS_CA"}
        assert set(problems(**MINIMAL, DB_TLS_MODE="disable", DB_TLS_CA=path)) == {"DB_TLS_MODE"}
        assert set(problems(**MINIMAL, REDIS_SSL_CA=str(tmp_path))) == {"REDIS_SSL_CA"}


class TestComputed:
    def test_allowed_origins_are_the_list_and_the_frontend(self) -> None:
        settings = ServiceSettings(
            **MINIMAL,
            BACKEND_CORS_ORIGINS="http://a.example.com/, https://B.example.com",
            FRONTEND_HOST="https://app.example.com/start/",
        )
        assert settings.ALLOWED_ORIGINS == ["http://a.example.com", "https://b.example.com", "https://app.example.com"]
        twice = ServiceSettings(**MINIMAL, BACKEND_CORS_ORIGINS="http://a:1", FRONTEND_HOST="http://a:1/")
        assert twice.ALLOWED_ORIGINS == ["http://a:1"]

    def test_origins_of_other_schemes_are_allowed_by_name(self) -> None:
        values = {**MINIMAL, "BACKEND_CORS_ORIGINS": "chrome-extension://abc"}
        assert set(problems(**values)) == {"BACKEND_CORS_ORIGINS"}
        settings = ServiceSettings(**values, CORS_ALLOWED_ORIGIN_SCHEMES="chrome-extension://")
        assert settings.ALLOWED_ORIGINS == ["chrome-extension://abc"]

    @pytest.mark.parametrize(
        ("environment", "strict", "serve", "shown"),
        [
            ("local", False, False, True),
            ("development", False, False, True),
            ("staging", False, False, True),
            ("local", True, False, False),
            ("local", True, True, True),
            ("production", False, False, False),
            ("production", False, True, True),
        ],
    )
    def test_docs_are_off_in_production_unless_asked_for(
        self, environment: str, strict: bool, serve: bool, shown: bool
    ) -> None:
        settings = ServiceSettings(
            **{**MINIMAL, "ENVIRONMENT": environment},
            STRICT_PRODUCTION_MODE=strict,
            SERVE_DOCS_IN_PRODUCTION=serve,
            SET_REDOC=False,
        )
        assert settings.effective_set_open_api is shown
        assert settings.effective_set_docs is shown
        assert settings.effective_set_redoc is False

    def test_failure_modes_are_closed_when_strict(self) -> None:
        settings = ServiceSettings(**MINIMAL, ACCESS_REVOCATION_FAILURE_MODE="fail_open")
        assert settings.effective_failure_mode("access_revocation") == "fail_open"
        assert settings.effective_failure_mode("rate_limit") == "fail_open"
        assert settings.effective_failure_mode("session_write") == "fail_closed"
        strict = ServiceSettings(**MINIMAL, ACCESS_REVOCATION_FAILURE_MODE="fail_open", AUTH_STRICT_MODE=True)
        assert strict.effective_failure_mode("access_revocation") == "fail_closed"

    def test_mail_needs_a_server_and_a_sender(self) -> None:
        assert ServiceSettings(**MINIMAL).emails_enabled is False
        assert ServiceSettings(**MINIMAL, SMTP_HOST="mail", EMAILS_FROM_EMAIL="a@example.com").emails_enabled


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"TOKEN_MODE": "hybrid"},
        {"ENVIRONMENT": "Production"},
        {"PROJECT_NAME": "My Service"},
        {"EVENT_SIGNING_KEY": "change-me-event-signing-32-chars", "EVENT_SIGNING_ENABLED": "false"},
        {"ALLOWED_HOSTS": ""},
        {"BACKEND_CORS_ORIGINS": '["http://localhost:3000"]'},
    ],
)
def test_the_usual_file_of_a_service_for_fastapi_m8_is_read(changes: dict[str, str]) -> None:
    """Names and values as such services have them; nothing has to be taken out or put in."""
    lines = {
        "PROJECT_NAME": "items",
        "STACK_NAME": "items",
        "DOMAIN": "localhost",
        "ENVIRONMENT": "local            # local | development | staging | production",
        "API_PREFIX": "/items",
        "AUTH_PREFIX": "/user",
        "BACKEND_HOST": "http://localhost:9000",
        "FRONTEND_HOST": "http://localhost:5173",
        "BACKEND_CORS_ORIGINS": "http://localhost:5173,http://127.0.0.1:5173",
        "SET_OPEN_API": "True",
        "AUTH_SERVICE_ROLE": "consumer",
        "TOKEN_MODE": "stateful",
        "ACCESS_TOKEN_ALGORITHM": "RS256",
        "TOKEN_ISSUER": "http://localhost:8080",
        "TOKEN_AUDIENCE": "vestibule",
        "JWKS_URI": "http://localhost:8080/user/.well-known/jwks.json",
        "INTROSPECTION_URL": "http://auth_user_service:8000/user/private/v1/jti-status",
        "PRIVATE_API_SECRET": "Shared-With_Vestibule-0123456789-abc",
        "REFRESH_SECRET_KEY": "change-me-refresh-32-chars-min  # always HS256, internal",
        "EVENT_SIGNING_ENABLED": "false",
        "SELECTED_DB": "Mysql             # Mysql | Postgres",
        "DB_HOST": "localhost",
        "DB_PORT": "3306",
        "DB_DATABASE": "my_service",
        "DB_USER": "app_user",
        "DB_PASSWORD": "p#ss word$1",
        "TABLES_PREFIX": "app",
        "REDIS_HOST": "localhost",
        "REDIS_PORT": "6379",
        "REDIS_USER": "redisuser",
        "REDIS_PASSWORD": "change-me",
        "REDIS_SSL": "false",
        "METRICS_ENABLED": "false",
        "CONTRACT_RANGE": ">=1.0.0 <2.0.0",
        "SENTRY_DSN": "https://0123456789abcdef@o1.ingest.sentry.io/1",
        "SERVICE_TOKEN_SCOPES": '["introspection","event-stream","api-key-introspection"]',
        **changes,
    }
    quoted = {name: f"'{value}'" if name == "DB_PASSWORD" else value for name, value in lines.items()}
    Path(".env").write_text("\n".join(f"{name}={value}" for name, value in quoted.items()))
    settings = ServiceSettings()
    assert settings.SQLALCHEMY_DATABASE_URI == "mysql+pymysql://app_user:p%23ss%20word%241@localhost:3306/my_service"
    assert settings.ENVIRONMENT in {"local", "production"}
    assert settings.SERVICE_TOKEN_SCOPES[1] == "event-stream"
