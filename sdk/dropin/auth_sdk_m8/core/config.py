"""The settings that all services share, and where they come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import (
    EmailStr,
    Field,
    HttpUrl,
    PrivateAttr,
    SecretStr,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from typing_extensions import Self

from auth_sdk_m8.core.config_health import check_config_health
from auth_sdk_m8.core.pem import assert_key_strength as _assert_key_strength
from auth_sdk_m8.schemas.auth import ASYMMETRIC_ALGORITHMS
from auth_sdk_m8.schemas.shared import ValidationConstants

__all__ = [
    "REQUIRE_UPDATE_FIELDS",
    "CommonSettings",
    "EnvProvider",
    "FailureMode",
    "SecretProvider",
    "VaultProvider",
    "check_config_health",
    "parse_cors",
    "settings_customise_sources",
]

FailureMode = Literal["fail_open", "fail_closed"]
Control = Literal["refresh_validation", "session_write", "rate_limit", "access_revocation"]

# What is read from a vault.
REQUIRE_UPDATE_FIELDS = ["ACCESS_SECRET_KEY", "DB_PASSWORD", "REDIS_PASSWORD"]

_VAULT_TOKEN_FILE = "/run/secrets/vault_token"  # where container platforms mount it
_DRIVERS = {"Mysql": "mysql+pymysql", "Postgres": "postgresql+psycopg2"}

_HOST = ValidationConstants.HOST_REGEX.pattern
_KEY = ValidationConstants.KEY_REGEX.pattern


class SecretProvider:
    """Where secrets come from."""

    def get(self, key: str) -> str | None:
        """The secret of that name, if there is one."""
        raise NotImplementedError


class EnvProvider(SecretProvider):
    """Secrets from the process environment."""

    def get(self, key: str) -> str | None:
        """The variable of that name."""
        return os.environ.get(key)


class VaultProvider(SecretProvider):
    """Secrets from path `app` of a HashiCorp Vault (key-value engine, version 2). Needs `hvac`.

    Raises:
        RuntimeError: `hvac` is not installed.
    """

    def __init__(self, addr: str, token: str) -> None:
        try:
            hvac = import_module("hvac")
        except ImportError as error:
            raise RuntimeError("the hvac library is needed to read secrets from a vault") from error
        self._client = hvac.Client(url=addr, token=token)

    def get(self, key: str) -> str | None:
        """The secret of that name."""
        answer = self._client.secrets.kv.v2.read_secret_version(path="app")
        value: str | None = answer["data"]["data"].get(key)
        return value


def _build_vault_source(vault_addr: str, vault_token: str) -> Callable[..., dict[str, Any]]:
    provider = VaultProvider(vault_addr, vault_token)

    def source(_settings: Any = None) -> dict[str, Any]:
        values = {name: provider.get(name) for name in REQUIRE_UPDATE_FIELDS}
        return {name: value for name, value in values.items() if value is not None}

    return source


def _vault_sources() -> list[Callable[..., dict[str, Any]]]:
    """The vault that the process environment names, outside of development only."""
    if os.environ.get("ENVIRONMENT") not in ("production", "staging") or os.environ.get("SECRET_PROVIDER") != "vault":
        return []
    address, token = os.environ.get("VAULT_ADDR"), os.environ.get("VAULT_TOKEN")
    if not token:
        file = Path(_VAULT_TOKEN_FILE)
        token = file.read_text().strip() if file.is_file() else None
    return [_build_vault_source(address, token)] if address and token else []


def settings_customise_sources(init_settings: Any, env_settings: Any, file_secret_settings: Any) -> tuple[Any, ...]:
    """Sources without a `.env` file, strongest first."""
    return (init_settings, env_settings, file_secret_settings, *_vault_sources())


def _items(value: object) -> list[str]:
    """A list, also when it was written with commas between."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    if not isinstance(value, Iterable):
        raise ValueError("must be a list")
    return list(value)


def parse_cors(value: str) -> list[str]:
    """The origins of a list with commas, without trailing slashes.

    Raises:
        ValueError: One is no origin, or there is none.
    """
    origins = [origin.rstrip("/") for origin in _items(value)]
    for origin in origins:
        if not ValidationConstants.HTTP_HOST_REGEX.match(origin):
            raise ValueError(f"Invalid host in BACKEND_CORS_ORIGINS: {origin!r}")
    if not origins:
        raise ValueError("BACKEND_CORS_ORIGINS must contain at least one valid origin")
    return origins


