"""The gate on its own: tokens, who wins over whom, refusals, the handoff and the platform's own paths."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import time
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st
from tokens import APP_ID, ISSUER, KEY, SECRET, claims, part, sign, token

import ellivate_auth
import vestibule
import vestibule_auth
import vestibule_client
from vestibule_auth import Verifier, VestibuleGate, init_vestibule_auth, safe_next

pytestmark = pytest.mark.usefixtures("platform")

HEADER = "X-Vestibule-Viewer-Token"
GATEWAY = {"X-Vestibule-Gateway": SECRET}
OPEN = {**GATEWAY, "X-Vestibule-Gate": "open"}


def gated(**options: Any) -> TestClient:
    app = FastAPI(**options)
    init_vestibule_auth(app)

    @app.get("/")
    async def who() -> vestibule.Viewer | None:
        return vestibule.viewer()

    return TestClient(app, follow_redirects=False)


def who(client: TestClient, headers: dict[str, str] | None = None, cookie: str = "") -> Any:
    """The viewer's name as the app sees it; the status when it does not get that far."""
    answer = client.get("/", headers={**(headers or {}), **({"Cookie": cookie} if cookie else {})})
    if answer.status_code != 200:
        return answer.status_code
    return answer.json() and answer.json()["username"]


# Tokens


def good(text: str, now: float | None = None) -> bool:
    return Verifier(KEY, APP_ID, ISSUER).verify(text, time.time() if now is None else now) is not None


def test_a_good_token_gives_the_viewer() -> None:
    verified = Verifier(KEY, APP_ID, ISSUER).verify(token("alice", exp=2_000_000_000, jti="j"), time.time())
    assert verified is not None
    assert dict(verified.viewer) == {
        "id": "id-of-alice",
        "email": "alice@example.test",
        "username": "alice",
        "verified": True,
    }
    assert (verified.expires_at, verified.token_id) == (2_000_000_000, "j")


HS256 = {"alg": "HS256", "typ": "JWT"}
WRONG_TOKENS = {
    "empty": "",
    "dots": "..",
    "two parts": token().rsplit(".", 1)[0],
    "four parts": token() + ".x",
    "signature of nothing": f"{part(HS256)}.{part(claims())}.",
    "other key": token(key=b"other" * 8),
    "other app": token(aud="app-2"),
    "list of apps": token(aud=[APP_ID]),
    "no app": token(aud=...),
    "other issuer": token(iss="http://evil.test"),
    "alg none": token(header={"alg": "none"}),
    "alg None, unsigned": f"{part({'alg': 'none'})}.{part(claims())}.",
    "alg HS512": token(header={"alg": "HS512"}),
    "alg RS256": token(header={"alg": "RS256"}),
    "alg lower case": token(header={"alg": "hs256"}),
    "no alg": token(header={"typ": "JWT"}),
    "critical header": token(header={"alg": "HS256", "crit": ["b64"], "b64": False}),
    "other type": token(header={"alg": "HS256", "typ": "at+jwt"}),
    "header is a list": token(header=["HS256"]),
    "header is not JSON": token(header=b"\xff{"),
    "expired": token(exp=int(time.time()) - 31),
    "expiry is text": token(exp="2000000000"),
    "expiry is true": token(exp=True),
    "expiry is a fraction": token(exp=2e9),
    "no expiry": token(exp=...),
    "from the future": token(iat=int(time.time()) + 3600),
    "not yet": token(nbf=int(time.time()) + 3600),
    "no subject": token(sub=...),
    "empty subject": token(sub=""),
    "subject is a number": token(sub=1),
    "too long": token(email="x" * 5000),
    "not ASCII": token() + "é",
    "padded": token() + "=",
    "standard alphabet": token(email="?>" * 20).replace("_", "/").replace("-", "+") + "+",
}


@pytest.mark.parametrize("name", WRONG_TOKENS)
def test_a_wrong_token_is_refused(name: str) -> None:
    assert not good(WRONG_TOKENS[name])


def test_a_token_signed_by_another_digest_is_refused() -> None:
    signed = f"{part(HS256)}.{part(claims())}"
    assert not good(f"{signed}.{sign(signed, digest='sha512')}")


