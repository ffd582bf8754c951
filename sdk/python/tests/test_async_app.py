"""A service that does everything in the event loop, and says what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Depends
from kit_help import AppLifecycle, log_of, serving, settings

from vestibule.errors import ConfigurationError
from vestibule.service import create_async_app, create_async_db_engine, create_db_engine

pytestmark = pytest.mark.anyio
SECRET = "Shared-With_Vestibule-0123456789-abc"


def database(folder: Path) -> dict[str, Any]:
    return {"DATABASE_URL": f"sqlite:///{folder / 'items.db'}"}


async def test_an_engine_is_made_checked_and_waited_for_in_the_end(tmp_path: Path) -> None:
    app = create_async_app(settings(**database(tmp_path)), APIRouter())
    assert app.state.db_engine.is_async
    async with serving(app) as client:
        body = (await client.get("/items/v1/health/", headers={"x-internal-token": SECRET})).json()
    assert [(check["name"], check["status"]) for check in body["checks"]] == [("database", "ok")]


async def test_an_engine_that_is_given_is_used(tmp_path: Path) -> None:
    engine = create_async_db_engine(settings(**database(tmp_path)))
    app = create_async_app(settings(**database(tmp_path)), APIRouter(), lifecycle=AppLifecycle(db_engine=engine))
    assert app.state.db_engine is engine
    async with serving(app):
        pass


def test_an_engine_that_blocks_is_refused(tmp_path: Path) -> None:
    engine = create_db_engine(settings(**database(tmp_path)))
    with pytest.raises(ConfigurationError, match="create_async_db_engine"):
        create_async_app(settings(**database(tmp_path)), APIRouter(), lifecycle=AppLifecycle(db_engine=engine))
    engine.dispose()


async def test_without_a_database_there_is_none() -> None:
    app = create_async_app(settings(), APIRouter())
    assert app.state.db_engine is None
    async with serving(app) as client:
        assert (await client.get("/readyz")).status_code == 200


def test_what_would_run_in_a_thread_is_told_by_name() -> None:
    def blocking_dependency() -> None: ...
    async def fine() -> None: ...

    routes = APIRouter()

    @routes.get("/slow")
    def blocking_route() -> None: ...

    @routes.get("/{number}", dependencies=[Depends(blocking_dependency), Depends(fine)])
    async def quick(number: int) -> None: ...

    with log_of() as records:
        create_async_app(settings(), routes)
    told = [record.getMessage() for record in records if "runs in a thread" in record.getMessage()]
    assert len(told) == 2
    assert "/slow" in told[0]
    assert "blocking_route" in told[0]
    assert "/{number}" in told[1]
    assert "blocking_dependency" in told[1]
