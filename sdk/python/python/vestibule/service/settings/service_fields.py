"""Settings of the service itself: its names and addresses, what browsers may do, docs, headers, metrics, shutdown."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from vestibule.service.settings.group import FieldGroup
from vestibule.service.settings.values import (
    BaseUrl,
    HeaderValue,
    Host,
    HostPatterns,
    Origins,
    PathPrefix,
    Text,
    TextList,
    one_of,
)

Environment = Annotated[
    Literal["local", "development", "staging", "production"],
    BeforeValidator(one_of("local", "development", "staging", "production")),
]

DENY_ALL_SENSORS = (
    "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()"
)


class NameFields(FieldGroup):
    """The service"""

    PROJECT_NAME: Text = Field(
        default="service", min_length=1, max_length=100, description="What the service is called in its OpenAPI page."
    )
    STACK_NAME: Text = Field(
        default="",
        max_length=100,
        description="What the group of services around this one is called; from `PROJECT_NAME` when left out.",
    )
    ENVIRONMENT: Environment = Field(
        default="production",
        description=(
            "Where the service runs. In `production` API docs are off, browsers are told to be strict, and settings "
            "that only suit a developer's machine keep the service from starting. Left out it is `production`, so that "
            "what was forgotten is closed."
        ),
    )
    STRICT_PRODUCTION_MODE: bool = Field(
        default=False,
        description="Treats any environment as production, and doubtful settings as reasons not to start.",
    )
    DOMAIN: Host = Field(default="localhost", description="The host name people know the service by.")
    API_PREFIX: PathPrefix = Field(
        default="",
        description="The path before health and docs, like `/items`. Routes of the app bring their own prefix.",
    )
    BACKEND_HOST: BaseUrl | None = Field(default=None, description="The address of this service.")
    SERVICE_VERSION: Text | None = Field(default=None, description="Its version, for OpenAPI and health.")
    API_VERSION: Text = Field(default="v1", description="The version of the service's API.")
    CONTRACT_NAME: Text | None = Field(default=None, description="The name of the API's contract. Not used by the kit.")
    CONTRACT_VERSION: Text | None = Field(default=None, description="The contract's version. Not used by the kit.")
    CONTRACT_RANGE: Text | None = Field(default=None, description="Versions of it that suit. Not used by the kit.")


class BrowserFields(FieldGroup):
    """Browsers and hosts"""

    FRONTEND_HOST: BaseUrl | None = Field(
        default=None, description="The address of the pages that call this service; it is one of the allowed origins."
    )
    BACKEND_CORS_ORIGINS: Origins = Field(
        default=[],
        description="Origins whose pages may call this service with credentials (CORS), like `https://app.example.com`.",
    )
    CORS_ALLOWED_ORIGIN_SCHEMES: TextList = Field(
        default=[],
        description="Schemes beside http and https that `BACKEND_CORS_ORIGINS` may hold, like `chrome-extension://`.",
    )
    CORS_EXTRA_HEADERS: TextList = Field(
        default=[],
        description="Request headers that such pages may send beside Authorization, Content-Type and X-Requested-With.",
    )
    ALLOWED_HOSTS: HostPatterns = Field(
        default=[],
        description=(
            "What a request's `Host` may say: names, or `*.example.com`. Empty allows every host. Outside production "
            "`testserver` is allowed, too."
        ),
    )
    SESSION_COOKIE_SECURE: bool = Field(default=True, description="Cookies of the app travel over HTTPS only.")
    SECURITY_HEADERS_ENABLED: bool = Field(
        default=True, description="In production, answers carry the headers that keep browsers strict."
    )
    HSTS_ENABLED: bool | None = Field(
        default=None, description="Whether browsers are told to use HTTPS only. Left out: in production, yes."
    )
    HSTS_MAX_AGE: int = Field(
        default=31_536_000, ge=0, description="For how many seconds they keep to it. 0 leaves the header out."
    )
    HSTS_INCLUDE_SUBDOMAINS: bool = Field(default=True, description="Whether that covers every host below this one.")
    CONTENT_SECURITY_POLICY_ENABLED: bool | None = Field(
        default=None, description="Whether the policy below is sent. Left out: in production, yes."
    )
    CONTENT_SECURITY_POLICY: HeaderValue | None = Field(
        default=None, description="The policy itself. Left out, it allows nothing, which suits an API."
    )
    REFERRER_POLICY: HeaderValue = Field(
        default="strict-origin-when-cross-origin", description="How much of its address a page tells other hosts."
    )
    PERMISSIONS_POLICY: HeaderValue = Field(
        default=DENY_ALL_SENSORS, description="Which devices pages of this service may use."
    )
    OAUTH_ALLOWED_REDIRECT_SCHEMES: TextList = Field(
        default=["chrome-extension://"], description="Read by issuers only; accepted so that files can be shared."
    )
    OAUTH_ALLOWED_REDIRECT_PREFIXES: TextList = Field(
        default=[], description="Read by issuers only; accepted so that files can be shared."
    )


class DocumentationFields(FieldGroup):
    """API docs"""

    SET_OPEN_API: bool = Field(default=True, description="Serves the OpenAPI document. The pages below need it.")
    SET_DOCS: bool = Field(default=True, description="Serves the Swagger page.")
    SET_REDOC: bool = Field(default=True, description="Serves the ReDoc page.")
    SERVE_DOCS_IN_PRODUCTION: bool = Field(
        default=False, description="Leaves the three on in production, where they are off otherwise."
    )


class OperationFields(FieldGroup):
    """Running it"""

    METRICS_ENABLED: bool = Field(default=False, description="Counts requests and serves the counts to Prometheus.")
    METRICS_GROUPS: Text = Field(
        default="all",
        description=(
            "Which counts: a comma list of `traffic`, `performance`, `reliability`, `health`, `auth`, or `all`. "
            "Empty counts nothing."
        ),
    )
    METRICS_SCRAPE_CREDENTIAL: SecretStr | None = Field(
        default=None, description="What a scraper has to send as its bearer token. Left out, metrics are open."
    )
    HEALTH_DETAIL_CREDENTIAL: SecretStr | None = Field(
        default=None,
        description="What a caller has to send to see each health check. Left out, `PRIVATE_API_SECRET` is asked for.",
    )
    DRAIN_SECONDS: float | None = Field(
        default=None,
        ge=0,
        le=3600,
        description=(
            "For how many seconds the service goes on answering after it was told to stop, while `/readyz` says "
            "no, so that load balancers look elsewhere first. Left out: 5, but 0 in local and development."
        ),
    )
    TABLES_PREFIX: Text = Field(default="app", description="What the names of the app's tables begin with.")
    SENTRY_DSN: Text | None = Field(default=None, description="For the app's own use. Not used by the kit.")
    SECRET_KEY: SecretStr | None = Field(default=None, description="For the app's own use. Not used by the kit.")
    SMTP_HOST: Host | None = Field(default=None, description="For the app's own use: a mail server.")
    SMTP_PORT: int = Field(default=587, ge=1, le=65_535, description="For the app's own use: its port.")
    EMAILS_FROM_EMAIL: Text | None = Field(default=None, description="For the app's own use: who mails come from.")
    EMAILS_FROM_NAME: Text | None = Field(default=None, description="For the app's own use: the name beside it.")
    EMAIL_TEST_USER: Text = Field(default="test@example.com", description="For the app's own use.")