def test_a_payload_that_is_nested_without_end_is_refused() -> None:
    signed = f"{part(HS256)}.{part(b'[' * 2000)}"
    assert not good(f"{signed}.{sign(signed)}")


def test_clocks_may_differ_by_thirty_seconds_and_a_known_token_still_ends() -> None:
    text = token(exp=1_000, iat=100)
    verifier = Verifier(KEY, APP_ID, ISSUER)
    assert verifier.verify(text, 69) is None
    assert verifier.verify(text, 70) is not None
    assert verifier.verify(text, 1_029.9) is not None
    assert verifier.verify(text, 1_030) is None


def test_only_so_many_tokens_are_remembered() -> None:
    verifier = Verifier(KEY, APP_ID, ISSUER)
    for _ in range(1_100):
        assert verifier.verify(token(), time.time())
    assert len(verifier._known) <= 1_024
    assert not verifier.verify("x.y.z", time.time())


@given(st.text(max_size=300) | st.binary(max_size=100).map(lambda raw: raw.decode("latin-1")))
@example("a.b.c")
def test_no_text_but_a_token_is_good(text: str) -> None:
    assert not good(text)


@given(st.data())
def test_a_changed_token_is_no_longer_good(data: st.DataObject) -> None:
    text = token()
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda one: one != text[place]))
    assert not good(text[:place] + letter + text[place + 1 :])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5), st.data())
def test_a_signed_token_of_any_content_never_breaks_the_gate(value: Any, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["iss", "aud", "sub", "email", "username", "verified", "iat", "exp", "jti"]))
    content = {**claims(), name: value}
    signed = f"{part(HS256)}.{part(content)}"
    verified = Verifier(KEY, APP_ID, ISSUER).verify(f"{signed}.{sign(signed)}", time.time())
    if verified is not None:
        assert isinstance(verified.viewer.email, str)
        assert isinstance(verified.viewer.username, str)
        assert isinstance(verified.viewer.verified, bool)


# Who wins


def test_both_spellings_of_header_and_cookie_work() -> None:
    client = gated()
    assert who(client, {"X-Vestibule-Viewer-Token": token()}) == "alice"
    assert who(client, {"X-Ellivate-Viewer-Token": token()}) == "alice"
    assert who(client, cookie=f"vestibule_viewer_token={token()}") == "alice"
    assert who(client, cookie=f'a=b; ellivate_viewer_token="{token()}"; c') == "alice"
    assert who(client, cookie=f"xvestibule_viewer_token={token()}") == 401
    assert who(client) == 401


def test_a_header_wins_over_a_cookie_and_the_difference_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    client = gated()
    cookie = f"vestibule_viewer_token={token('bob')}"
    assert who(client, {HEADER: token("alice")}, cookie) == "alice"
    assert "different viewers" in caplog.text
    caplog.clear()
    assert who(client, {HEADER: token("bob")}, cookie) == "bob"
    assert caplog.records == []


def test_a_wrong_header_is_refused_although_the_cookie_is_good() -> None:
    assert who(gated(), {HEADER: "nonsense"}, f"vestibule_viewer_token={token()}") == 401
    assert who(gated(), {HEADER: token(exp=1)}, f"vestibule_viewer_token={token()}") == 401


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_header_counts_as_absent(blank: str) -> None:
    assert who(gated(), {HEADER: blank}, f"vestibule_viewer_token={token()}") == "alice"
    assert who(gated(), {HEADER: blank}) == 401


def test_headers_that_contradict_each_other_are_refused() -> None:
    client = gated()
    assert who(client, {HEADER: token("alice"), "X-Ellivate-Viewer-Token": token("bob")}) == 401
    assert who(client, {HEADER: token("alice"), "X-Ellivate-Viewer-Token": "nonsense"}) == 401
    assert who(client, {HEADER: token("alice"), "X-Ellivate-Viewer-Token": token("alice")}) == "alice"


def test_an_old_cookie_beside_a_good_one_does_no_harm_but_two_people_do() -> None:
    client = gated()
    old = f"vestibule_viewer_token={token(exp=1)}"
    assert who(client, cookie=f"{old}; ellivate_viewer_token={token()}") == "alice"
    assert who(client, cookie=f"{old}; vestibule_viewer_token={token()}") == "alice"
    assert who(client, cookie=f"vestibule_viewer_token={token('bob')}; ellivate_viewer_token={token()}") == 401


