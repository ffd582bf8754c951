"""The audit of an app finds everything that is served, and what nobody guards."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from fastapi.security import HTTPBearer
from kit_help import service
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from vestibule.audit import Line, audit, load, main, table
from vestibule.service import AppLifecycle, Role, guard, public


class Demands:
    """A guard as `build_auth_deps` makes them."""

    def __init__(self, role: Role | None) -> None:
        self.required_role = role

    async def __call__(self) -> None: ...


admin, anyone, optional = Demands(Role.ADMIN), Demands(Role.USER), Demands(None)


async def nothing() -> None: ...


def verdicts(app: Any) -> dict[str, str]:
    return {f"{line.method} {line.path}": line.verdict for line in audit(app) if line.guard != "documentation"}


def test_guards_are_found_wherever_they_stand() -> None:
    async def deep(caller: None = Depends(admin)) -> None: ...
    async def deeper(caller: None = Depends(deep)) -> None: ...

    app = FastAPI()
    app.add_api_route("/route", nothing, dependencies=[Depends(admin)])
    app.add_api_route("/deep", lambda: None, dependencies=[Depends(deeper)])
    app.add_api_route("/security", nothing, dependencies=[Security(admin, scopes=["x"])])
    app.add_api_route("/open", nothing)
    inner = APIRouter(prefix="/inner")
    inner.add_api_route("/a", nothing)
    app.include_router(inner, prefix="/included", dependencies=[Depends(admin)])
    app.include_router(inner, prefix="/bare")
    outer = APIRouter(prefix="/outer", dependencies=[Depends(admin)])
    outer.include_router(inner)
    app.include_router(outer)
    assert verdicts(app) == {
        "GET /route": "guarded",
        "GET /deep": "guarded",
        "GET /security": "guarded",
        "GET /open": "open",
        "GET /included/inner/a": "guarded",
        "GET /bare/inner/a": "open",
        "GET /outer/inner/a": "guarded",
    }


def test_a_guard_of_the_whole_app_guards_its_routes_but_not_what_is_mounted() -> None:
    app, sub = FastAPI(dependencies=[Depends(admin)]), FastAPI()
    app.add_api_route("/here", nothing)
    sub.add_api_route("/there", nothing)
    app.mount("/sub", sub)
    assert verdicts(app) == {"GET /here": "guarded", "GET /sub/there": "open"}


def test_websockets_are_listed_with_their_guards() -> None:
    app = FastAPI()

    async def talk(socket: WebSocket) -> None: ...

    app.add_api_websocket_route("/open", talk)
    app.add_api_websocket_route("/guarded", talk, dependencies=[Depends(anyone)])
    assert verdicts(app) == {"WS /open": "open", "WS /guarded": "guarded"}


def test_mounts_hosts_and_middlewares_are_looked_through() -> None:
    sub = FastAPI()
    sub.add_api_route("/a", nothing)
    app = FastAPI()
    app.mount("/wrapped", GZipMiddleware(sub))
    app.router.routes.append(Mount("/plain", routes=[Route("/b", nothing, methods=["GET", "POST"])]))
    app.router.routes.append(Host("{tenant}.example.com", Router([Route("/c", nothing)])))
    assert verdicts(app) == {
        "GET /wrapped/a": "open",
        "GET /plain/b": "open",
        "POST /plain/b": "open",
        "GET /c": "open",
    }


def test_an_app_that_cannot_be_looked_into_is_open_unless_it_is_marked(tmp_path: Path) -> None:
    app = FastAPI()
    app.mount("/files", StaticFiles(directory=tmp_path))
    app.mount("/shown", public(StaticFiles(directory=tmp_path)))
    app.mount("/kept", guard("members of the proxy")(StaticFiles(directory=tmp_path)))
    assert verdicts(app) == {
        "MOUNT /files/{path}": "open",
        "MOUNT /shown/{path}": "public",
        "MOUNT /kept/{path}": "guarded",
    }


def test_a_mark_on_a_mounted_app_counts_for_everything_in_it() -> None:
    sub, app = FastAPI(), FastAPI()
    sub.add_api_route("/a", nothing)
    sub.add_api_route("/b", nothing, dependencies=[Depends(admin)])
    app.mount("/sub", public(sub))
    assert verdicts(app) == {"GET /sub/a": "public", "GET /sub/b": "guarded"}


def test_a_mark_on_what_is_served_under_a_host_says_nothing_about_the_rest() -> None:
    sub, app = FastAPI(), FastAPI()
    sub.add_api_route("/a", nothing)
    app.host("{tenant}.example.com", public(sub))
    app.mount("/deeper", FastAPI())
    app.add_api_route("/later", nothing)
    assert verdicts(app) == {"GET /a": "public", "GET /later": "open"}


def test_public_can_be_said_of_endpoints_routes_and_routers() -> None:
    app = FastAPI()

    @app.get("/above")
    @public
    async def above() -> None: ...

    @public(reason="a webhook that checks its own signature")
    @app.get("/below")
    async def below() -> None: ...

    app.add_api_route("/route", nothing, dependencies=[public()])
    router = APIRouter(dependencies=[public(reason="catalogue")])
    router.add_api_route("/router", nothing)
    app.include_router(router)
    assert set(verdicts(app).values()) == {"public"}
    assert {line.guard for line in audit(app)} >= {"a webhook that checks its own signature", "catalogue"}


def test_a_guarded_route_is_guarded_even_if_it_is_marked_public() -> None:
    app = FastAPI()
    app.add_api_route("/a", public(lambda: None), dependencies=[Depends(admin)])
    assert verdicts(app) == {"GET /a": "guarded"}


def test_public_routes_work_as_before() -> None:
    from starlette.testclient import TestClient

    app = FastAPI()

    @app.get("/a", dependencies=[public()])
    @public
    async def a() -> str:
        return "anybody"

    assert TestClient(app).get("/a").json() == "anybody"
    assert "security" not in app.openapi()["paths"]["/a"]["get"]


def test_what_only_reads_credentials_is_no_guard_and_optional_callers_are_none_either() -> None:
    app = FastAPI()
    app.add_api_route("/bearer", nothing, dependencies=[Depends(HTTPBearer())])
    app.add_api_route("/optional", nothing, dependencies=[Depends(optional)])
    assert set(verdicts(app).values()) == {"open"}


def test_guards_of_ones_own_are_known_by_their_mark() -> None:
    @guard("partners with a signature")
    async def signed() -> None: ...

    app = FastAPI()
    app.add_api_route("/a", nothing, dependencies=[Depends(signed)])
    [line] = [line for line in audit(app) if line.path == "/a"]
    assert (line.verdict, line.guard, line.role) == ("guarded", "partners with a signature", None)


def test_a_guard_that_is_overridden_guards_nothing() -> None:
    app = FastAPI()
    app.add_api_route("/a", nothing, dependencies=[Depends(admin)])
    app.dependency_overrides[admin] = nothing
    assert verdicts(app) == {"GET /a": "open"}


def test_guards_are_called_as_people_know_them() -> None:
    from kit_help import settings

    from vestibule.service import build_auth_deps

    auth = build_auth_deps(settings())
    app = FastAPI()
    for path, call in {
        "/user": auth.get_current_user,
        "/reader": auth.get_current_reader,
        "/writer": auth.get_current_writer,
        "/admin": auth.get_current_active_admin,
        "/superuser": auth.get_current_active_superuser,
        "/banker": auth.require_role("admin", stale_policy="fail_closed"),
        "/optional": auth.get_optional_user,
    }.items():
        app.add_api_route(path, nothing, dependencies=[Depends(call)])
    told = {line.path: (line.guard, line.role) for line in audit(app) if line.guard != "documentation"}
    assert told == {
        "/user": ("get_current_user", "user"),
        "/reader": ("get_current_reader", "reader"),
        "/writer": ("get_current_writer", "writer"),
        "/admin": ("get_current_active_admin", "admin"),
        "/superuser": ("get_current_active_superuser", "superadmin"),
        "/banker": ("require_role(admin, fail_closed)", "admin"),
        "/optional": ("", None),
    }


def test_of_several_roles_the_highest_is_told() -> None:
    app = FastAPI()
    app.add_api_route("/a", nothing, dependencies=[Depends(anyone), Depends(admin)])
    assert [line.role for line in audit(app) if line.path == "/a"] == ["admin"]


def test_what_the_kit_serves_itself_is_public_or_guarded() -> None:
    app = service(METRICS_ENABLED=True, METRICS_SCRAPE_CREDENTIAL="Scrape-0123456789")
    lines = {line.path: line for line in audit(app)}
    assert all(line.verdict != "open" for line in lines.values())
    assert lines["/metrics"].guard == "scrape credential"
    assert lines["/items/v1/docs"].guard == "documentation"
    assert {"/livez", "/readyz", "/items/v1/health/"} <= set(lines)


def test_a_front_end_beside_the_routes_is_listed(tmp_path: Path) -> None:
    app = FastAPI()
    if not hasattr(app.router, "frontend"):
        pytest.skip("this FastAPI serves no front ends")
    (tmp_path / "index.html").write_text("<p>")
    app.router.frontend("/app", directory=str(tmp_path))
    router = APIRouter(dependencies=[public()])
    router.frontend("/site", directory=str(tmp_path))
    app.include_router(router)
    assert verdicts(app) == {"GET /app/{path}": "open", "GET /site/{path}": "public"}


def test_a_route_of_an_unknown_kind_is_open() -> None:
    from starlette.routing import BaseRoute

    class Strange(BaseRoute): ...

    app = FastAPI()
    app.router.routes.append(Strange())
    assert "open" in verdicts(app).values()


def test_what_cannot_be_marked_is_refused() -> None:
    with pytest.raises(TypeError, match="can't be marked"):
        public(7)


GUARDED = """
    from fastapi import Depends, FastAPI
    from vestibule.service import guard, public

    @guard("members")
    async def members(): ...

    app = FastAPI(dependencies=[Depends(members)])

    @app.get("/a")
    async def a(): ...

    def make():
        return app
