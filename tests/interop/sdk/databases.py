"""A database of its own for each service, on every engine that the run has."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
import pymysql

ENGINES = ("sqlite", "postgres", "mariadb")
_VARIABLES = {"postgres": "VESTIBULE_TEST_POSTGRES", "mariadb": "VESTIBULE_TEST_MARIADB"}


@dataclass(frozen=True)
class Database:
    """An empty database."""

    engine: str
    settings: dict[str, str]
    # Where its server listens: a port, or a Unix socket.
    address: tuple[str, int] | Path | None
    # Rows of a query, past the service.
    rows: Callable[[str], list[tuple[Any, ...]]] = field(repr=False)


def missing(engine: str) -> str | None:
    """Why this run cannot have such a database."""
    variable = _VARIABLES.get(engine)
    return None if variable is None or variable in os.environ else f"needs {variable}"


def make(engine: str, folder: Path) -> Database:
    """Makes a database that nobody else uses."""
    if engine == "sqlite":
        return _sqlite(folder)
    url = urlsplit(os.environ[_VARIABLES[engine]])
    return (_postgres if engine == "postgres" else _mariadb)(url)


def _sqlite(folder: Path) -> Database:
    import sqlite3
    from contextlib import closing

    path = folder / f"items-{secrets.token_hex(4)}.db"

    def rows(query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(query).fetchall()

    return Database("sqlite", {"DATABASE_URL": f"sqlite:///{path}"}, None, rows)


def _postgres(url: Any) -> Database:
    name = f"items_{secrets.token_hex(6)}"
    folder = parse_qs(url.query).get("host", [None])[0]
    host, port, user = folder or url.hostname, url.port or 5432, url.username
    password = unquote(url.password or "")

    def connect(database: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host=host, port=port, user=user, password=password or None, dbname=database, autocommit=True
        )

    with connect(url.path.strip("/") or "postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())

    def rows(query: str) -> list[tuple[Any, ...]]:
        with connect(name) as connection:
            return connection.execute(query.encode()).fetchall()

    settings = {
        "SELECTED_DB": "Postgres",
        "DB_HOST": str(host),
        "DB_PORT": str(port),
        "DB_DATABASE": name,
        "DB_USER": str(user),
        "DB_PASSWORD": password or "nobody-asks",
    }
    address = Path(folder) / f".s.PGSQL.{port}" if folder else (str(host), port)
    return Database("postgres", settings, address, rows)


def _mariadb(url: Any) -> Database:
    name = f"items_{secrets.token_hex(6)}"
    password = unquote(url.password)

    def ask(statement: str, database: str | None) -> list[tuple[Any, ...]]:
        connection = pymysql.connect(
            host=url.hostname, port=url.port, user=url.username, password=password, database=database, autocommit=True
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    ask(f"CREATE DATABASE {name}", None)
    settings = {
        "SELECTED_DB": "Mariadb",
        "DB_HOST": url.hostname,
        "DB_PORT": str(url.port),
        "DB_DATABASE": name,
        "DB_USER": url.username,
        "DB_PASSWORD": password,
    }
    return Database("mariadb", settings, (url.hostname, url.port), lambda query: ask(query, name))
