"""The gate: no request reaches the app's code before it is known who makes it.

Vestibule writes this file into the app at every publish, together with a call of `init_vestibule_auth(app)`;
changes made here are lost. It needs nothing but the standard library of Python 3.10 to 3.14.

It is pure ASGI in two layers. The outer one, around every middleware, verifies the viewer's token and says for
whom the request runs; the inner one, next to the routes, refuses the request when nobody is signed in, so that
a CORS middleware in between can still answer a preflight and mark the refusal. Outside the platform, when none
of its environment variables is set, everybody is let in, as `VESTIBULE_DEV_VIEWER` or as the person named by
the header `X-Vestibule-Dev-Viewer`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import logging
import os
import threading
import time
import typing
from collections.abc import Awaitable, Callable, MutableMapping
from urllib.parse import parse_qs, quote, urlsplit

import vestibule_client
from vestibule_client import ANONYMOUS, RequestLane, VestibuleError, Viewer, current_lane

__all__ = ["VestibuleGate", "init_ellivate_auth", "init_vestibule_auth"]

Scope = MutableMapping[str, typing.Any]
Message = MutableMapping[str, typing.Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# How far the clocks of platform and app may differ.
LEEWAY_S = 30
TOKEN_MAX_BYTES = 4096
TOKEN_HEADERS = (b"x-vestibule-viewer-token", b"x-ellivate-viewer-token")
COOKIES = ("vestibule_viewer_token", "ellivate_viewer_token")
HANDOFF_PATHS = ("/vestibule-handoff", "/ellivate-handoff")
OWN_PATH = "/.vestibule/"
SUBPROTOCOL = "viewer."
# Set on what has been wired, so that wiring twice does nothing and the wiring can be seen.
MARKER = "__vestibule_gate__"
_VERDICT = "vestibule.verdict"

log = logging.getLogger("vestibule")


# Tokens


class Verified(typing.NamedTuple):
    """What a good token says."""

    viewer: Viewer
    lane: RequestLane
    expires_at: float
    token_id: str


class Verifier:
    """Checks viewer tokens of one app: JWT (RFC 7519), HS256 and nothing else (RFC 8725 §3.1)."""

    def __init__(self, key: bytes, app_id: str, issuer: str) -> None:
        self._key = key
        self._app_id = app_id
        self._issuer = issuer
        self._known: dict[str, Verified] = {}

    def verify(self, token: str, now: float) -> Verified | None:
        """The token's content, or None when anything about it is not right."""
        known = self._known.get(token)
        if known is not None:
            return known if now < known.expires_at + LEEWAY_S else None
        verified = self._check(token, now)
        if verified is not None:
            # A viewer shows the same token for minutes; nothing but good ones is kept.
            if len(self._known) >= 1024:
                self._known.clear()
            self._known[token] = verified
        return verified

    def _check(self, token: str, now: float) -> Verified | None:
        if not self._key or not self._app_id or len(token) > TOKEN_MAX_BYTES or not token.isascii():
            return None
        signed, _, signature = token.rpartition(".")
        mac = hmac.digest(self._key, signed.encode(), "sha256")
        expected = base64.urlsafe_b64encode(mac).rstrip(b"=")
        if not hmac.compare_digest(expected, signature.encode()):
            return None
        try:
            header_part, payload_part = signed.split(".")
            header = _decoded(header_part)
            claims = _decoded(payload_part)
        except (ValueError, RecursionError):
            return None
        if header.get("alg") != "HS256" or "crit" in header or header.get("typ", "JWT") != "JWT":
            return None
        if claims.get("aud") != self._app_id or (self._issuer and claims.get("iss") != self._issuer):
            return None
        expires_at = claims.get("exp")
        if not _is_time(expires_at) or now >= expires_at + LEEWAY_S:
            return None
        for name in ("iat", "nbf"):
            since = claims.get(name, 0)
            if not _is_time(since) or now < since - LEEWAY_S:
                return None
        viewer_id = claims.get("sub")
        if not isinstance(viewer_id, str) or not viewer_id:
            return None
        viewer = Viewer(
            id=viewer_id,
            email=_text(claims.get("email")),
            username=_text(claims.get("username")),
            verified=claims.get("verified") is True,
        )
        return Verified(viewer, RequestLane(viewer, token), expires_at, _text(claims.get("jti")))


def _decoded(part: str) -> dict[str, typing.Any]:
    if "=" in part:
        raise ValueError("padded")
    raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    value = json.loads(raw)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _is_time(value: object) -> typing.TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# What the platform told this process


