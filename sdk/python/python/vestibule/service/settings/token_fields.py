"""Settings of trust: who signs tokens, how they are checked, and how the service hears that one has ended."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from vestibule.service.settings.group import FieldGroup
from vestibule.service.settings.values import (
    BaseUrl,
    ExistingFile,
    Text,
    TextList,
    Url,
    one_of,
    parse_base_url,
    parse_path_prefix,
)

Algorithm = Annotated[Literal["RS256", "ES256", "HS256"], BeforeValidator(one_of("RS256", "ES256", "HS256"))]
TokenMode = Annotated[
    Literal["stateless", "hybrid", "stateful"], BeforeValidator(one_of("stateless", "hybrid", "stateful"))
]
ServiceRole = Annotated[Literal["issuer", "consumer"], BeforeValidator(one_of("issuer", "consumer"))]
FailureMode = Annotated[Literal["fail_closed", "fail_open"], BeforeValidator(one_of("fail_closed", "fail_open"))]
RevocationSource = Annotated[Literal["feed", "introspection"], BeforeValidator(one_of("feed", "introspection"))]
StalePolicy = Annotated[
    Literal["introspect", "fail_closed", "fail_open"],
    BeforeValidator(one_of("introspect", "fail_closed", "fail_open")),
]


def _path_or_url(value: object) -> object:
    return parse_base_url(value) if isinstance(value, str) and "://" in value else parse_path_prefix(value)


class IssuerFields(FieldGroup):
    """The issuer"""

    ISSUER_URL: BaseUrl | None = Field(
        default=None,
        description=(
            "The address of the Vestibule server, like `https://id.example.com`. Gives `TOKEN_ISSUER`, `JWKS_URI`, "
            "`INTROSPECTION_URL` and `AUTH_PREFIX` unless they are set themselves."
        ),
    )
    TOKEN_ISSUER: Text | None = Field(
        default=None, description="What the `iss` claim of a token must say, to the letter. From `ISSUER_URL`."
    )
    TOKEN_AUDIENCE: Text | None = Field(
        default=None, description="What the `aud` claim of a token must hold: the audience registered for this service."
    )
    TOKEN_STRICT_VALIDATION: bool = Field(
        default=True,
        description="Demands both claims above. Off, a token is only compared with those of the two that are set.",
    )
    AUTH_PREFIX: Annotated[str, BeforeValidator(_path_or_url)] = Field(
        default="/user",
        description="Where the Swagger page signs people in: a path or a URL. From `ISSUER_URL`; else `/user`.",
    )
    AUTH_SERVICE_ROLE: ServiceRole = Field(
        default="consumer", description="A service built with this kit trusts an issuer: it is a `consumer`."
    )


class KeyFields(FieldGroup):
    """Checking tokens"""

    ACCESS_TOKEN_ALGORITHM: Algorithm = Field(default="RS256", description="How access tokens are signed.")
    TOKEN_ALGORITHM: Algorithm | None = Field(
        default=None, description="An old name of `ACCESS_TOKEN_ALGORITHM`, used when that is not set."
    )
    JWKS_URI: Url | None = Field(
        default=None,
        description="Where the issuer's key set (RFC 7517) is. From `ISSUER_URL`. Not with `HS256`.",
    )
    JWKS_CACHE_TTL_SECONDS: int = Field(
        default=300,
        ge=0,
        le=86_400,
        description="After how many seconds the key set is fetched again.",
    )
    ACCESS_PUBLIC_KEY_FILE: ExistingFile | None = Field(
        default=None, description="A PEM file with the issuer's public key, in place of `JWKS_URI`. Read once."
    )
    ACCESS_SECRET_KEY: SecretStr | None = Field(
        default=None, description="The key shared with the issuer; with `HS256` only, at least 32 characters."
    )
    ACCESS_KEY_ID: Text | None = Field(default=None, description="The id of the issuer's key. Read by issuers only.")
    ACCESS_PRIVATE_KEY_FILE: Text | None = Field(
        default=None,
        description="The issuer's private key. A service that holds it could sign in as anybody: it does not start.",
    )


class RevocationFields(FieldGroup):
    """Hearing that a token has ended"""

    TOKEN_MODE: TokenMode = Field(
        default="stateful",
        description=(
            "`stateful`: tokens of ended sessions and changed accounts are refused within a second. `stateless` and "
            "`hybrid`: a token is good until it expires."
        ),
    )
    REVOCATION_SOURCE: RevocationSource = Field(
        default="feed",
        description="How a stateful service hears of it: the issuer's event stream, or one question for each token.",
    )
    STALE_FEED_POLICY: StalePolicy = Field(
        default="introspect",
        description=(
            "What holds while the event stream is broken off: ask the issuer about each token, refuse (503), or go by "
            "the token alone."
        ),
    )
    INTROSPECTION_URL: Url | None = Field(
        default=None, description="Where the issuer is asked about a token. From `ISSUER_URL`. Stateful only."
    )
    EVENTS_URL: Url | None = Field(
        default=None, description="Where the issuer's event stream is. Left out, it stands beside `INTROSPECTION_URL`."
    )
    PRIVATE_API_SECRET: SecretStr | None = Field(
        default=None, description="What the service shows the issuer on its private API. Stateful only."
    )
    INTERNAL_CLIENT_ID: Text | None = Field(
        default=None, description="The service's name at the issuer, when it was registered there with its own secret."
    )
    SERVICE_TOKEN_EXCHANGE_ENABLED: bool = Field(
        default=False, description="Trades the secret for short-lived service tokens rather than sending it each time."
    )
    SERVICE_TOKEN_SCOPES: TextList = Field(
        default=["introspection", "event-stream"], description="What those service tokens are asked for."
    )
    SERVICE_TOKEN_REFRESH_LEEWAY_SECONDS: int = Field(
        default=30, ge=0, le=3600, description="How long before its end a service token is renewed, in seconds."
    )
    ACCESS_REVOCATION_FAILURE_MODE: FailureMode = Field(
        default="fail_closed",
        description="When the issuer could not be asked: refuse with 503, or go by the token alone.",
    )
    REVOCATION_CACHE_TTL_SECONDS: int = Field(
        default=0,
        ge=0,
        le=3600,
        description="With `REVOCATION_SOURCE=introspection`: seconds a good answer is kept. 0 asks always.",
    )
    EVENT_STREAM_CONNECT_TIMEOUT: float = Field(
        default=5.0, gt=0, le=300, description="Accepted and not used: the client's own limits hold."
    )
    EVENT_STREAM_READ_TIMEOUT: float = Field(
        default=60.0, gt=0, le=3600, description="Accepted and not used: the client's own limits hold."
    )
    EVENT_SIGNING_ENABLED: bool = Field(default=True, description="Checks the signature of events when a key is set.")
    EVENT_SIGNING_KEY: SecretStr | None = Field(
        default=None, description="The key that signs events, from the issuer; at least 32 characters."
    )
    EVENT_SIGNING_ACCEPT_UNSIGNED: bool = Field(
        default=False, description="Takes unsigned events, too, while a key is being rolled out."
    )
    ALLOW_INTERNAL_HTTP: bool = Field(
        default=False, description="Says that plain http to the issuer is meant, inside a network of one's own."
    )
    AUTH_STRICT_MODE: bool = Field(default=False, description="Makes every failure mode `fail_closed`.")


class ApiKeyFields(FieldGroup):
    """API keys of people

    Accepted so that files can be shared, and not used: guards take access tokens only.
    """

    API_KEY_INTROSPECTION_ENABLED: bool = Field(default=False, description="Asks the issuer about API keys.")
    API_KEY_INTROSPECTION_URL: Url | None = Field(
        default=None, description="Where. Left out, it stands beside `INTROSPECTION_URL`."
    )
    API_KEY_INTROSPECTION_CONNECT_TIMEOUT: float = Field(default=2.0, gt=0, le=60, description="Seconds to connect.")
    API_KEY_INTROSPECTION_READ_TIMEOUT: float = Field(default=3.0, gt=0, le=60, description="Seconds to answer.")
    API_KEY_INTROSPECTION_POOL_TIMEOUT: float = Field(
        default=2.0, gt=0, le=60, description="Seconds to wait for a free connection."
    )
    API_KEY_INTROSPECTION_MAX_CONCURRENCY: int = Field(default=20, ge=1, le=10_000, description="Questions at a time.")
    API_KEY_INTROSPECTION_MAX_RESPONSE_BYTES: int = Field(
        default=8192, ge=256, le=1_048_576, description="The longest answer that is read, in bytes."
    )
    API_KEY_INTROSPECTION_SCHEMA_VERSION: Text = Field(default="1", description="The version of the question.")
    API_KEY_INTROSPECTION_CIRCUIT_FAILURE_THRESHOLD: int = Field(
        default=5, ge=1, le=1000, description="Failures in a row after which asking pauses."
    )
    API_KEY_INTROSPECTION_CIRCUIT_RESET_SECONDS: float = Field(
        default=30.0, gt=0, le=3600, description="For how many seconds it pauses."
    )


class IssuerOnlyFields(FieldGroup):
    """Read by issuers only

    Accepted so that a file can be shared with an issuer. The secrets among them do not belong into a service, and are
    warned about.
    """

    REFRESH_SECRET_KEY: SecretStr | None = Field(default=None, description="Signs refresh tokens of some issuers.")
    REFRESH_SECRET_KEY_OLD: SecretStr | None = Field(default=None, description="The one before.")
    REFRESH_TOKEN_ALGORITHM: Text = Field(default="HS256", description="How such refresh tokens are signed.")
    ACCESS_TOKEN_EXPIRE_MINUTES: int = Field(default=30, ge=0, description="Minutes an access token lives.")
    REFRESH_TOKEN_EXPIRE_MINUTES: int = Field(default=120, ge=0, description="Minutes a refresh token lives.")
    REFRESH_TOKEN_COOKIE_EXPIRE_SECONDS: int = Field(default=3600, ge=0, description="Seconds its cookie lives.")
    LOGIN_RATE_LIMIT_REQUESTS: int = Field(default=5, ge=1, le=1000, description="Sign-ins in a window.")
    LOGIN_RATE_LIMIT_WINDOW_MINUTES: int = Field(default=15, ge=1, le=1440, description="That window, in minutes.")
    REFRESH_RATE_LIMIT_REQUESTS: int = Field(default=10, ge=1, le=1000, description="Refreshes in a window.")
    REFRESH_RATE_LIMIT_WINDOW_MINUTES: int = Field(default=5, ge=1, le=1440, description="That window, in minutes.")
    REFRESH_VALIDATION_FAILURE_MODE: FailureMode = Field(default="fail_closed", description="When Redis is away.")
    SESSION_WRITE_FAILURE_MODE: FailureMode = Field(default="fail_closed", description="When Redis is away.")
    RATE_LIMIT_FAILURE_MODE: FailureMode = Field(default="fail_open", description="When Redis is away.")
