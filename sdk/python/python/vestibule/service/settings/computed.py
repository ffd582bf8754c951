"""What is worked out of the settings, and asked for by the rest of the kit."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from vestibule.service.settings.database_fields import DatabaseFields, RedisFields
from vestibule.service.settings.database_url import DatabaseAddress, address_of
from vestibule.service.settings.service_fields import BrowserFields, DocumentationFields, NameFields, OperationFields
from vestibule.service.settings.token_fields import (
    ApiKeyFields,
    IssuerFields,
    IssuerOnlyFields,
    KeyFields,
    RevocationFields,
)
from vestibule.service.settings.values import parse_origin

Control = Literal["refresh_validation", "session_write", "access_revocation", "rate_limit"]

GROUPS = (
    NameFields,
    IssuerFields,
    KeyFields,
    RevocationFields,
    DatabaseFields,
    BrowserFields,
    DocumentationFields,
    OperationFields,
    ApiKeyFields,
    RedisFields,
    IssuerOnlyFields,
)
"""The groups of settings, in the order of the reference page."""


class ComputedFields(
    # Backwards, for fields of the last base come first.
    IssuerOnlyFields,
    RedisFields,
    ApiKeyFields,
    OperationFields,
    DocumentationFields,
    BrowserFields,
    DatabaseFields,
    RevocationFields,
    KeyFields,
    IssuerFields,
    NameFields,
):
    """All groups in one, and what follows from them. It reads nothing from anywhere."""

    @property
    def is_stateless(self) -> bool:
        """Whether a token is good until it expires, whatever happens to its session."""
        return self.TOKEN_MODE == "stateless"

    @property
    def is_stateful(self) -> bool:
        """Whether tokens are refused once their session has ended."""
        return self.TOKEN_MODE == "stateful"

    @property
    def is_production(self) -> bool:
        """Whether everything is as strict as in production."""
        return self.ENVIRONMENT == "production" or self.STRICT_PRODUCTION_MODE

    @property
    def is_relaxed(self) -> bool:
        """Whether this is a developer's machine, where samples and plain http do."""
        return self.ENVIRONMENT in ("local", "development") and not self.STRICT_PRODUCTION_MODE

    @property
    def requires_redis(self) -> bool:
        """Whether Redis is needed: by issuers that keep state only. The kit itself never needs it."""
        return self.AUTH_SERVICE_ROLE == "issuer" and not self.is_stateless

    @property
    def ALLOWED_ORIGINS(self) -> list[str]:
        """Origins whose pages may call this service: those of ``BACKEND_CORS_ORIGINS``, then ``FRONTEND_HOST``."""
        origins = list(self.BACKEND_CORS_ORIGINS)
        if self.FRONTEND_HOST:
            parts = urlsplit(self.FRONTEND_HOST)
            origins.append(parse_origin(f"{parts.scheme}://{parts.netloc}"))
        return list(dict.fromkeys(origins))

    @property
    def docs_are_gated(self) -> bool:
        """Whether OpenAPI and its pages are off because this is production."""
        return self.is_production and not self.SERVE_DOCS_IN_PRODUCTION

    @property
    def effective_set_open_api(self) -> bool:
        """Whether the OpenAPI document is served."""
        return self.SET_OPEN_API and not self.docs_are_gated

    @property
    def effective_set_docs(self) -> bool:
        """Whether the Swagger page is served."""
        return self.SET_DOCS and not self.docs_are_gated

    @property
    def effective_set_redoc(self) -> bool:
        """Whether the ReDoc page is served."""
        return self.SET_REDOC and not self.docs_are_gated

    @property
    def emails_enabled(self) -> bool:
        """Whether the app has what it needs to send mail."""
        return bool(self.SMTP_HOST and self.EMAILS_FROM_EMAIL)

    @property
    def ACCESS_PRIVATE_KEY(self) -> str | None:
        """The issuer's private key: never here."""
        return None

    @property
    def ACCESS_PUBLIC_KEY(self) -> str | None:
        """The text of ``ACCESS_PUBLIC_KEY_FILE``, read when first asked for.

        Raises:
            OSError: The file is gone.
        """
        path = self.ACCESS_PUBLIC_KEY_FILE
        return None if path is None else path.read_text("utf-8").strip()

    @property
    def database_address(self) -> DatabaseAddress | None:
        """Where the app's database is, or nothing for an app without one.

        Raises:
            ValueError: ``DATABASE_URL`` makes no sense (not after construction, which refuses it).
        """
        return address_of(self)

    @property
    def SQLALCHEMY_DATABASE_URI(self) -> str | None:
        """The database's address for SQLAlchemy, **with the password in it**; nothing for an app without one."""
        address = self.database_address
        return None if address is None else address.uri()

    def effective_failure_mode(self, control: Control) -> Literal["fail_closed", "fail_open"]:
        """What holds when a store that a control needs is away.

        Raises:
            KeyError: There is no such control.
        """
        if self.AUTH_STRICT_MODE:
            return "fail_closed"
        modes: dict[str, Literal["fail_closed", "fail_open"]] = {
            "refresh_validation": self.REFRESH_VALIDATION_FAILURE_MODE,
            "session_write": self.SESSION_WRITE_FAILURE_MODE,
            "access_revocation": self.ACCESS_REVOCATION_FAILURE_MODE,
            "rate_limit": self.RATE_LIMIT_FAILURE_MODE,
        }
        return modes[control]