class Settings:
    """The environment of the process, read once."""

    def __init__(self, env: typing.Mapping[str, str]) -> None:
        self.active = any(name in env for name in vestibule_client.PLATFORM_VARIABLES)
        self.verifier = Verifier(
            _hex(env.get("VESTIBULE_VIEWER_KEY", "")), env.get("VESTIBULE_APP_ID", ""), env.get("VESTIBULE_ISSUER", "")
        )
        # Compared as bytes; an unset secret matches nothing.
        self._gateway_secret = env.get("VESTIBULE_GATEWAY_SECRET", "").strip().lower().encode()
        self.app_url = urlsplit(env.get("VESTIBULE_APP_URL", ""))
        shell = env.get("VESTIBULE_SHELL_URL", "").rstrip("/")
        slug = env.get("VESTIBULE_APP_SLUG", "")
        self.open_url = f"{shell}/open/{quote(slug, safe='')}" if slug else f"{shell}/"
        if self.active and not (env.get("VESTIBULE_VIEWER_KEY") and env.get("VESTIBULE_APP_ID")):
            log.error("VESTIBULE_VIEWER_KEY or VESTIBULE_APP_ID is not set: nobody will be let in.")

    def is_gateway(self, secret: bytes) -> bool:
        return bool(self._gateway_secret) and hmac.compare_digest(secret.strip().lower(), self._gateway_secret)

    def open_at(self, path: str) -> str:
        """The shell's address that leads a signed-in person back to `path` of this app."""
        return f"{self.open_url}?next={quote(path, safe='/')}"

    def mount(self) -> str:
        return self.app_url.path.rstrip("/")

    def cookie_attributes(self) -> str:
        host = self.app_url.hostname or ""
        # Browsers take localhost for secure, whatever the scheme.
        if self.app_url.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
            # Written by hand: http.cookies knows Partitioned only from Python 3.14 on.
            return "HttpOnly; Secure; SameSite=None; Partitioned"
        return "HttpOnly; SameSite=Lax"


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        log.error("VESTIBULE_VIEWER_KEY is not hexadecimal: nobody will be let in.")
        return b""


# Deciding


class Verdict(typing.NamedTuple):
    """Who makes a request, and whether the app may see it."""

    lane: RequestLane
    admitted: bool
    # The one of the offered WebSocket subprotocols that carries the token.
    subprotocol: str | None = None


class Shown(typing.NamedTuple):
    """The headers of one request that matter here."""

    tokens: list[str]
    cookie_tokens: list[str]
    protocol: str | None
    from_gateway: bool
    gate_open: bool


def _shown(headers: Headers, settings: Settings) -> Shown:
    tokens: list[str] = []
    cookies: list[str] = []
    protocol: str | None = None
    secret = b""
    gate = b""
    for name, value in headers:
        if name in TOKEN_HEADERS:
            token = value.decode("latin-1").strip()
            # A browser client sends the header blank while it has no token.
            if token and token not in tokens:
                tokens.append(token)
        elif name == b"cookie":
            if b"viewer_token=" in value:
                _collect_cookies(value.decode("latin-1"), cookies)
        elif name == b"sec-websocket-protocol":
            for offered in value.decode("latin-1").split(","):
                if protocol is None and offered.strip().startswith(SUBPROTOCOL):
                    protocol = offered.strip()
        elif name == b"x-vestibule-gateway":
            secret = value
        elif name == b"x-vestibule-gate":
            gate = value
    from_gateway = settings.is_gateway(secret)
    return Shown(tokens, cookies, protocol, from_gateway, from_gateway and gate.strip().lower() == b"open")


def _collect_cookies(header: str, into: list[str]) -> None:
    for pair in header.split(";"):
        name, _, value = pair.partition("=")
        if name.strip() in COOKIES:
            token = value.strip().strip('"')
            if token and token not in into:
                into.append(token)


def _decide(shown: Shown, settings: Settings, now: float) -> Verdict:
    """A header wins over a cookie, and a header that is no good is not made up for by a good cookie."""
    verify = settings.verifier.verify
    carrier: str | None = None
    found: Verified | None = None
    if shown.tokens:
        verified = [verify(token, now) for token in shown.tokens]
        found = _agreed(verified) if all(verified) else None
        if found is not None and any(token not in shown.tokens for token in shown.cookie_tokens):
            other = _agreed([verify(token, now) for token in shown.cookie_tokens])
            if other is not None and other.viewer != found.viewer:
                log.warning("The header and the cookie of a request name different viewers; the header counts.")
    elif shown.cookie_tokens:
        # One of them may be left over from another time or spelling; two good ones must agree.
        found = _agreed([verify(token, now) for token in shown.cookie_tokens])
    elif shown.protocol is not None:
        found = verify(shown.protocol[len(SUBPROTOCOL) :], now)
    if shown.protocol is not None:
        carrier = shown.protocol
    if found is not None:
        return Verdict(found.lane, True, carrier)
    return Verdict(ANONYMOUS, shown.gate_open, carrier)