def test_an_open_gate_lets_everybody_in_and_still_knows_the_viewer() -> None:
    client = gated()
    assert who(client, OPEN) is None
    assert who(client, {**OPEN, HEADER: token()}) == "alice"
    assert who(client, {**OPEN, HEADER: "nonsense"}) is None
    assert who(client, OPEN, f"vestibule_viewer_token={token(exp=1)}") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Vestibule-Gate": "open"},
        {"X-Vestibule-Gate": "open", "X-Vestibule-Gateway": ""},
        {"X-Vestibule-Gate": "open", "X-Vestibule-Gateway": "5e" * 31},
        {"X-Vestibule-Gate": "closed", "X-Vestibule-Gateway": SECRET},
        {"X-Vestibule-Gate": "yes", "X-Vestibule-Gateway": SECRET},
        {"X-Vestibule-Gateway": SECRET},
        {"X-Ellivate-Gate": "open", "X-Ellivate-Gateway": SECRET},
        {"X-Vestibule-Dev-Viewer": "alice"},
    ],
)
def test_the_gate_stays_closed(headers: dict[str, str]) -> None:
    assert who(gated(), headers) == 401


def test_without_its_secret_the_gate_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VESTIBULE_GATEWAY_SECRET")
    assert who(gated(), {"X-Vestibule-Gate": "open", "X-Vestibule-Gateway": ""}) == 401
    assert gated().get("/.vestibule/health", headers={"X-Vestibule-Gateway": ""}).status_code == 401