"""


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(textwrap.dedent(text))


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_exit_0_when_all_is_guarded_or_public(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "audited_guarded", GUARDED)
    assert main(["audited_guarded:app", "--app-dir", str(tmp_path)]) == 0
    assert "members" in capsys.readouterr().out
    assert main(["audited_guarded:make", "--factory", "--app-dir", str(tmp_path)]) == 0


def test_exit_1_and_a_mark_when_something_is_neither(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "audited_open", GUARDED.replace("dependencies=[Depends(members)]", ""))
    assert main(["audited_open:app", "--app-dir", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert any(line.startswith("!") and "/a" in line and line.endswith("none") for line in told.out.splitlines())
    assert "neither guarded nor public" in told.err


def test_for_programs_there_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "audited_json", GUARDED)
    assert main(["audited_json:app", "--app-dir", str(tmp_path), "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    assert {"method": "GET", "path": "/a", "verdict": "guarded", "guard": "members", "role": None, "name": "a"} in lines


@pytest.mark.parametrize(
    ("target", "text", "said"),
    [
        ("no_such_module:app", "", "there is no module 'no_such_module'"),
        ("audited_bad:app", "import no_such_dependency", "No module named 'no_such_dependency'"),
        ("audited_bad2:app", "raise ValueError('DB_HOST is missing')", "ValueError: DB_HOST is missing"),
        ("audited_bad3:app", "raise SystemExit(3)", "SystemExit: 3"),
        ("audited_bad4:other", "app = 1", "has no 'other'"),
        ("audited_bad5:app", "app = 1", "is no app with routes, but int"),
        ("audited_bad6:app", "def app(): ...", "add --factory"),
        ("audited_bad7", "", "is not of the form module:app"),
        ("audited_bad8:app", "app = (", "SyntaxError"),
    ],
)
def test_exit_2_and_a_clear_message_when_the_app_cannot_be_loaded(
    target: str, text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text:
        write(tmp_path, target.partition(":")[0], text)
    assert main([target, "--app-dir", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert "Traceback" not in message


def test_a_factory_that_fails_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "audited_factory", "def make(): raise RuntimeError('no settings')")
    assert main(["audited_factory:make", "--factory", "--app-dir", str(tmp_path), "--traceback"]) == 2
    message = capsys.readouterr().err
    assert "RuntimeError: no settings" in message
    assert "Traceback" in message


def test_a_wrapped_app_is_loaded(tmp_path: Path) -> None:
    wrapped = GUARDED + "\n    from starlette.middleware.gzip import GZipMiddleware\n    served = GZipMiddleware(app)\n"
    write(tmp_path, "audited_wrapped", wrapped)
    assert audit(load("audited_wrapped:served", folder=str(tmp_path)))


def test_the_table_is_aligned() -> None:
    lines = [Line("GET", "/a", "open", "", None, "a"), Line("DELETE", "/long/path", "guarded", "Guard", "admin", "b")]
    rows = table(lines).splitlines()
    assert rows[0] == "   METHOD  PATH        GUARD  ROLE"
    assert rows[1] == "!  GET     /a          none"
    assert rows[2] == "   DELETE  /long/path  Guard  admin"


def test_the_command_runs_as_a_module(tmp_path: Path) -> None:
    write(tmp_path, "audited_command", GUARDED)
    run = subprocess.run(
        [sys.executable, "-m", "vestibule", "audit", "audited_command:app"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "/a" in run.stdout


def test_configured_routes_are_audited_too() -> None:
    app = service(lifecycle=AppLifecycle(configure=lambda app: app.add_api_route("/late", nothing)))
    assert verdicts(app)["GET /late"] == "open"