def _agreed(candidates: list[Verified | None]) -> Verified | None:
    good = [verified for verified in candidates if verified is not None]
    if not good or any(other.viewer != good[0].viewer for other in good[1:]):
        return None
    return good[0]


# Answers of the gate itself


async def _answer(send: Send, status: int, headers: Headers, body: bytes, *, head: bool = False) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def _answer_json(
    send: Send, status: int, content: dict[str, typing.Any], extra: Headers | None = None, *, head: bool = False
) -> None:
    body = json.dumps(content).encode()
    await _answer(send, status, [(b"content-type", b"application/json"), *(extra or [])], body, head=head)


_SCRIPT = (
    "const to=document.querySelector('a').href;let last=0;"
    "try{last=+sessionStorage.getItem('vestibule.open')||0;sessionStorage.setItem('vestibule.open',Date.now())}catch{}"
    "if(Date.now()-last>10000){try{top.location.replace(to)}catch{location.replace(to)}}"
)
_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:18vh auto;"
    "padding:0 1.5rem}h1{font-size:1.4rem}a{color:LinkText}"
)


def _hashed(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_POLICY = (
    f"default-src 'none'; script-src {_hashed(_SCRIPT)}; style-src {_hashed(_STYLE)}; base-uri 'none'; "
    "form-action 'none'"
)


async def _answer_page(
    send: Send, status: int, title: str, text: str, link: str, *, go: bool, extra: Headers, head: bool = False
) -> None:
    script = f"<script>{_SCRIPT}</script>" if go else ""
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1><p>{text}</p>"
        f'<p><a href="{html.escape(link)}" target="_top">Continue to sign in</a></p></main>{script}</body></html>'
    )
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", _POLICY.encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        *extra,
    ]
    await _answer(send, status, headers, page.encode(), head=head)


_CHALLENGE: Headers = [(b"www-authenticate", b"Vestibule")]


async def _refuse(scope: Scope, send: Send, settings: Settings) -> None:
    """401: as a page that leads to the sign-in for somebody who navigates here, as JSON for everything else."""
    method = scope["method"]
    head = method == "HEAD"
    if _is_navigation(scope["headers"]):
        back = safe_next(_public_target(scope)) if method in ("GET", "HEAD") else "/"
        await _answer_page(
            send,
            401,
            "Please sign in",
            "This app is for people who are signed in. You come back here afterwards.",
            settings.open_at(back),
            go=True,
            extra=_CHALLENGE,
            head=head,
        )
    else:
        content = {
            "error": "viewer_required",
            "message": "Sign in at the shell address, then try again.",
            "shell": settings.open_url,
        }
        await _answer_json(send, 401, content, _CHALLENGE, head=head)


