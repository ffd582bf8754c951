"""The program on the page about services runs, and does what the page says."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from settings_help import lonely

from vestibule.audit import audit

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "services.md"

pytestmark = pytest.mark.skipif(not GUIDE.is_file(), reason="the guide is in the repository only")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The names that the page defines, after its blocks ran one after the other."""
    lonely(monkeypatch, tmp_path)
    [dotenv] = blocks("ini")
    Path(".env").write_text(dotenv, "utf-8")
    monkeypatch.setenv("ISSUER_URL", "http://127.0.0.1:9")  # where nobody answers
    module = types.ModuleType("services_guide")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks("python"):
        exec(compile(block, str(GUIDE), "exec"), module.__dict__)  # the page is ours
    return module.__dict__


def test_the_program_of_the_guide_works(program: dict[str, Any]) -> None:
    program["test_only_writers_keep_things"]()


def test_everything_it_serves_is_guarded_or_public(program: dict[str, Any]) -> None:
    lines = {line.path: line for line in audit(program["app"])}
    assert {line.verdict for line in lines.values()} == {"guarded", "public"}
    assert (lines["/things/{name}"].role, lines["/me"].role) == ("writer", "user")
    assert lines["/webhook"].guard == "partners with a signature"


def test_what_it_says_is_shown_is_shown(program: dict[str, Any]) -> None:
    from starlette.testclient import TestClient

    with TestClient(program["app"]) as client:
        assert client.get("/greeting").json() == "hello"
        for path in ("/items/docs", "/items/health/", "/livez", "/readyz"):
            answer = client.get(path)
            # No issuer answers here, so readiness and health say that no key is known.
            assert answer.status_code == (503 if path in ("/items/health/", "/readyz") else 200), path
        shown = client.get("/items/health/", headers={"x-internal-token": "what-vestibule-services-add-printed"}).json()
    assert [check["name"] for check in shown["checks"]] == ["queue", "disk", "identity"]
