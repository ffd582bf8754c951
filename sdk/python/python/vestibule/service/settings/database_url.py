"""Addresses of databases: from one URL or from several settings, and back to a URL for SQLAlchemy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode

from vestibule.service.settings.values import parse_database_host, split_host_port

Kind = Literal["Mysql", "Mariadb", "Postgres", "Sqlite"]

_SCHEMES: Final[dict[str, Kind]] = {
    "postgres": "Postgres",
    "postgresql": "Postgres",
    "mysql": "Mysql",
    "mariadb": "Mariadb",
    "sqlite": "Sqlite",
}
_DRIVERS: Final[dict[Kind, tuple[str, str]]] = {
    "Postgres": ("postgresql+psycopg", "postgresql+psycopg"),
    "Mysql": ("mysql+pymysql", "mysql+asyncmy"),
    "Mariadb": ("mariadb+pymysql", "mariadb+asyncmy"),
    "Sqlite": ("sqlite+pysqlite", "sqlite+aiosqlite"),
}
_PORTS: Final[dict[Kind, int | None]] = {"Postgres": 5432, "Mysql": 3306, "Mariadb": 3306, "Sqlite": None}
MEMORY: Final = ":memory:"
_LIBPQ: Final = frozenset(
    [
        "application_name",
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "gsslib",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "load_balance_hosts",
        "options",
        "passfile",
        "port",
        "require_auth",
        "requirepeer",
        "service",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcertmode",
        "sslcompression",
        "sslcrl",
        "sslcrldir",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
    ]
)
_MYSQL: Final = frozenset(
    [
        "charset",
        "connect_timeout",
        "program_name",
        "read_timeout",
        "ssl_ca",
        "ssl_capath",
        "ssl_cert",
        "ssl_check_hostname",
        "ssl_cipher",
        "ssl_key",
        "unix_socket",
        "write_timeout",
    ]
)
_MYSQL_MODES: Final = {
    "disabled": "disable",
    "preferred": "prefer",
    "required": "require",
    "verify_ca": "verify-ca",
    "verify_identity": "verify-full",
}
"""How the command line of MySQL, and the addresses that hosting companies hand out, call what ``DB_TLS_MODE`` says."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is and how to sign in there.

    Attributes:
        kind: Which database.
        host: A name, an address (IPv6 in brackets) or, for PostgreSQL, the absolute path of a folder; none for SQLite.
        port: Its port; none for SQLite.
        database: Its name; for SQLite the path of the file, or ``:memory:``.
        user: Who signs in.
        password: With what. Not in the representation.
        query: Options of the driver, as pairs.
        tls_mode: What the address says about encryption, in the words of ``DB_TLS_MODE``; PostgreSQL's own library
            reads it from the options instead.
    """

    kind: Kind
    host: str | None
    port: int | None
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls_mode: str | None = None

    def driver(self, *, asynchronous: bool = False) -> str:
        """The database and its driver, as SQLAlchemy names them."""
        return _DRIVERS[self.kind][asynchronous]

    def uri(self, *, asynchronous: bool = False) -> str:
        """The address as SQLAlchemy reads it, **with the password in it** but without ``tls_mode``.

        Args:
            asynchronous: Names the driver for an asynchronous engine.
        """
        scheme = self.driver(asynchronous=asynchronous)
        if self.kind == "Sqlite":
            return f"{scheme}://" + ("" if self.database == MEMORY else f"/{self.database}")
        query = list(self.query)
        place = self.host or ""
        if place.startswith("/"):
            # The folder of a Unix socket: libpq takes it as an option, with the port in the socket's name.
            query = [("host", place), ("port", str(self.port)), *query]
            place = ""
        else:
            place = f"{place}:{self.port}"
        who = "" if self.user is None else quote(self.user, safe="")
        if self.password is not None:
            who += ":" + quote(self.password, safe="")
        tail = f"?{urlencode(query, quote_via=quote)}" if query else ""
        return f"{scheme}://{who}{'@' if who else ''}{place}/{quote(self.database, safe='')}{tail}"

    def __str__(self) -> str:
        """The address for people and logs: without user and password."""
        if self.kind == "Sqlite":
            return f"SQLite at {self.database}"
        name = {"Postgres": "PostgreSQL", "Mysql": "MySQL", "Mariadb": "MariaDB"}[self.kind]
        return f"{name} at {self.host}:{self.port}/{self.database}"


def parse_database_url(text: str) -> DatabaseAddress:
    """An address from one URL; a driver behind a plus sign in its scheme is ignored, ours is taken.

    Raises:
        ValueError: It is none. The message repeats nothing of it, for it may hold a password.
    """
    scheme, separator, rest = text.strip().partition("://")
    kind = _SCHEMES.get(scheme.partition("+")[0].lower())
    if not separator or kind is None:
        message = "begins with none of postgresql://, mysql://, mariadb:// and sqlite:///"
        raise ValueError(message)
    if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in rest):
        message = "holds white space; in a password it is written %20"
        raise ValueError(message)
    if kind == "Sqlite":
        return _sqlite(rest)
    before, _, options = rest.partition("?")
    authority, _, path = before.partition("/")
    who, at, place = authority.rpartition("@")
    if any(mark in who for mark in "[]#") or "#" in before:
        message = "holds a character that has to be percent-encoded in a password: # is %23, [ is %5B, ] is %5D"
        raise ValueError(message)
    user, colon, password = who.partition(":")
    query, tls_mode = _options(kind, parse_qsl(options, keep_blank_values=True))
    host, port = _host_and_port(place, dict(query) if kind == "Postgres" else {})
    query = [(name, value) for name, value in query if kind != "Postgres" or name not in {"host", "port"}]
    if not path:
        message = "names no database after the host"
        raise ValueError(message)
    if "/" in path:
        message = "holds more than one / after the host; a / of a password is written %2F"
        raise ValueError(message)
    return DatabaseAddress(
        kind=kind,
        host=host,
        port=port or _PORTS[kind],
        database=unquote(path),
        user=unquote(user) if at else None,
        password=unquote(password) if colon else None,
        query=tuple(query),
        tls_mode=tls_mode,
    )


def _options(kind: Kind, query: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], str | None]:
    """The options that the driver knows, and what those of MySQL say about encryption."""
    tls_mode: str | None = None
    kept: list[tuple[str, str]] = []
    for name, value in query:
        if kind != "Postgres" and name.lower().replace("-", "_") in {"ssl_mode", "sslmode"}:
            tls_mode = _MYSQL_MODES.get(value.lower().replace("-", "_"))
            if tls_mode is None:
                message = f"has an ssl-mode that is none of {', '.join(_MYSQL_MODES)}"
                raise ValueError(message)
        elif name in (_LIBPQ if kind == "Postgres" else _MYSQL):
            kept.append((name, value))
        else:
            shown = f"{name} " if name.isidentifier() and len(name) < 40 else ""
            message = f"has an option {shown}behind the ?, which the driver does not know; remove it"
            raise ValueError(message)
    return kept, tls_mode


def _host_and_port(place: str, options: dict[str, str]) -> tuple[str, int | None]:
    """Where to connect. As with libpq, options outdo what stands before them: so Unix sockets are written."""
    host, port = options.get("host", ""), options.get("port", "")
    if not host and place:
        host = unquote(place)
    if not host:
        message = "names no host; a / or @ of a password is written %2F or %40"
        raise ValueError(message)
    if not host.startswith("/"):
        name, named_port = split_host_port(host)
        return name, split_host_port(f"{name}:{port}")[1] if port else named_port
    return host, split_host_port(f"socket:{port}")[1] if port else None


def _sqlite(rest: str) -> DatabaseAddress:
    path = rest.partition("?")[0]
    if path in {"", "/", f"/{MEMORY}"}:
        return DatabaseAddress("Sqlite", None, None, MEMORY)
    if not path.startswith("/"):
        message = "has too few slashes: sqlite:///items.db for a path from here, sqlite:////data/items.db from the root"
        raise ValueError(message)
    return DatabaseAddress("Sqlite", None, None, unquote(path[1:]))


def address_of(settings: object) -> DatabaseAddress | None:
    """The address that settings give, or nothing when they name no database.

    Args:
        settings: An object with some of ``DATABASE_URL``, ``SELECTED_DB`` and the ``DB_…`` settings as attributes.

    Raises:
        ValueError: ``DATABASE_URL`` makes no sense, or ``SELECTED_DB`` names no database that is known.
    """

    def get(name: str) -> Any:
        value = getattr(settings, name, None)
        reveal = getattr(value, "get_secret_value", None)
        return reveal() if reveal is not None else getattr(value, "value", value)

    if get("DATABASE_URL"):
        return parse_database_url(get("DATABASE_URL"))
    kind = get("SELECTED_DB") or "Mysql"
    if kind not in _DRIVERS:
        message = f"SELECTED_DB is none of {', '.join(_DRIVERS)}"
        raise ValueError(message)
    database = get("DB_DATABASE")
    if kind == "Sqlite":
        return DatabaseAddress(kind, None, None, database) if database else None
    if not get("DB_HOST") or not database:
        return None
    return DatabaseAddress(
        kind=kind,
        host=str(parse_database_host(get("DB_HOST"))),
        port=get("DB_PORT") or _PORTS[kind],
        database=database,
        user=get("DB_USER"),
        password=get("DB_PASSWORD"),
    )