@pytest.mark.parametrize("key", [None, "", "not hex"])
def test_without_its_key_nobody_is_let_in(
    key: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if key is None:
        monkeypatch.delenv("VESTIBULE_VIEWER_KEY")
    else:
        monkeypatch.setenv("VESTIBULE_VIEWER_KEY", key)
    assert who(gated(), {HEADER: token(key=b"")}) == 401
    assert who(gated(), {HEADER: token()}) == 401
    assert "nobody will be let in" in caplog.text


def test_one_variable_of_the_platform_is_enough_to_close_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in vestibule_client.PLATFORM_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert who(gated()) is None
    monkeypatch.setenv("VESTIBULE_APP_SLUG", "book")
    vestibule_client.reset()
    assert who(gated()) == 401


def test_the_app_does_not_see_what_opens_the_gate() -> None:
    seen: list[bytes] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(name for name, _ in scope["headers"])
        await vestibule_auth._answer_json(send, 200, {})

    TestClient(VestibuleGate(inner)).get("/", headers={**OPEN, "X-Other": "1"})
    assert b"x-other" in seen
    assert not any(b"gate" in name for name in seen)


# Refusals


def test_a_client_gets_a_refusal_it_can_read() -> None:
    answer = gated().get("/secret?x=1", headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.json()["error"] == "viewer_required"
    assert answer.json()["shell"] == "http://shell.test/open/book"
    assert answer.headers["www-authenticate"] == "Vestibule"
    assert answer.headers["cache-control"] == "no-store"
    assert gated().head("/").content == b""


@pytest.mark.parametrize(
    ("headers", "page"),
    [
        ({"Sec-Fetch-Mode": "navigate", "Accept": "*/*"}, True),
        ({"Sec-Fetch-Mode": "cors", "Accept": "text/html"}, False),
        ({"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, True),
        ({"Accept": "application/json, text/html"}, False),
        ({"Accept": "text/html;q=0.5, application/json;q=0.9"}, False),
        ({"Accept": "application/json;q=0.5, text/html;q=0.9"}, True),
        ({"Accept": "text/html;q=x, */*"}, False),
        ({"Accept": "*/*"}, False),
        ({"Accept": ";;,,"}, False),
    ],
)
def test_somebody_who_navigates_gets_a_page(headers: dict[str, str], page: bool) -> None:
    answer = gated().get("/a%20b?x=1&y=%22", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html" if page else "application/json")
    if page:
        link = "http://shell.test/open/book?next=/a%2520b%3Fx%3D1%26y%3D%2522"
        assert f'href="{link}" target="_top"' in answer.text
        assert answer.headers["www-authenticate"] == "Vestibule"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        script = answer.text.split("<script>")[1].split("</script>")[0]
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_a_refused_form_leads_back_to_the_front_page() -> None:
    answer = gated().post("/form", headers={"Sec-Fetch-Mode": "navigate"})
    assert answer.status_code == 401
    assert "?next=/&quot;" not in answer.text
    assert 'open/book?next=/"' in answer.text


def test_a_refused_upload_is_not_read() -> None:
    async def receive() -> Any:
        raise AssertionError("the body was touched")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the app was reached")

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(VestibuleGate(inner)(scope, receive, send))
    assert sent[0]["status"] == 401


def test_the_context_is_put_back_also_after_an_error() -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        assert vestibule.viewer() is not None
        raise RuntimeError("of the app")

    async def work() -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "headers": [(b"x-vestibule-viewer-token", token().encode())],
        }
        with pytest.raises(RuntimeError):
            await VestibuleGate(inner)(scope, None, None)  # type: ignore[arg-type]
        assert vestibule_client.current_lane.get() is None

    asyncio.run(work())


# The platform's own paths


def test_health_is_for_the_platform_only() -> None:
    client = gated()
    answer = client.get("/.vestibule/health", headers=GATEWAY)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "wired": True})
    assert client.get("/.vestibule/health").status_code == 401
    assert client.get("/.vestibule/health", headers={HEADER: token()}).status_code == 404
    assert client.get("/.vestibule/other", headers=OPEN).status_code == 404


@pytest.mark.parametrize("path", ["/vestibule-handoff", "/ellivate-handoff"])
def test_the_handoff_turns_a_token_into_a_cookie(path: str) -> None:
    client = gated()
    text = token()
    answer = client.get(path, params={"token": text, "next": "/a?b=c#d"})
    assert answer.status_code == 307
    assert answer.headers["location"] == "/a?b=c#d"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    cookies = answer.headers.get_list("set-cookie")
    name, *attributes = cookies[0].split("; ")
    assert name == f"vestibule_viewer_token={text}"
    age = next(attribute for attribute in attributes if attribute.startswith("Max-Age="))
    assert 880 <= int(age.removeprefix("Max-Age=")) <= 900
    assert set(attributes) - {age} == {"Path=/", "HttpOnly", "Secure", "SameSite=None", "Partitioned"}
    assert cookies[1].startswith("ellivate_viewer_token=; Max-Age=0;")
    assert who(client, cookie=name) == "alice"


@pytest.mark.parametrize(
    ("url", "attributes"),
    [
        ("https://book.example.org", "Path=/; HttpOnly; Secure; SameSite=None; Partitioned"),
        ("http://localhost:8080", "Path=/; HttpOnly; Secure; SameSite=None; Partitioned"),
        ("http://book.lan:8080", "Path=/; HttpOnly; SameSite=Lax"),
        ("http://evil-localhost:8080", "Path=/; HttpOnly; SameSite=Lax"),
        ("https://host.example.org/book/", "Path=/book; HttpOnly; Secure; SameSite=None; Partitioned"),
    ],
)
def test_the_cookie_fits_the_address_of_the_app(url: str, attributes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_APP_URL", url)
    answer = gated().get("/vestibule-handoff", params={"token": token()})
    assert answer.headers.get_list("set-cookie")[0].split("; ", 2)[2] == attributes
    assert answer.headers["location"] == ("/book/" if "book/" in url else "/")


def test_a_handoff_works_once_per_token() -> None:
    client = gated()
    text = token()
    path = f"/vestibule-handoff?token={text}"
    # A look without opening, as link previews take it, does not use it up.
    look = client.head(path)
    assert look.status_code == 307
    assert "set-cookie" not in look.headers
    assert client.get(path).status_code == 307
    again = client.get(path)
    assert again.status_code == 401
    assert text not in again.text
    assert "set-cookie" not in again.headers
    assert "http://shell.test/open/book" in again.text


@pytest.mark.parametrize("text", ["nonsense", token(exp=1), token(aud="app-2"), token(jti=...), token(jti=""), "é"])
def test_a_handoff_with_a_wrong_token_is_refused_without_repeating_it(text: str) -> None:
    answer = gated().get("/vestibule-handoff", params={"token": text})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert text not in answer.text
    assert "set-cookie" not in answer.headers
    assert "<script" not in answer.text


@pytest.mark.parametrize("query", ["", "token=", "next=/", "token=a&token=b", "token=%ff", "a=1&" * 30, "\u00e9"])
def test_a_handoff_without_one_token_is_a_bad_request(query: str) -> None:
    assert gated().get("/vestibule-handoff?" + quote(query, safe="=&%/")).status_code == 400


def test_a_handoff_is_a_get() -> None:
    answer = gated().post("/vestibule-handoff", params={"token": token()})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_used_tokens_are_forgotten_when_they_have_expired_and_never_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vestibule_auth.UsedTokens, "LIMIT", 3)
    used = vestibule_auth.UsedTokens()
    assert all(used.take(f"t{number}", 100, 0) for number in range(3))
    assert not used.take("t0", 100, 0)
    assert not used.take("t3", 100, 129)
    assert used.take("t3", 300, 131)
    assert not used.take("t3", 300, 131)


@pytest.mark.parametrize("value", ["/", "/a", "/a?b=//c#d", "/a//b", "/%2F%2Fevil.test", "/a?next=http://x"])
def test_a_good_next_is_kept(value: str) -> None:
    assert safe_next(value) == value


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "a",
        "//evil.test",
        "/\\evil.test",
        "\\/evil.test",
        "/\t/evil.test",
        "/a\\b",
        "/a\r\nSet-Cookie: x=y",
        "/a b",
        "http://evil.test/",
        "javascript:alert(1)",
        "/é",
        "/" + "a" * 3000,
        "/vestibule-handoff?token=x",
        "/Ellivate-Handoff",
        "/mount/ellivate-handoff",
        "/.vestibule/start",
    ],
)
def test_a_bad_next_is_the_front_page(value: str | None) -> None:
    assert safe_next(value) == "/"


