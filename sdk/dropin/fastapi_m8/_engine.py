"""The database of a service. Needs `sqlmodel` (extra `db`), and only when it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlmodel import Session

    from fastapi_m8.config import ConsumerServiceSettings


@dataclass
class DbEngine:
    """A pool of connections and the sessions on it."""

    _engine: Any
    is_async: bool = False

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that is rolled back at the end unless it was committed."""
        from sqlmodel import Session

        with Session(self._engine) as session:
            yield session

    def session_dep(self) -> Iterator[Session]:
        """The same, for `Depends`."""
        with self.session() as session:
            yield session

    def dispose(self) -> None:
        """Closes the connections."""
        self._engine.dispose()


def create_db_engine(settings: ConsumerServiceSettings) -> DbEngine:
    """The engine of the database that the settings name. A connection that died meanwhile is replaced by another one
    before it is handed out."""
    import sqlmodel

    return DbEngine(_engine=sqlmodel.create_engine(str(settings.SQLALCHEMY_DATABASE_URI), pool_pre_ping=True))