def _is_navigation(headers: Headers) -> bool:
    accept = b""
    for name, value in headers:
        if name == b"sec-fetch-mode":
            return value.strip().lower() == b"navigate"
        if name == b"accept":
            accept = accept or value
    # Without fetch metadata: does the client like HTML at least as much as anything else?
    best: tuple[float, bytes] = (0.0, b"")
    for part in accept.split(b","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(b";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith(b"q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if quality > best[0]:
            best = (quality, kind)
    return best[1] in (b"text/html", b"application/xhtml+xml")


def _public_target(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(scope["path"])
    # Servers differ in whether the raw path holds the mount; the one asked for always does.
    root = scope.get("root_path", "")
    if root and not (path == root or path.startswith(root + "/")):
        mount = root.rstrip("/") if scope["path"].startswith(root) else ""
        path = mount + path
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def safe_next(value: str | None) -> str:
    """`value` when it is a path of this very host, else `/`. Query and fragment of a good one are kept."""
    if not value or len(value) > 2048 or value[0] != "/" or value[1:2] in ("/", "\\"):
        return "/"
    if "\\" in value or not value.isascii() or any(ord(letter) <= 0x20 or ord(letter) == 0x7F for letter in value):
        return "/"
    parts = urlsplit(value)
    if parts.scheme or parts.netloc:
        return "/"
    path = parts.path.lower()
    if any(path == own or path.endswith(own) for own in HANDOFF_PATHS) or OWN_PATH in path:
        return "/"
    return value


# The handoff: a token in the address becomes a cookie, once


class UsedTokens:
    """Remembers, until they expire, the ids of tokens that the handoff has accepted."""

    LIMIT = 100_000

    def __init__(self) -> None:
        self._expiry: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, token_id: str, expires_at: float, now: float) -> bool:
        """Whether this is the first time; false also while there is no room to remember another."""
        with self._lock:
            if token_id in self._expiry:
                return False
            if len(self._expiry) >= self.LIMIT:
                self._expiry = {known: until for known, until in self._expiry.items() if until + LEEWAY_S > now}
                if len(self._expiry) >= self.LIMIT:
                    return False
            self._expiry[token_id] = expires_at
            return True


async def _hand_over(scope: Scope, send: Send, settings: Settings, used: UsedTokens) -> None:
    method = scope["method"]
    head = method == "HEAD"
    quiet: Headers = [(b"referrer-policy", b"no-referrer")]
    if method not in ("GET", "HEAD"):
        await _answer_json(
            send,
            405,
            {"error": "method_not_allowed", "message": "The handoff is a GET."},
            [*quiet, (b"allow", b"GET, HEAD")],
        )
        return
    try:
        query = parse_qs(scope.get("query_string", b"").decode("ascii"), max_num_fields=20, errors="strict")
    except ValueError:
        query = {}
    tokens = query.get("token", [])
    if len(tokens) != 1:
        await _answer_page(
            send,
            400,
            "This link is incomplete",
            "Open the app from your dashboard instead.",
            settings.open_at("/"),
            go=False,
            extra=quiet,
            head=head,
        )
        return
    wanted = safe_next((query.get("next") or ["/"])[0])
    now = time.time()
    verified = settings.verifier.verify(tokens[0], now)
    # A HEAD request (a link preview) must not use the link up.
    fresh = verified is not None and bool(verified.token_id)
    if verified is None or not fresh or not (head or used.take(verified.token_id, verified.expires_at, now)):
        await _answer_page(
            send,
            401,
            "This link has been used or has expired",
            "Open the app again to get a new one.",
            settings.open_at(wanted),
            go=False,
            extra=[*quiet, *_CHALLENGE],
            head=head,
        )
        return
    if wanted == "/":
        wanted = settings.mount() + "/"
    headers: Headers = [*quiet, (b"location", wanted.encode())]
    if not head:
        attributes = f"Path={settings.mount() or '/'}; {settings.cookie_attributes()}"
        life = max(int(verified.expires_at - now), 0)
        headers.append((b"set-cookie", f"{COOKIES[0]}={tokens[0]}; Max-Age={life}; {attributes}".encode()))
        # A cookie of the other spelling could name somebody else.
        headers.append((b"set-cookie", f"{COOKIES[1]}=; Max-Age=0; {attributes}".encode()))
    await _answer(send, 307, headers, b"", head=head)


# The two layers


class _Outer:
    """Around everything: says for whom the request runs and answers the paths of the platform."""

    def __init__(self, app: App, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.used = UsedTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan" or _VERDICT in scope:
            await self.app(scope, receive, send)
            return
        vestibule_client.mark_serving()
        settings = self.settings
        if not settings.active:
            verdict = _development_verdict(scope)
        else:
            shown = _shown(scope["headers"], settings)
            if kind == "http":
                path = _path_in_app(scope)
                if path in HANDOFF_PATHS:
                    await _hand_over(scope, send, settings, self.used)
                    return
                if path.startswith(OWN_PATH):
                    await self._answer_own(scope, send, shown, path)
                    return
            verdict = _decide(shown, settings, time.time())
            # What an app shows of its headers must not give away what opens the gate.
            scope["headers"] = [
                header for header in scope["headers"] if header[0] not in (b"x-vestibule-gateway", b"x-vestibule-gate")
            ]
        scope[_VERDICT] = verdict
        before = current_lane.set(verdict.lane)
        try:
            if verdict.subprotocol is not None:
                await self.app(_without_token(scope, verdict), receive, _echoing(send, verdict.subprotocol))
            else:
                await self.app(scope, receive, send)
        finally:
            current_lane.reset(before)

    async def _answer_own(self, scope: Scope, send: Send, shown: Shown, path: str) -> None:
        head = scope["method"] == "HEAD"
        if path == "/.vestibule/health" and shown.from_gateway:
            await _answer_json(send, 200, {"status": "ok", "wired": True}, head=head)
        elif _decide(shown, self.settings, time.time()).admitted:
            await _answer_json(send, 404, {"error": "not_found", "message": "Nothing is here."}, head=head)
        else:
            await _refuse(scope, send, self.settings)


class _Inner:
    """Next to the routes: lets the request in or refuses it."""

    def __init__(self, app: App, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self.app(scope, receive, send)
            return
        verdict: Verdict | None = scope.get(_VERDICT)
        if verdict is not None and verdict.admitted:
            await self.app(scope, receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401, "reason": "viewer_required"})
        elif kind == "http":
            if _is_preflight(scope):
                # The app's CORS middleware may sit further in. Only an answer of such a one is let out.
                await self.app(scope, receive, _preflight_only(scope, send, self.settings))
            else:
                await _refuse(scope, send, self.settings)


def _development_verdict(scope: Scope) -> Verdict:
    for name, value in scope["headers"]:
        if name == b"x-vestibule-dev-viewer" and value.strip():
            viewer = vestibule_client.development_viewer(value.decode("latin-1").strip())
            return Verdict(RequestLane(viewer), True)
    # In a test, the viewer of the test itself.
    lane = current_lane.get() or vestibule_client.development_lane()
    return Verdict(lane or ANONYMOUS, True)


def _path_in_app(scope: Scope) -> str:
    path = typing.cast(str, scope["path"])
    root = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _is_preflight(scope: Scope) -> bool:
    if scope["method"] != "OPTIONS":
        return False
    names = {name for name, _ in scope["headers"]}
    return b"origin" in names and b"access-control-request-method" in names


def _preflight_only(scope: Scope, send: Send, settings: Settings) -> Send:
    refused = False

    async def guarded(message: Message) -> None:
        nonlocal refused
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", [])}
            if b"access-control-allow-origin" not in names:
                refused = True
                await _refuse(scope, send, settings)
        if not refused:
            await send(message)

    return guarded


def _without_token(scope: Scope, verdict: Verdict) -> Scope:
    offered = [protocol for protocol in scope.get("subprotocols", []) if protocol != verdict.subprotocol]
    return {**scope, "subprotocols": offered}


def _echoing(send: Send, protocol: str) -> Send:
    # A browser drops a socket when none of the protocols it offered is chosen.
    async def echoing(message: Message) -> None:
        if message["type"] == "websocket.accept" and not message.get("subprotocol"):
            message = {**message, "subprotocol": protocol}
        await send(message)

    return echoing


# Wiring


class VestibuleGate:
    """Gates any ASGI app: `app = VestibuleGate(app)`."""

    def __init__(self, app: App) -> None:
        settings = Settings(os.environ)
        self.app = app
        self._gated = _Outer(_Inner(app, settings), settings)
        setattr(self, MARKER, True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gated(scope, receive, send)

    def __getattr__(self, name: str) -> typing.Any:
        # Whoever imports the served object finds in it what the app has (`app.state`, `app.url_path_for`).
        if name == "app" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.app, name)


def init_vestibule_auth(app: typing.Any) -> None:
    """Wires the gate into a FastAPI (or Starlette) app. Doing it again changes nothing."""
    if app.__dict__.get(MARKER):
        return
    settings = Settings(os.environ)
    build = app.build_middleware_stack

    def build_gated() -> App:
        return _Outer(build(), settings)

    app.add_middleware(_Inner, settings=settings)
    app.build_middleware_stack = build_gated
    # An app that handles these errors itself keeps its own handlers.
    app.exception_handlers.setdefault(VestibuleError, _report)
    setattr(app, MARKER, True)


init_ellivate_auth = init_vestibule_auth


class _Report:
    """The answer to a request that failed on the platform's store."""

    def __init__(self, error: VestibuleError) -> None:
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = self._error
        extra: Headers = []
        if isinstance(error, vestibule_client.AuthError):
            extra = list(_CHALLENGE)
        elif isinstance(error, vestibule_client.RateLimited):
            extra = [(b"retry-after", str(max(1, round(error.retry_after))).encode())]
        elif isinstance(error, vestibule_client.Unavailable):
            extra = [(b"retry-after", b"1")]
        content = {"error": error.code, "message": str(error)}
        await _answer_json(send, error.status, content, extra, head=scope["method"] == "HEAD")


async def _report(connection: typing.Any, error: Exception) -> _Report:
    # Errors that are the app's own mistake stay errors, as do those on a socket, which has no status.
    if not isinstance(error, VestibuleError) or error.status == 500 or connection.scope["type"] != "http":
        raise error
    return _Report(error)