class CommonSettings(BaseSettings):
    """Settings by name. They come from arguments, the `.env` file, the environment, files of secrets and a vault; the
    first of these that has a value wins. Unknown names are refused."""

    # A secret that breaks a rule is still one.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    # For subclasses that look for their `.env` from where they stand.
    ENV_FILE_DIR: ClassVar[Path] = Path(__file__).resolve().parent
    # Which settings are held against which rule; subclasses may say otherwise.
    required_fields: ClassVar[list[str]] = [
        "DOMAIN",
        "ENVIRONMENT",
        "API_PREFIX",
        "PROJECT_NAME",
        "STACK_NAME",
        "FRONTEND_HOST",
    ]
    secret_fields: ClassVar[list[str]] = ["ACCESS_SECRET_KEY", "REFRESH_SECRET_KEY", "DB_PASSWORD", "REDIS_PASSWORD"]
    passwords: ClassVar[list[str]] = ["DB_PASSWORD", "REDIS_PASSWORD"]
    secret_keys: ClassVar[list[str]] = ["ACCESS_SECRET_KEY", "REFRESH_SECRET_KEY"]

    # The service and where it stands
    DOMAIN: str = Field(pattern=_HOST)
    ENVIRONMENT: Literal["local", "development", "staging", "production"]
    API_PREFIX: str = Field(pattern=ValidationConstants.URL_PATH_STR_REGEX.pattern)
    SET_OPEN_API: bool = True
    SET_DOCS: bool = True
    SET_REDOC: bool = True
    SERVE_DOCS_IN_PRODUCTION: bool = False
    PROJECT_NAME: str = Field(pattern=_KEY)
    STACK_NAME: str = Field(pattern=ValidationConstants.SLUG_REGEX.pattern)
    BACKEND_HOST: HttpUrl
    FRONTEND_HOST: HttpUrl
    BACKEND_CORS_ORIGINS: str
    OAUTH_ALLOWED_REDIRECT_SCHEMES: list[str] = ["chrome-extension://"]
    OAUTH_ALLOWED_REDIRECT_PREFIXES: list[str] = []
    CORS_ALLOWED_ORIGIN_SCHEMES: list[str] = []

    # Tokens
    SECRET_KEY: SecretStr | None = None
    ACCESS_SECRET_KEY: SecretStr | None = None
    ACCESS_PRIVATE_KEY_FILE: str | None = None
    ACCESS_PUBLIC_KEY_FILE: str | None = None
    REFRESH_SECRET_KEY: SecretStr
    REFRESH_SECRET_KEY_OLD: SecretStr | None = None
    TOKEN_ALGORITHM: str = "RS256"
    ACCESS_TOKEN_ALGORITHM: str = "RS256"
    REFRESH_TOKEN_ALGORITHM: str = "HS256"
    TOKEN_MODE: Literal["stateless", "stateful", "hybrid"] = "stateful"
    ACCESS_TOKEN_EXPIRE_MINUTES: int = 30
    REFRESH_TOKEN_EXPIRE_MINUTES: int = 120
    REFRESH_TOKEN_COOKIE_EXPIRE_SECONDS: int = 3600
    TOKEN_ISSUER: str | None = None
    TOKEN_AUDIENCE: str | None = None
    TOKEN_STRICT_VALIDATION: bool = True
    ACCESS_KEY_ID: str | None = None
    JWKS_URI: str | None = None
    JWKS_CACHE_TTL_SECONDS: int = 300
    AUTH_SERVICE_ROLE: Literal["issuer", "consumer"] = "issuer"

    # Hardening
    STRICT_PRODUCTION_MODE: bool = False
    SESSION_COOKIE_SECURE: bool = True
    SECURITY_HEADERS_ENABLED: bool = True
    HSTS_MAX_AGE: int = 31_536_000
    HSTS_INCLUDE_SUBDOMAINS: bool = True
    CONTENT_SECURITY_POLICY: str | None = None
    REFERRER_POLICY: str = "strict-origin-when-cross-origin"
    PERMISSIONS_POLICY: str = (
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()"
    )
    EVENT_SIGNING_ENABLED: bool = True
    EVENT_SIGNING_KEY: SecretStr | None = None
    EVENT_SIGNING_ACCEPT_UNSIGNED: bool = False
    SENTRY_DSN: HttpUrl | None = None

    # The database
    SELECTED_DB: Literal["Mysql", "Postgres"] = "Mysql"
    DB_ENGINE: str = "InnoDB"
    DB_CHARSET: str = "utf8mb4"
    DB_HOST: str = Field(pattern=_HOST)
    DB_PORT: int = Field(ge=1, le=65535)
    DB_DATABASE: str = Field(pattern=_KEY)
    DB_USER: str = Field(pattern=_KEY)
    DB_PASSWORD: SecretStr

    # Redis, of the issuer
    REDIS_HOST: str | None = Field(None, pattern=_HOST)
    REDIS_PORT: int | None = None
    REDIS_USER: str | None = Field(None, pattern=_KEY)
    REDIS_PASSWORD: SecretStr | None = None
    REDIS_SSL: bool = False
    REDIS_SSL_CA: str | None = None
    REDIS_SSL_CERT: str | None = None
    REDIS_SSL_KEY: str | None = None

    # Limits, of the issuer
    LOGIN_RATE_LIMIT_REQUESTS: int = Field(5, ge=1, le=1000)
    LOGIN_RATE_LIMIT_WINDOW_MINUTES: int = Field(15, ge=1, le=1440)
    REFRESH_RATE_LIMIT_REQUESTS: int = Field(10, ge=1, le=1000)
    REFRESH_RATE_LIMIT_WINDOW_MINUTES: int = Field(5, ge=1, le=1440)

    # What to do when something can't be checked
    AUTH_STRICT_MODE: bool = False
    REFRESH_VALIDATION_FAILURE_MODE: FailureMode = "fail_closed"
    SESSION_WRITE_FAILURE_MODE: FailureMode = "fail_closed"
    RATE_LIMIT_FAILURE_MODE: FailureMode = "fail_open"
    ACCESS_REVOCATION_FAILURE_MODE: FailureMode = "fail_closed"

    # Mail
    SMTP_HOST: str | None = None
    SMTP_PORT: int = 587
    EMAILS_FROM_EMAIL: EmailStr | None = None
    EMAILS_FROM_NAME: str | None = None
    EMAIL_TEST_USER: EmailStr = "test@example.com"

    _private_key: SecretStr | None = PrivateAttr(None)
    _public_key: str | None = PrivateAttr(None)

    # Fields

    @field_validator("OAUTH_ALLOWED_REDIRECT_SCHEMES", mode="before")
    @classmethod
    def parse_redirect_schemes(cls, v: object) -> list[str]:
        """Takes a list with commas, too."""
        return _items(v)

    @field_validator("OAUTH_ALLOWED_REDIRECT_PREFIXES", mode="before")
    @classmethod
    def parse_redirect_prefixes(cls, v: object) -> list[str]:
        """Takes a list with commas, too."""
        return _items(v)

    @field_validator("CORS_ALLOWED_ORIGIN_SCHEMES", mode="before")
    @classmethod
    def parse_cors_origin_schemes(cls, v: object) -> list[str]:
        """Takes a list with commas, too."""
        return _items(v)

    @field_validator("BACKEND_CORS_ORIGINS", mode="before")
    @classmethod
    def validate_cors_origins(cls, v: str) -> str:
        """Each origin is looked at; the text is kept as it was written."""
        if not isinstance(v, str):
            raise ValueError("BACKEND_CORS_ORIGINS must be a comma-separated string.")
        parse_cors(v)
        return v

    # What follows from them

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ALLOWED_ORIGINS(self) -> list[str]:
        """The origins of `BACKEND_CORS_ORIGINS`, and the front end's."""
        origins = parse_cors(self.BACKEND_CORS_ORIGINS)
        front_end = str(self.FRONTEND_HOST).rstrip("/")
        return origins if front_end in origins else [*origins, front_end]

    @property
    def ACCESS_PRIVATE_KEY(self) -> SecretStr | None:
        """What `ACCESS_PRIVATE_KEY_FILE` held at start."""
        return self._private_key

    @property
    def ACCESS_PUBLIC_KEY(self) -> str | None:
        """What `ACCESS_PUBLIC_KEY_FILE` held at start."""
        return self._public_key

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_stateless(self) -> bool:
        """Whether nothing is kept of tokens."""
        return self.TOKEN_MODE == "stateless"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_stateful(self) -> bool:
        """Whether access tokens can be revoked."""
        return self.TOKEN_MODE == "stateful"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def requires_redis(self) -> bool:
        """Whether sessions are kept in Redis: at the issuer, unless stateless."""
        return self.AUTH_SERVICE_ROLE == "issuer" and not self.is_stateless

    @computed_field  # type: ignore[prop-decorator]
    @property
    def SQLALCHEMY_DATABASE_URI(self) -> str:
        """The address of the database, with the password in it."""
        password = quote(self.DB_PASSWORD.get_secret_value(), safe="")
        where = f"{self.DB_HOST}:{self.DB_PORT}/{self.DB_DATABASE}"
        return f"{_DRIVERS[self.SELECTED_DB]}://{quote(self.DB_USER, safe='')}:{password}@{where}"

    def effective_failure_mode(self, control: Control) -> FailureMode:
        """What to do when `control` can't be checked; `AUTH_STRICT_MODE` closes all."""
        if self.AUTH_STRICT_MODE:
            return "fail_closed"
        mode: FailureMode = getattr(self, f"{control.upper()}_FAILURE_MODE")
        return mode

    @computed_field  # type: ignore[prop-decorator]
    @property
    def emails_enabled(self) -> bool:
        """Whether mail can be sent."""
        return bool(self.SMTP_HOST and self.EMAILS_FROM_EMAIL)

    @property
    def _docs_gated(self) -> bool:
        hardened = self.ENVIRONMENT == "production" or self.STRICT_PRODUCTION_MODE
        return hardened and not self.SERVE_DOCS_IN_PRODUCTION

    @computed_field  # type: ignore[prop-decorator]
    @property
    def effective_set_open_api(self) -> bool:
        """Whether the OpenAPI document is served."""
        return self.SET_OPEN_API and not self._docs_gated

    @computed_field  # type: ignore[prop-decorator]
    @property
    def effective_set_docs(self) -> bool:
        """Whether the Swagger page is served."""
        return self.SET_DOCS and not self._docs_gated

    @computed_field  # type: ignore[prop-decorator]
    @property
    def effective_set_redoc(self) -> bool:
        """Whether the ReDoc page is served."""
        return self.SET_REDOC and not self._docs_gated

    # Rules over several fields

    @model_validator(mode="after")
    def _check(self) -> Self:
        # The older name, where only that was set.
        if self.TOKEN_ALGORITHM != "RS256" and self.ACCESS_TOKEN_ALGORITHM == "RS256":
            self.ACCESS_TOKEN_ALGORITHM = self.TOKEN_ALGORITHM
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        """What is wrong with the settings together. All of it, so that it can be mended in one go."""
        if self.REFRESH_TOKEN_ALGORITHM != "HS256":
            yield "REFRESH_TOKEN_ALGORITHM must be HS256: only the issuer reads refresh tokens"
        yield from self._read_keys()
        yield from self._redis_problems()
        if self.TOKEN_STRICT_VALIDATION:
            names = ("TOKEN_ISSUER", "TOKEN_AUDIENCE")
            missing = [name for name in names if not (getattr(self, name) or "").strip()]
            if missing:
                yield (
                    f"TOKEN_STRICT_VALIDATION=true requires {missing}: a token is good for one issuer and one audience"
                )
        yield from self._event_key_problems()
        yield from self._key_problems()
        yield from self._secret_problems()

    def _read_keys(self) -> Iterator[str]:
        texts: dict[str, str] = {}
        for name in ("ACCESS_PRIVATE_KEY_FILE", "ACCESS_PUBLIC_KEY_FILE"):
            path = getattr(self, name)
            if path and Path(path).is_file():
                texts[name] = Path(path).read_text().strip()
            elif path:
                yield f"{name} not found: {path}"
        private = texts.get("ACCESS_PRIVATE_KEY_FILE")
        self._private_key = None if private is None else SecretStr(private)
        self._public_key = texts.get("ACCESS_PUBLIC_KEY_FILE")

    def _redis_problems(self) -> Iterator[str]:
        if self.REDIS_SSL and not self.REDIS_SSL_CA:
            yield "REDIS_SSL_CA is required when REDIS_SSL=true"
        if bool(self.REDIS_SSL_CERT) != bool(self.REDIS_SSL_KEY):
            yield "REDIS_SSL_CERT and REDIS_SSL_KEY must both be set or both unset"
        for name in ("REDIS_SSL_CA", "REDIS_SSL_CERT", "REDIS_SSL_KEY"):
            path = getattr(self, name)
            if path and not Path(path).is_file():
                yield f"{name} file not found: {path}"
        if self.requires_redis:
            names = ("REDIS_HOST", "REDIS_PORT", "REDIS_USER", "REDIS_PASSWORD")
            missing = [name for name in names if not _plain(getattr(self, name))]
            if missing:
                yield (
                    f"AUTH_SERVICE_ROLE=issuer with TOKEN_MODE={self.TOKEN_MODE} requires all REDIS_* fields; "
                    f"missing or empty: {missing}"
                )

    def _event_key_problems(self) -> Iterator[str]:
        if not self.EVENT_SIGNING_ENABLED:
            return
        key = _plain(self.EVENT_SIGNING_KEY)
        if not key:
            yield "EVENT_SIGNING_ENABLED=true requires EVENT_SIGNING_KEY"
        elif not ValidationConstants.SECRET_KEY_REGEX.match(key.strip()):
            yield "EVENT_SIGNING_KEY must be a valid secret key"

    def _key_problems(self) -> Iterator[str]:
        algorithm = self.ACCESS_TOKEN_ALGORITHM
        if algorithm == "HS256":
            if not _plain(self.ACCESS_SECRET_KEY):
                yield "ACCESS_SECRET_KEY is required when ACCESS_TOKEN_ALGORITHM=HS256"
            return
        if not (self._public_key or self.JWKS_URI):
            yield (
                f"ACCESS_TOKEN_ALGORITHM={algorithm} requires a public key source: JWKS_URI or ACCESS_PUBLIC_KEY_FILE"
            )
            return
        if algorithm in ASYMMETRIC_ALGORITHMS and (key := _plain(self._private_key) or self._public_key):
            try:
                _assert_key_strength(key, algorithm, is_private=self._private_key is not None)
            except ValueError as error:
                yield str(error)

    def _secret_problems(self) -> Iterator[str]:
        keys, passwords = ValidationConstants.SECRET_KEY_REGEX, ValidationConstants.PASSWORD_REGEX
        secrets = ((name, _plain(getattr(self, name, None))) for name in self.secret_fields)
        for name, value in secrets:
            if value is None:
                continue
            if name in self.secret_keys and not keys.match(value.strip()):
                yield f"{name} must be a valid secret key"
            elif name in self.passwords and not passwords.match(value.strip()):
                yield f"{name} must be a strong password: 8+ chars, upper, lower, digit, special char"
            elif value.strip().lower() == "changethis":
                yield f"Insecure default value for {name}: set another"
        for name in self.required_fields:
            if not str(getattr(self, name) or "").strip():
                yield f"'{name}' must be provided and not be empty"

    @staticmethod
    def _validate_password(field_name: str, secret: SecretStr) -> SecretStr:
        if not ValidationConstants.PASSWORD_REGEX.match(secret.get_secret_value()):
            raise ValueError(
                f"{field_name} must be at least 8 characters, with lower and upper case, a digit and another one."
            )
        return secret

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: Any,
        init_settings: Any,
        env_settings: Any,
        dotenv_settings: Any,
        file_secret_settings: Any,
    ) -> tuple[Any, ...]:
        """Where settings come from, strongest first: the file beats the environment."""
        return (init_settings, dotenv_settings, env_settings, file_secret_settings, *_vault_sources())


def _plain(value: Any) -> Any:
    """The text behind a secret, and anything else as it is."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value
