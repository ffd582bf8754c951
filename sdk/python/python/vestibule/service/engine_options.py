"""What drivers of databases want to be told: addresses, encryption, timeouts, and SQLite's pragmas."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vestibule.errors import ConfigurationError
from vestibule.service.settings.database_url import MEMORY, DatabaseAddress, address_of

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

EXTRAS: Final[Mapping[str, str]] = {"Postgres": "postgres", "Mysql": "mysql", "Mariadb": "mysql", "Sqlite": "sqlite"}
"""Which extra of this distribution brings the drivers of a database."""

_LONGEST_APPLICATION_NAME = 63


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How many connections are kept, and how they are looked after.

    Attributes:
        pool_size: Connections that are kept open (``DB_POOL_SIZE``).
        max_overflow: More that may be opened when those are in use; -1 for no limit (``DB_MAX_OVERFLOW``).
        pool_recycle: Seconds after which one is replaced; -1 for never (``DB_POOL_RECYCLE``).
        pool_timeout: Seconds a request waits for one (``DB_POOL_TIMEOUT``).
        pre_ping: Tries one before it is used (``DB_PRE_PING``).
        connect_timeout: Seconds a new one may take (``DB_CONNECT_TIMEOUT``).
    """

    pool_size: int = 5
    max_overflow: int = 10
    pool_recycle: int = 1800
    pool_timeout: float = 30.0
    pre_ping: bool = True
    connect_timeout: float = 5.0

    @classmethod
    def of(cls, settings: object, **given: Any) -> PoolOptions:
        """From arguments; what is absent there, from settings; what is absent there, too, by default."""
        names = {
            "pool_size": "DB_POOL_SIZE",
            "max_overflow": "DB_MAX_OVERFLOW",
            "pool_recycle": "DB_POOL_RECYCLE",
            "pool_timeout": "DB_POOL_TIMEOUT",
            "pre_ping": "DB_PRE_PING",
            "connect_timeout": "DB_CONNECT_TIMEOUT",
        }
        values = {key: getattr(settings, name, None) for key, name in names.items()} | {
            key: value for key, value in given.items() if value is not None
        }
        return cls(**{key: value for key, value in values.items() if value is not None})


def database_of(settings: object) -> DatabaseAddress:
    """Where the settings' database is.

    Raises:
        ConfigurationError: They name none.
    """
    try:
        address = address_of(settings)
    except ValueError as error:
        message = f"DATABASE_URL {error}."
        raise ConfigurationError(message) from None
    if address is None:
        message = (
            "The settings name no database. Set DATABASE_URL; or DB_HOST, DB_DATABASE, DB_USER and DB_PASSWORD; or "
            "SELECTED_DB=Sqlite and DB_DATABASE."
        )
        raise ConfigurationError(message)
    return address


def url_of(address: DatabaseAddress, settings: object, *, asynchronous: bool) -> URL:
    """The address as SQLAlchemy takes it. Shown, it hides the password."""
    from sqlalchemy import URL

    driver = address.driver(asynchronous=asynchronous)
    if address.kind == "Sqlite":
        return URL.create(driver, database=address.database)
    query = dict(address.query)
    host, port = address.host or "", address.port
    if host.startswith("/"):
        query |= {"host": host, "port": str(port)}
        host, port = "", None
    if address.kind in ("Mysql", "Mariadb"):
        query.setdefault("charset", getattr(settings, "DB_CHARSET", None) or "utf8mb4")
    return URL.create(
        driver,
        username=address.user,
        password=address.password,
        host=host.strip("[]") or None,
        port=port,
        database=address.database,
        query=query,
    )


def connect_arguments(
    address: DatabaseAddress, settings: object, options: PoolOptions, *, asynchronous: bool
) -> dict[str, Any]:
    """What the driver's ``connect`` is told beside the address.

    Raises:
        ConfigurationError: The files of encryption cannot be used.
    """
    if address.kind == "Sqlite":
        # How long to wait for another connection's write before "database is locked".
        return {"timeout": options.connect_timeout, "check_same_thread": False}
    if address.kind == "Postgres":
        return _postgres_arguments(address, settings, options)
    arguments: dict[str, Any] = {"connect_timeout": options.connect_timeout}
    mode = getattr(settings, "DB_TLS_MODE", None) or address.tls_mode
    if mode == "disable" and not asynchronous:
        # The driver that blocks encrypts when the server can, the one that is awaited only when told to.
        arguments["ssl_disabled"] = True
    context = _tls_context(settings, mode)
    return arguments if context is None else {**arguments, "ssl": context}


def _postgres_arguments(address: DatabaseAddress, settings: object, options: PoolOptions) -> dict[str, Any]:
    # libpq counts whole seconds, and takes 1 for 2.
    arguments: dict[str, Any] = {"connect_timeout": max(2, round(options.connect_timeout))}
    name = getattr(settings, "PROJECT_NAME", None)
    if name:
        arguments["application_name"] = str(name)[:_LONGEST_APPLICATION_NAME]
    # What the address says itself is not overruled by what nobody said.
    arguments = {name: value for name, value in arguments.items() if name not in dict(address.query)}
    mode = getattr(settings, "DB_TLS_MODE", None)
    files = {
        "sslrootcert": getattr(settings, "DB_TLS_CA", None),
        "sslcert": getattr(settings, "DB_TLS_CERT", None),
        "sslkey": getattr(settings, "DB_TLS_KEY", None),
    }
    if mode is None and files["sslrootcert"]:
        mode = "verify-full"
    if mode is not None:
        arguments["sslmode"] = mode
    return arguments | {key: str(path) for key, path in files.items() if path}


def _tls_context(settings: object, mode: str | None) -> ssl.SSLContext | None:
    """Encryption for MySQL and MariaDB, whose drivers take Python's own description of it."""
    authority = getattr(settings, "DB_TLS_CA", None)
    mode = mode or ("verify-full" if authority else None)
    if mode in (None, "disable", "prefer"):
        return None
    try:
        context = ssl.create_default_context(cafile=str(authority) if authority else None)
        certificate = getattr(settings, "DB_TLS_CERT", None)
        if certificate:
            context.load_cert_chain(str(certificate), str(getattr(settings, "DB_TLS_KEY", None) or certificate))
    except (OSError, ssl.SSLError) as error:
        message = f"The files in DB_TLS_CA, DB_TLS_CERT and DB_TLS_KEY cannot be used: {error.strerror or error}."
        raise ConfigurationError(message) from None
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context


def set_pragmas(engine: Engine, address: DatabaseAddress) -> None:
    """Has every connection to SQLite enforce foreign keys, and readers of a file not wait for its writer (WAL)."""
    from sqlalchemy import event

    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        try:
            cursor.execute("PRAGMA foreign_keys=ON")
            if address.database != MEMORY:
                cursor.execute("PRAGMA journal_mode=WAL")
        finally:
            cursor.close()

    event.listen(engine, "connect", on_connect)