@given(st.text(max_size=60) | st.text(alphabet="/\\.:?#@%\t\n evil", max_size=20))
def test_next_never_leads_elsewhere(value: str) -> None:
    path = safe_next(value)
    assert path in (value, "/")
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert path.isascii()
    assert path.isprintable()
    assert " " not in path


# Wiring


def test_wiring_twice_is_wiring_once() -> None:
    app = FastAPI()
    for _ in range(3):
        init_vestibule_auth(app)
        ellivate_auth.init_ellivate_auth(app)
    assert len(app.user_middleware) == 1
    assert getattr(app, vestibule_auth.MARKER) is True
    assert getattr(VestibuleGate(app), vestibule_auth.MARKER) is True


def test_a_wired_app_inside_the_wrapper_is_gated_once() -> None:
    app = FastAPI()
    init_vestibule_auth(app)

    @app.get("/")
    async def name() -> str:
        viewer = vestibule.viewer()
        return viewer.username if viewer else "nobody"

    client = TestClient(VestibuleGate(app))
    assert client.get("/").status_code == 401
    assert client.get("/", headers={HEADER: token()}).json() == "alice"
    assert client.get("/", headers=OPEN).json() == "nobody"
    assert VestibuleGate(app).routes is app.routes


def test_the_api_description_stays_as_it_is() -> None:
    def build(wire: bool) -> Any:
        app = FastAPI()
        if wire:
            init_vestibule_auth(app)

        @app.get("/a")
        async def a() -> str:
            return "a"

        return app.openapi()

    assert json.dumps(build(True)) == json.dumps(build(False))


def test_outside_the_platform_everybody_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in vestibule_client.PLATFORM_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    vestibule_client.reset()
    client = gated()
    assert who(client) is None
    assert who(client, {"X-Vestibule-Dev-Viewer": "bob"}) == "bob"
    with vestibule.test_viewer("carol"):
        assert who(client) == "carol"
    monkeypatch.setenv("VESTIBULE_DEV_VIEWER", "dora")
    assert who(client) == "dora"
    with vestibule.test_viewer(None):
        assert who(client) is None
    assert client.get("/.vestibule/health").status_code == 404


def test_nothing_is_logged_that_identifies_somebody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    text = token("alice")
    client = gated()
    who(client, {HEADER: text}, f"vestibule_viewer_token={token('bob')}")
    client.get("/vestibule-handoff", params={"token": text})
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("vestibule"))
    assert text not in ours
    assert "alice" not in ours
