"""Settings of the app's database and, for apps that have one, of Redis."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from vestibule.service.settings.group import FieldGroup
from vestibule.service.settings.values import DatabaseHost, ExistingFile, Text, one_of

SelectedDatabase = Annotated[
    Literal["Mysql", "Mariadb", "Postgres", "Sqlite"],
    BeforeValidator(
        one_of(
            "Mysql",
            "Mariadb",
            "Postgres",
            "Sqlite",
            also={"postgresql": "Postgres", "pg": "Postgres", "psql": "Postgres", "sqlite3": "Sqlite"},
        )
    ),
]
TlsMode = Annotated[
    Literal["disable", "prefer", "require", "verify-ca", "verify-full"],
    BeforeValidator(
        one_of(
            "disable",
            "prefer",
            "require",
            "verify-ca",
            "verify-full",
            also={"off": "disable", "verify_ca": "verify-ca", "verify_full": "verify-full", "required": "require"},
        )
    ),
]


class DatabaseFields(FieldGroup):
    """Database

    Optional as a whole: a service without one sets none of these. With one, either `DATABASE_URL`, or `DB_HOST`,
    `DB_DATABASE`, `DB_USER` and `DB_PASSWORD` together, or `SELECTED_DB=Sqlite` and the path in `DB_DATABASE`.
    """

    DATABASE_URL: SecretStr | None = Field(
        default=None,
        description=(
            "The whole address in one: `postgresql://user:password@host:5432/name`, `mysql://…`, `mariadb://…` or "
            "`sqlite:///path`. Special characters in the password are percent-encoded."
        ),
    )
    SELECTED_DB: SelectedDatabase = Field(default="Mysql", description="The kind of database.")
    DB_HOST: DatabaseHost | None = Field(
        default=None, description="Its host, or for PostgreSQL the folder with its Unix socket."
    )
    DB_PORT: int | None = Field(
        default=None, ge=1, le=65_535, description="Its port. Left out: 3306, for PostgreSQL 5432."
    )
    DB_DATABASE: Text | None = Field(
        default=None, max_length=4096, description="The database's name; for SQLite the path of its file."
    )
    DB_USER: Text | None = Field(default=None, max_length=255, description="Who signs in there.")
    DB_PASSWORD: SecretStr | None = Field(default=None, description="With which password; any characters, as they are.")
    DB_CHARSET: Text = Field(default="utf8mb4", description="The character set of connections to MySQL and MariaDB.")
    DB_ENGINE: Text = Field(default="InnoDB", description="For the app's own use: MySQL's storage engine.")
    DB_POOL_SIZE: int = Field(default=5, ge=1, le=10_000, description="Connections that are kept open.")
    DB_MAX_OVERFLOW: int = Field(default=10, ge=-1, le=10_000, description="More that may be opened; -1 for no limit.")
    DB_POOL_RECYCLE: int = Field(
        default=1800, ge=-1, description="Seconds after which a connection is replaced; -1 for never."
    )
    DB_POOL_TIMEOUT: float = Field(
        default=30.0, gt=0, le=3600, description="Seconds a request waits for a connection before it fails."
    )
    DB_PRE_PING: bool = Field(
        default=True,
        description="Tries a connection before it is used, so that a restart of the database fails no request.",
    )
    DB_CONNECT_TIMEOUT: float = Field(default=5.0, gt=0, le=300, description="Seconds a new connection may take.")
    DB_TLS_MODE: TlsMode | None = Field(
        default=None,
        description=(
            "Whether connections are encrypted and whose certificate is believed. Left out: `verify-full` when "
            "`DB_TLS_CA` is set, else what the driver does."
        ),
    )
    DB_TLS_CA: ExistingFile | None = Field(
        default=None, description="A PEM file with the authority that signed the database's certificate."
    )
    DB_TLS_CERT: ExistingFile | None = Field(default=None, description="A PEM file with the service's own certificate.")
    DB_TLS_KEY: ExistingFile | None = Field(default=None, description="A PEM file with the key of that certificate.")


class RedisFields(FieldGroup):
    """Redis

    Not used by the kit; for apps that have one.
    """

    REDIS_HOST: DatabaseHost | None = Field(default=None, description="Its host.")
    REDIS_PORT: int | None = Field(default=None, ge=1, le=65_535, description="Its port.")
    REDIS_USER: Text | None = Field(default=None, description="Who signs in there.")
    REDIS_PASSWORD: SecretStr | None = Field(default=None, description="With which password.")
    REDIS_SSL: bool = Field(default=False, description="Whether connections are encrypted; needs `REDIS_SSL_CA`.")
    REDIS_SSL_CA: ExistingFile | None = Field(default=None, description="A PEM file with Redis's authority.")
    REDIS_SSL_CERT: ExistingFile | None = Field(default=None, description="A PEM file with the service's certificate.")
    REDIS_SSL_KEY: ExistingFile | None = Field(default=None, description="A PEM file with the key of it.")
