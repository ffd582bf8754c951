"""The start and the end of a service: in order, whole, and closed whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from kit_help import Held, calling, log_of, service, serving

from vestibule.errors import ConfigurationError
from vestibule.service import AppLifecycle
from vestibule.service import lifespan as lifespan_module

pytestmark = pytest.mark.anyio


def lifecycle(ends: list[str], **given: Any) -> AppLifecycle:
    return AppLifecycle(**{"auth_deps": Held("auth", ends), "db_engine": Held("database", ends), **given})


def extras(notes: list[str], on_exit: Exception | None = None) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def context(app: FastAPI) -> AsyncIterator[None]:
        notes.append(f"enter, ready={app.state.service_ready}")
        yield
        notes.append(f"exit, ready={app.state.service_ready}")
        if on_exit is not None:
            raise on_exit

    return context


async def test_validators_then_extras_then_ready_and_back() -> None:
    notes: list[str] = []

    async def first() -> None:
        notes.append("first")

    def second() -> None:
        notes.append("second")

    held = lifecycle(notes, startup_validators=[first, second], lifespan_extras=extras(notes))
    app = service(lifecycle=held)
    assert not app.state.service_ready
    async with serving(app) as client:
        assert app.state.service_ready
        assert app.state.ready_since is not None
        assert (await client.get("/readyz")).status_code == 200
        notes.append("serving")
    assert not app.state.service_ready
    assert notes == [
        "first",
        "second",
        "enter, ready=False",
        "serving",
        "exit, ready=False",
        "auth",
        "database",
    ]


async def test_a_validator_that_fails_aborts_the_start_and_closes_what_is_held() -> None:
    ends: list[str] = []

    def fails() -> None:
        raise RuntimeError("no schema")

    app = service(lifecycle=lifecycle(ends, startup_validators=[fails], lifespan_extras=extras(ends)))
    with pytest.raises(RuntimeError, match="no schema"):
        async with serving(app):
            pass
    assert ends == ["auth", "database"]
    assert not app.state.service_ready


async def test_everything_is_closed_even_if_the_extras_fail_on_their_way_out() -> None:
    ends: list[str] = []
    app = service(lifecycle=lifecycle(ends, lifespan_extras=extras(ends, ValueError("queue"))))
    with pytest.raises(ValueError, match="queue"):
        async with serving(app):
            pass
    assert ends[-2:] == ["auth", "database"]


async def test_the_engine_is_disposed_of_even_if_closing_the_identity_client_fails() -> None:
    ends: list[str] = []
    app = service(lifecycle=lifecycle(ends, auth_deps=Held("auth", ends, OSError("socket"))))
    with log_of() as records, pytest.raises(OSError, match="socket"):
        async with serving(app):
            pass
    assert ends == ["auth", "database"]
    assert any("closing the identity client failed: socket" in record.getMessage() for record in records)


async def test_an_error_thrown_into_the_running_service_closes_everything() -> None:
    ends: list[str] = []
    app = service(lifecycle=lifecycle(ends))
    with pytest.raises(KeyboardInterrupt):
        async with serving(app):
            raise KeyboardInterrupt
    assert ends == ["auth", "database"]
    assert not app.state.service_ready


async def test_closing_what_hangs_is_given_up_and_the_rest_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifespan_module, "CLOSE_TIMEOUT", 0.02)
    ends: list[str] = []

    class Hangs(Held):
        async def close(self) -> None:
            await asyncio.Event().wait()

    app = service(lifecycle=lifecycle(ends, auth_deps=Hangs("auth", ends)))
    with log_of(), pytest.raises(TimeoutError):
        async with serving(app):
            pass
    assert ends == ["database"]


async def test_ready_is_taken_back_before_anything_is_closed() -> None:
    seen: dict[str, bool] = {}

    class Looks(Held):
        def dispose(self) -> None:
            seen[self.name] = app.state.service_ready

    app = service(lifecycle=AppLifecycle(auth_deps=Looks("auth", []), db_engine=Looks("database", [])))
    async with serving(app):
        assert app.state.service_ready
    assert seen == {"auth": False, "database": False}


async def test_an_asynchronous_engine_is_waited_for() -> None:
    ends: list[str] = []

    class Async(Held):
        is_async = True

        async def dispose(self) -> None:  # type: ignore[override]
            await asyncio.sleep(0)
            self.ends.append(self.name)

        async def ping(self) -> None: ...

    async with serving(service(lifecycle=AppLifecycle(db_engine=Async("database", ends)))):
        pass
    assert ends == ["database"]


async def test_the_identity_client_is_started_with_the_service_and_not_before() -> None:
    class Starts(Held):
        def start(self) -> None:
            self.ends.append("started")

    ends: list[str] = []
    app = service(lifecycle=AppLifecycle(auth_deps=Starts("auth", ends)))
    assert ends == []
    async with serving(app):
        assert ends == ["started"]


async def test_the_service_is_ready_only_when_the_lifespans_of_its_routers_are() -> None:
    notes: list[str] = []
    router = APIRouter(lifespan=extras(notes))
    app = service(router)
    async with serving(app):
        assert app.state.service_ready
    assert notes == ["enter, ready=False", "exit, ready=False"]


async def test_what_the_extras_yield_is_the_state_of_requests() -> None:
    routes = APIRouter()

    @routes.get("/state")
    async def state(request: Request) -> Any:
        return request.state.answer

    async def context(app: FastAPI) -> AsyncIterator[dict[str, int]]:  # the decorator may be left out
        yield {"answer": 42}

    app = service(routes, lifecycle=AppLifecycle(lifespan_extras=context))
    async with app.router.lifespan_context(app) as given:
        assert given == {"answer": 42}


async def test_a_service_can_be_started_again_after_it_stopped() -> None:
    app = service()
    for _ in range(2):
        async with serving(app) as client:
            assert (await client.get("/readyz")).status_code == 200
        async with calling(app) as client:
            assert (await client.get("/readyz")).json() == {"status": "draining"}


async def test_settings_that_cannot_work_abort_the_start_with_all_of_them_listed() -> None:
    from kit_help import PRODUCTION

    from vestibule.service import create_app
    from vestibule.service.settings import ServiceSettings

    values = {
        **PRODUCTION,
        "FRONTEND_HOST": "http://localhost:3000",
        "STRICT_PRODUCTION_MODE": True,
        "ALLOWED_HOSTS": [],
        "TOKEN_AUDIENCE": "items",
    }
    app = create_app(ServiceSettings(**values), APIRouter())
    with log_of(), pytest.raises(ConfigurationError) as refused:
        async with serving(app):
            pass
    text = str(refused.value)
    assert "ALLOWED_HOSTS" in text
    assert "localhost" in text or "FRONTEND_HOST" in text or "CORS" in text


def test_what_configure_adds_is_in_the_app() -> None:
    seen: list[FastAPI] = []
    app = service(lifecycle=AppLifecycle(configure=seen.append))
    assert seen == [app]
    assert app.state.db_engine is None
