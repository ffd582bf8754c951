"""Who is calling, and where their data lives.

Vestibule writes this file into the app at every publish; changes made here are lost. It needs nothing
but the standard library of Python 3.10 to 3.14.

    import vestibule

    person = vestibule.viewer()  # None for somebody who is not signed in
    vestibule.kv.set("draft", {"text": "…"})  # private to that person
    vestibule.kv.append("shared:entries", {"by": person.username})  # seen by the whole group

A key without a prefix is the viewer's own (`personal:` says the same), `shared:` belongs to the viewer's
group, `public:` to everybody who can open the app. Calls made outside any request (at startup, in a script)
work on the app's own data, which no viewer sees.

Outside the platform, when none of its environment variables is set, data is kept in memory, or in the file
named by `VESTIBULE_DEV_STORE`, under the same rules; `VESTIBULE_DEV_VIEWER=alice` or
`with vestibule.test_viewer("alice"):` says who is calling.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import http.client
import json
import logging
import os
import random
import re
import select
import socket
import sys
import threading
import time
import typing
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

__all__ = [
    "AuthError",
    "BadKey",
    "BadValue",
    "Conflict",
    "EllivateAuthError",
    "EllivateBadValue",
    "EllivateConflict",
    "EllivateError",
    "EllivateForbidden",
    "EllivateKeyError",
    "EllivateNotAvailable",
    "EllivateRateLimited",
    "EllivateUnavailable",
    "EllivateValueTooLarge",
    "Forbidden",
    "Kv",
    "NotAvailable",
    "RateLimited",
    "Unavailable",
    "ValueTooLarge",
    "Vestibule",
    "VestibuleError",
    "Viewer",
    "ellivate",
    "vestibule",
]

Json = typing.Any
# `list` is also the name of a method below.
Keys = list[str]
T = typing.TypeVar("T")

MAX_VALUE_BYTES = 262_144
MAX_KEY_BYTES = 512
MAX_DEPTH = 100
# The longest a call may take, all retries together.
TOTAL_S = 5.0
# Pauses before the second and the third try: long enough to bridge a restart of the server.
RETRY_PAUSES_S = (0.05, 0.4)
IDLE_CONNECTIONS = 32
# How often `update` starts over when others keep writing the same key.
UPDATE_TRIES = 200

log = logging.getLogger("vestibule")


# Errors


class VestibuleError(Exception):
    """Something the platform refused or could not do. `code` is stable, the message is for people."""

    status: int = 500

    def __init__(self, message: str, *, code: str = "error") -> None:
        super().__init__(message)
        self.code = code


class AuthError(VestibuleError):
    """The call needs a signed-in viewer, or the sign-in has run out (401)."""

    status = 401


class Forbidden(VestibuleError):
    """The viewer is known and may not do this (403)."""

    status = 403


class ValueTooLarge(VestibuleError):
    """The value, or the app's data altogether, is over the limit (413)."""

    status = 413


class BadKey(VestibuleError, ValueError):
    """The key is empty, too long, or holds characters that keys may not have (400)."""

    status = 400


class BadValue(VestibuleError, TypeError, ValueError):
    """The value is not JSON, or not of the kind that the operation needs."""


class Conflict(VestibuleError):
    """The stored value is not at the expected version (409). `version` is where it is; 0 means missing."""

    status = 409

    def __init__(self, message: str, *, code: str = "version_conflict", version: int = 0) -> None:
        super().__init__(message, code=code)
        self.version = version


class RateLimited(VestibuleError):
    """Too many calls (429). `retry_after` says how many seconds to wait."""

    status = 429

    def __init__(self, message: str, *, code: str = "rate_limited", retry_after: float = 1.0) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Unavailable(VestibuleError):
    """The store could not be reached or did not answer in time (503)."""

    status = 503


class NotAvailable(VestibuleError):
    """This server does not offer the feature (501)."""

    status = 501


# The same classes under the names that apps written for another server catch.
EllivateError = VestibuleError
EllivateAuthError = AuthError
EllivateForbidden = Forbidden
EllivateValueTooLarge = ValueTooLarge
EllivateKeyError = BadKey
EllivateBadValue = BadValue
EllivateConflict = Conflict
EllivateRateLimited = RateLimited
EllivateUnavailable = Unavailable
EllivateNotAvailable = NotAvailable


# Who is calling


@dataclass(frozen=True)
class Viewer:
    """The signed-in person. Read as attributes or as a mapping; two are equal when their `id` is."""

    id: str
    email: str = field(compare=False, repr=False)
    username: str = field(compare=False)
    verified: bool = field(compare=False)

    def keys(self) -> tuple[str, ...]:
        """The names of the four fields, so that `dict(viewer)` works."""
        return _VIEWER_FIELDS

    def __getitem__(self, name: str) -> str | bool:
        if name not in _VIEWER_FIELDS:
            raise KeyError(name)
        return typing.cast("str | bool", getattr(self, name))

    def __iter__(self) -> Iterator[str]:
        return iter(_VIEWER_FIELDS)

    def __len__(self) -> int:
        return len(_VIEWER_FIELDS)

    def __contains__(self, name: object) -> bool:
        return name in _VIEWER_FIELDS

    def get(self, name: str, default: T | None = None) -> str | bool | T | None:
        """The field of that name, or `default`."""
        return self[name] if name in _VIEWER_FIELDS else default

    def __getstate__(self) -> dict[str, str | bool]:
        # The lane holds a token; copies and pickles go without it.
        return {name: self[name] for name in _VIEWER_FIELDS}


_VIEWER_FIELDS = ("id", "email", "username", "verified")


class RequestLane:
    """On whose behalf a call is made: the viewer of a request with their token, or an anonymous visitor."""

    __slots__ = ("token", "viewer")

    def __init__(self, viewer: Viewer | None, token: str | None = None) -> None:
        self.viewer = viewer
        self.token = token
        if viewer is not None:
            # Lets `as_viewer` carry the sign-in into threads; never shown, compared or copied.
            object.__setattr__(viewer, "_lane", self)


ANONYMOUS = RequestLane(None)

# None is the server lane: code that runs outside any request.
current_lane: contextvars.ContextVar[RequestLane | None] = contextvars.ContextVar("vestibule_lane", default=None)

_serving = False
_warned: set[str] = set()


def mark_serving() -> None:
    """Notes that requests are being served, so that a personal key without a viewer is worth a warning."""
    global _serving
    _serving = True


def _lane() -> RequestLane | None:
    lane = current_lane.get()
    if lane is None and not _platform().active:
        return development_lane()
    return lane


def development_lane() -> RequestLane | None:
    """The viewer named by `VESTIBULE_DEV_VIEWER`; looked at only outside the platform."""
    name = os.environ.get("VESTIBULE_DEV_VIEWER", "").strip()
    return RequestLane(development_viewer(name)) if name else None


def development_viewer(name: str, *, email: str | None = None, verified: bool = True) -> Viewer:
    """A made-up viewer; the same name always gives the same id."""
    import uuid

    number = uuid.uuid5(uuid.NAMESPACE_URL, f"vestibule-development-viewer:{name}")
    return Viewer(id=str(number), email=email or f"{name}@example.test", username=name, verified=verified)


# Where the platform is


class Platform(typing.NamedTuple):
    """What the environment says about the platform this process runs on."""

    active: bool
    app_id: str
    app_key: str
    socket: str
    url: str


PLATFORM_VARIABLES = (
    "VESTIBULE_APP_ID",
    "VESTIBULE_APP_SLUG",
    "VESTIBULE_APP_KEY",
    "VESTIBULE_VIEWER_KEY",
    "VESTIBULE_GATEWAY_SECRET",
    "VESTIBULE_DATA_SOCKET",
    "VESTIBULE_DATA_URL",
    "VESTIBULE_SHELL_URL",
    "VESTIBULE_APP_URL",
    "VESTIBULE_ISSUER",
)

_platform_seen: Platform | None = None
_store_seen: Store | None = None
_executor_seen: ThreadPoolExecutor | None = None
_making = threading.Lock()


def _platform() -> Platform:
    # Read at first use, not at import: a process may be forked with its environment set later.
    global _platform_seen
    if _platform_seen is None:
        env = os.environ
        _platform_seen = Platform(
            active=any(name in env for name in PLATFORM_VARIABLES),
            app_id=env.get("VESTIBULE_APP_ID", ""),
            app_key=env.get("VESTIBULE_APP_KEY", ""),
            socket=env.get("VESTIBULE_DATA_SOCKET", ""),
            url=env.get("VESTIBULE_DATA_URL", ""),
        )
    return _platform_seen


def _store() -> Store:
    global _store_seen
    if _store_seen is None:
        with _making:
            if _store_seen is None:
                platform = _platform()
                _store_seen = HttpStore(platform) if platform.active else LocalStore(_development_file())
    return _store_seen


def _development_file() -> str | None:
    return os.environ.get("VESTIBULE_DEV_STORE") or None


def _executor() -> ThreadPoolExecutor:
    # Of our own, so that calls to the store never queue behind the app's blocking work.
    global _executor_seen
    if _executor_seen is None:
        with _making:
            if _executor_seen is None:
                _executor_seen = ThreadPoolExecutor(max_workers=16, thread_name_prefix="vestibule")
    return _executor_seen


def reset() -> None:
    """Forgets connections, threads, the environment and the data kept in memory. For tests."""
    global _platform_seen, _store_seen, _executor_seen, _serving
    if _store_seen is not None:
        _store_seen.close()
    if _executor_seen is not None:
        _executor_seen.shutdown()
    _platform_seen = None
    _store_seen = None
    _executor_seen = None
    _serving = False
    _warned.clear()


def _after_fork() -> None:
    # Sockets shared with the parent would mix up answers, and its threads do not exist here.
    global _executor_seen, _making
    _making = threading.Lock()
    _executor_seen = None
    if _store_seen is not None:
        _store_seen.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# Keys and values


SCOPES = ("personal:", "shared:", "public:")


def _check_key(key: str) -> str:
    name = _checked_name(key, "key")
    if not name:
        raise BadKey(f"The key {key!r} has no name.", code="bad_key")
    if name != name.strip():
        raise BadKey(f"The key {key!r} begins or ends with a space.", code="bad_key")
    return key


def _check_prefix(prefix: str) -> str:
    _checked_name(prefix, "prefix")
    return prefix


def _checked_name(text: str, what: str) -> str:
    """What follows the scope. The rules are those of the store; broken here, they cost no round trip."""
    if not isinstance(text, str):
        raise BadKey(f"A {what} is text, not {type(text).__name__}.", code="bad_key")
    name = text
    for scope in SCOPES:
        if text.startswith(scope):
            name = text[len(scope) :]
            break
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise BadKey(f"The {what} holds half of a surrogate pair, which is not valid text.", code="bad_key") from None
    if size > MAX_KEY_BYTES:
        raise BadKey(f"The {what} has {size} bytes; at most {MAX_KEY_BYTES} are possible.", code="bad_key")
    # Printable is narrower than what keys may hold; only control characters are refused.
    if not name.isprintable() and any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in name):
        raise BadKey(f"The {what} {text!r} holds a control character.", code="bad_key")
    return name


def _is_personal(key: str) -> bool:
    return not key.startswith(("shared:", "public:"))


def _lane_for(key: str) -> RequestLane | None:
    lane = _lane()
    if lane is None and _serving and _is_personal(key):
        _warn_about_lost_viewer(key)
    return lane


def _warn_about_lost_viewer(key: str) -> None:
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    if place in _warned or len(_warned) > 1000:
        return
    _warned.add(place)
    log.warning(
        "%s: the key %r is used outside a request, so it is the app's own and not a viewer's. A thread does not "
        "know the viewer of the request that started it: use asyncio.to_thread, or start it with "
        "vestibule.copy_context().run.",
        place,
        key,
    )


def _refuse_type(value: object) -> typing.NoReturn:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    hints = {
        "set": "use a list",
        "frozenset": "use a list",
        "bytes": "store text, for example base64",
        "bytearray": "store text, for example base64",
        "datetime": "use value.isoformat()",
        "date": "use value.isoformat()",
        "time": "use value.isoformat()",
        "UUID": "use str(value)",
        "Decimal": "use str(value)",
    }
    hint = hints.get(kind.__name__, 'for a pydantic model, store value.model_dump(mode="json")')
    if hasattr(kind, "__dataclass_fields__"):
        hint = "use dataclasses.asdict(value)"
    raise BadValue(f"A value of type {name} is not JSON; {hint}.", code="bad_value")


_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_refuse_type)


def _encode(key: str, value: Json) -> bytes:
    try:
        body = _encoder.encode(value).encode()
    except BadValue:
        raise
    except UnicodeEncodeError:
        raise BadValue(f"The value for {key!r} holds half of a surrogate pair.", code="bad_value") from None
    except RecursionError:
        raise BadValue(f"The value for {key!r} is nested too deeply.", code="bad_value") from None
    except ValueError as error:
        why = "contains itself" if "ircular" in str(error) else "holds NaN or infinity, which JSON does not have"
        raise BadValue(f"The value for {key!r} {why}.", code="bad_value") from None
    except TypeError as error:
        raise BadValue(f"The value for {key!r} is not JSON: {error}.", code="bad_value") from None
    if len(body) > MAX_VALUE_BYTES:
        raise ValueTooLarge(
            f"The value for {key!r} has {len(body)} bytes as JSON; the limit is {MAX_VALUE_BYTES}. Spread it over "
            "several keys, and keep files in a blob store.",
            code="value_too_large",
        )
    return body


# Stores


class Store(typing.Protocol):
    """What both stores do. Lanes say on whose behalf; values travel as JSON text."""

    blocking: bool

    def get(self, lane: RequestLane | None, key: str) -> tuple[Json, int] | None: ...
    def put(self, lane: RequestLane | None, key: str, body: bytes, version: int | None) -> None: ...
    def delete(self, lane: RequestLane | None, key: str) -> None: ...
    def exists(self, lane: RequestLane | None, key: str) -> bool: ...
    def list(self, lane: RequestLane | None, prefix: str) -> Keys: ...
    def append(self, lane: RequestLane | None, key: str, body: bytes) -> int: ...
    def incr(self, lane: RequestLane | None, key: str, by: float) -> int | float: ...
    def after_fork(self) -> None: ...
    def close(self) -> None: ...


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class _Answer(typing.NamedTuple):
    status: int
    body: bytes
    retry_after: str | None

    def json(self) -> Json:
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unavailable("The store gave an answer that is not JSON.", code="bad_answer") from None


class HttpStore:
    """The platform's store, over kept-alive HTTP connections on its Unix socket (or to a URL)."""

    blocking = True

    def __init__(self, platform: Platform) -> None:
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._platform = platform
        self._url = urlsplit(platform.url) if platform.url and not platform.socket else None
        self._base = (
            self._url.path.rstrip("/") if self._url else ""
        ) + f"/v1/data/{quote(platform.app_id, safe='')}/kv"
        self._authorization = f"Bearer {platform.app_key}"

    def after_fork(self) -> None:
        self.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _connect(self) -> http.client.HTTPConnection:
        if self._platform.socket:
            return _UnixConnection(self._platform.socket, TOTAL_S)
        if self._url is None or not self._url.hostname:
            raise Unavailable(
                "This process does not know where the store is: VESTIBULE_DATA_SOCKET is not set.", code="unavailable"
            )
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(self._url.hostname, self._url.port, timeout=TOTAL_S)
        return http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=TOTAL_S)

    def _take(self) -> http.client.HTTPConnection:
        while True:
            try:
                # The last one used is the least likely to have been closed by the server.
                connection = self._idle.pop()
            except IndexError:
                return self._connect()
            if not _is_stale(connection):
                return connection
            connection.close()

    def _call(
        self,
        lane: RequestLane | None,
        method: str,
        path: str,
        body: bytes | None = None,
        condition: tuple[str, str] | None = None,
        *,
        repeatable: bool,
    ) -> _Answer:
        """Sends one request. A failure before anything was sent is always retried; a later one only when
        doing it twice is the same as doing it once."""
        deadline = time.monotonic() + TOTAL_S
        for pause in (*RETRY_PAUSES_S, None):
            connection = None
            sent = False
            try:
                connection = self._take()
                left = max(deadline - time.monotonic(), 0.001)
                connection.timeout = left
                if connection.sock is None:
                    connection.connect()
                connection.sock.settimeout(left)
                sent = True
                answer = self._exchange(connection, lane, method, path, body, condition)
                if connection.sock is not None and len(self._idle) < IDLE_CONNECTIONS:
                    self._idle.append(connection)
                else:
                    connection.close()
                return answer
            except (OSError, http.client.HTTPException) as error:
                if connection is not None:
                    connection.close()
                timed_out = isinstance(error, TimeoutError) or time.monotonic() >= deadline
                if pause is None or timed_out or (sent and not repeatable):
                    raise Unavailable(_explain(error, sent, repeatable, timed_out), code="unavailable") from error
            except BaseException:
                # Half an exchange must not be continued by the next caller.
                if connection is not None:
                    connection.close()
                raise
            time.sleep(min(pause, max(deadline - time.monotonic(), 0)))
        raise AssertionError("the last try returns or raises")

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        lane: RequestLane | None,
        method: str,
        path: str,
        body: bytes | None,
        condition: tuple[str, str] | None,
    ) -> _Answer:
        connection.putrequest(method, self._base + path, skip_accept_encoding=True)
        connection.putheader("Authorization", self._authorization)
        if lane is not None:
            if lane.token is not None:
                connection.putheader("X-Vestibule-Viewer-Token", lane.token)
            else:
                connection.putheader("X-Vestibule-Lane", "request")
        if condition is not None:
            connection.putheader(*condition)
        if body is not None:
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return _Answer(response.status, response.read(), response.getheader("Retry-After"))

    def get(self, lane: RequestLane | None, key: str) -> tuple[Json, int] | None:
        answer = self._call(lane, "GET", _path(key), repeatable=True)
        if answer.status == 200:
            found = answer.json()
            return found["value"], found["version"]
        if answer.status == 404 and _code(answer) == "missing":
            return None
        raise _refusal(answer, key)

    def exists(self, lane: RequestLane | None, key: str) -> bool:
        answer = self._call(lane, "HEAD", _path(key), repeatable=True)
        if answer.status in (200, 204):
            return True
        # An answer to HEAD has no body that could tell why.
        if answer.status in (403, 404):
            return False
        raise _refusal(answer, key)

    def put(self, lane: RequestLane | None, key: str, body: bytes, version: int | None) -> None:
        condition = None
        if version is not None:
            condition = ("If-Match", f'"{version}"') if version else ("If-None-Match", "*")
        # A conditional write that succeeded would look like a conflict when sent again.
        answer = self._call(lane, "PUT", _path(key), body, condition, repeatable=condition is None)
        if answer.status not in (200, 201, 204):
            raise _refusal(answer, key, size=len(body))

    def delete(self, lane: RequestLane | None, key: str) -> None:
        answer = self._call(lane, "DELETE", _path(key), repeatable=True)
        if answer.status not in (200, 204) and not (answer.status == 404 and _code(answer) == "missing"):
            raise _refusal(answer, key)

    def list(self, lane: RequestLane | None, prefix: str) -> Keys:
        answer = self._call(lane, "GET", f"?prefix={quote(prefix, safe='')}", repeatable=True)
        if answer.status != 200:
            raise _refusal(answer, prefix)
        return typing.cast("list[str]", answer.json()["keys"])

    def append(self, lane: RequestLane | None, key: str, body: bytes) -> int:
        answer = self._call(lane, "POST", _path(key) + "/append", body, repeatable=False)
        if answer.status != 200:
            raise _refusal(answer, key, size=len(body))
        return int(answer.json()["length"])

    def incr(self, lane: RequestLane | None, key: str, by: float) -> int | float:
        body = json.dumps({"by": by}).encode()
        answer = self._call(lane, "POST", _path(key) + "/incr", body, repeatable=False)
        if answer.status != 200:
            raise _refusal(answer, key)
        return typing.cast("int | float", answer.json()["value"])


def _path(key: str) -> str:
    return "/" + quote(key, safe="")


def _is_stale(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has closed the idle connection (or sent something nobody asked for)."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _explain(error: Exception, sent: bool, repeatable: bool, timed_out: bool) -> str:
    what = f"did not answer within {TOTAL_S:.0f} s" if timed_out else "could not be reached"
    unknown = " It is not known whether the change was made." if sent and not repeatable else ""
    return f"The store {what} ({type(error).__name__}).{unknown} Try again in a moment."


def _code(answer: _Answer) -> str:
    return str(_details(answer).get("error", ""))


def _details(answer: _Answer) -> dict[str, Json]:
    try:
        details = json.loads(answer.body)
    except ValueError:
        return {}
    return details if isinstance(details, dict) else {}


def _refusal(answer: _Answer, key: str, *, size: int | None = None) -> VestibuleError:
    details = _details(answer)
    code = str(details.get("error") or "error")
    said = str(details.get("message") or "")
    match answer.status:
        case 400 if code == "bad_key":
            return BadKey(said or f"The key {key!r} is not possible.", code=code)
        case 400 | 422:
            return BadValue(said or f"The store refused the value for {key!r}.", code=code)
        case 401:
            return AuthError(said or f"A signed-in viewer is needed for {key!r}.", code=code)
        case 403:
            return Forbidden(said or f"The viewer may not do this with {key!r}.", code=code)
        case 409 | 412:
            version = details.get("version")
            return Conflict(
                said or f"{key!r} was changed by somebody else.",
                code=code,
                version=version if isinstance(version, int) else 0,
            )
        case 413:
            have = details.get("size", size)
            what = f"The value for {key!r} has {have} bytes; the limit is {details.get('limit', MAX_VALUE_BYTES)}."
            return ValueTooLarge(said or f"{what} Keep files in a blob store.", code=code)
        case 429:
            try:
                wait = float(answer.retry_after or 1)
            except ValueError:
                wait = 1.0
            return RateLimited(said or "Too many calls; try again in a moment.", code=code, retry_after=wait)
        case 502 | 503 | 504:
            return Unavailable(said or "The store is not available; try again in a moment.", code=code)
        case status:
            return VestibuleError(said or f"The store answered {status} for {key!r}.", code=code)


class LocalStore:
    """A stand-in for development and tests: the same rules, in memory or in one JSON file."""

    blocking = False

    def __init__(self, file: str | None = None) -> None:
        self._file = file
        self._lock = threading.RLock()
        self._rows: dict[str, dict[str, tuple[str, int]]] = {}

    def after_fork(self) -> None:
        self._lock = threading.RLock()

    def close(self) -> None:
        self._rows.clear()

    @contextlib.contextmanager
    def _opened(self, *, write: bool) -> Iterator[dict[str, dict[str, tuple[str, int]]]]:
        with self._lock:
            if self._file is None:
                yield self._rows
                return
            with _file_lock(self._file):
                rows = self._load(self._file)
                yield rows
                if write:
                    new = f"{self._file}.new"
                    with open(new, "w", encoding="utf-8") as out:
                        json.dump(rows, out)
                    os.replace(new, self._file)

    @staticmethod
    def _load(file: str) -> dict[str, dict[str, tuple[str, int]]]:
        try:
            with open(file, encoding="utf-8") as source:
                return typing.cast("dict[str, dict[str, tuple[str, int]]]", json.load(source))
        except FileNotFoundError:
            return {}

    @staticmethod
    def _place(lane: RequestLane | None, key: str) -> tuple[str, str] | None:
        """Namespace and full key; None when there is nobody whose data it could be."""
        if key.startswith("shared:"):
            return "shared", key
        if key.startswith("public:"):
            return "public", key
        full = key if key.startswith("personal:") else f"personal:{key}"
        if lane is None:
            return "server", full
        return (f"viewer:{lane.viewer.id}", full) if lane.viewer is not None else None

    def _writable(self, lane: RequestLane | None, key: str) -> tuple[str, str]:
        place = self._place(lane, key)
        if place is None or (lane is not None and lane.viewer is None):
            raise AuthError(
                f"A signed-in viewer is needed to write {key!r}. Outside the platform, say who is calling with "
                'VESTIBULE_DEV_VIEWER or vestibule.test_viewer("alice").',
                code="viewer_required",
            )
        return place

    def get(self, lane: RequestLane | None, key: str) -> tuple[Json, int] | None:
        place = self._place(lane, key)
        if place is None:
            return None
        with self._opened(write=False) as rows:
            row = rows.get(place[0], {}).get(place[1])
        return None if row is None else (json.loads(row[0]), row[1])

    def exists(self, lane: RequestLane | None, key: str) -> bool:
        return self.get(lane, key) is not None

    def put(self, lane: RequestLane | None, key: str, body: bytes, version: int | None) -> None:
        namespace, name = self._writable(lane, key)
        with self._opened(write=True) as rows:
            row = rows.setdefault(namespace, {}).get(name)
            now = row[1] if row else 0
            if version is not None and version != now:
                raise Conflict(f"{key!r} is at version {now}, not at {version}.", version=now)
            rows[namespace][name] = (_checked_depth(key, body), now + 1)

    def delete(self, lane: RequestLane | None, key: str) -> None:
        namespace, name = self._writable(lane, key)
        with self._opened(write=True) as rows:
            rows.get(namespace, {}).pop(name, None)

    def list(self, lane: RequestLane | None, prefix: str) -> Keys:
        place = self._place(lane, prefix)
        if place is None:
            return []
        with self._opened(write=False) as rows:
            return sorted(name for name in rows.get(place[0], {}) if name.startswith(place[1]))

    def _change(self, lane: RequestLane | None, key: str, missing: Json, change: Callable[[Json], Json]) -> Json:
        namespace, name = self._writable(lane, key)
        with self._opened(write=True) as rows:
            row = rows.setdefault(namespace, {}).get(name)
            value = change(json.loads(row[0]) if row else missing)
            rows[namespace][name] = (_checked_depth(key, _encode(key, value)), (row[1] if row else 0) + 1)
            return value

    def append(self, lane: RequestLane | None, key: str, body: bytes) -> int:
        def change(old: Json) -> Json:
            if not isinstance(old, list):
                raise BadValue(f"{key!r} holds no list, so nothing can be appended.", code="not_a_list")
            return [*old, json.loads(body)]

        return len(self._change(lane, key, [], change))

    def incr(self, lane: RequestLane | None, key: str, by: float) -> int | float:
        def change(old: Json) -> Json:
            if isinstance(old, bool) or not isinstance(old, int | float):
                raise BadValue(f"{key!r} holds no number, so it cannot be counted up.", code="not_a_number")
            return _number(key, old + by)

        return typing.cast("int | float", self._change(lane, key, 0, change))


def _checked_depth(key: str, body: bytes) -> str:
    text = body.decode()
    depth = 0
    for bracket in re.sub(r'"(?:[^"\\]|\\.)*"|[^\[\]{}"]', "", text):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise BadValue(f"The value for {key!r} is nested more than {MAX_DEPTH} levels deep.", code="bad_value")
    return text


@contextlib.contextmanager
def _file_lock(file: str) -> Iterator[None]:
    with open(f"{file}.lock", "a", encoding="utf-8") as handle:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# What apps use


class Kv:
    """The key-value store.

    Every call blocks for as long as the local store takes, about a tenth of a millisecond, which is fine in
    `async def` too. Each has an awaitable twin (`aget`, `aset`, …) that leaves the event loop free meanwhile; the
    hop to a thread makes a single call take about twice as long, so it pays when the store is slow or calls run
    side by side.
    """

    def get(self, key: str, default: Json = None) -> Json:
        """The value of `key`, or `default` when it is missing or the viewer may not read it."""
        lane = _lane_for(_check_key(key))
        return _value_or(default, _readable(_store().get, lane, key))

    async def aget(self, key: str, default: Json = None) -> Json:
        """Awaitable twin of `get`."""
        lane = _lane_for(_check_key(key))
        return _value_or(default, await _hop(_readable, _store().get, lane, key))

    def get_with_version(self, key: str, default: Json = None) -> tuple[Json, int]:
        """The value and its version, for a later `set(…, version=…)`; (default, 0) when missing."""
        lane = _lane_for(_check_key(key))
        return _store().get(lane, key) or (default, 0)

    async def aget_with_version(self, key: str, default: Json = None) -> tuple[Json, int]:
        """Awaitable twin of `get_with_version`."""
        lane = _lane_for(_check_key(key))
        return await _hop(_store().get, lane, key) or (default, 0)

    def set(self, key: str, value: Json, *, version: int | None = None) -> None:
        """Stores `value`, which is anything JSON takes, up to 256 KiB.

        With `version`, only if the stored value is still at it (0: only if there is none), else raises
        `Conflict`. Every write that was refused raises; one that returned is on disk.
        """
        lane, body = self._prepared(key, value, version)
        _store().put(lane, key, body, version)

    async def aset(self, key: str, value: Json, *, version: int | None = None) -> None:
        """Awaitable twin of `set`."""
        lane, body = self._prepared(key, value, version)
        await _hop(_store().put, lane, key, body, version)

    def delete(self, key: str) -> None:
        """Removes `key`; doing it twice is no error."""
        lane = _lane_for(_check_key(key))
        _store().delete(lane, key)

    async def adelete(self, key: str) -> None:
        """Awaitable twin of `delete`."""
        lane = _lane_for(_check_key(key))
        await _hop(_store().delete, lane, key)

    def list(self, prefix: str = "") -> Keys:
        """The full names of the keys that start with `prefix`; without a scope, the viewer's own."""
        lane = _lane_for(_check_prefix(prefix))
        return _store().list(lane, prefix)

    async def alist(self, prefix: str = "") -> Keys:
        """Awaitable twin of `list`."""
        lane = _lane_for(_check_prefix(prefix))
        return await _hop(_store().list, lane, prefix)

    def exists(self, key: str) -> bool:
        """Whether `key` is there; true also for a stored None."""
        lane = _lane_for(_check_key(key))
        return _store().exists(lane, key)

    async def aexists(self, key: str) -> bool:
        """Awaitable twin of `exists`."""
        lane = _lane_for(_check_key(key))
        return await _hop(_store().exists, lane, key)

    def update(self, key: str, fn: Callable[[Json], Json], default: Json = None) -> Json:
        """Replaces the value by `fn(value)` and returns it, losing no concurrent change.

        `fn` gets `default` when the key is missing. It may be called several times, so it should do nothing
        but compute the new value.
        """
        for attempt in range(UPDATE_TRIES):
            value, version = self.get_with_version(key, default)
            value = fn(value)
            try:
                self.set(key, value, version=version)
                return value
            except Conflict:
                time.sleep(_update_pause(attempt))
        raise Conflict(f"{key!r} was changed by others {UPDATE_TRIES} times in a row.")

    async def aupdate(
        self, key: str, fn: Callable[[Json], Json] | Callable[[Json], Awaitable[Json]], default: Json = None
    ) -> Json:
        """Awaitable twin of `update`; `fn` may be a coroutine function."""
        for attempt in range(UPDATE_TRIES):
            value, version = await self.aget_with_version(key, default)
            value = fn(value)
            if isinstance(value, Awaitable):
                value = await value
            try:
                await self.aset(key, value, version=version)
                return value
            except Conflict:
                await asyncio.sleep(_update_pause(attempt))
        raise Conflict(f"{key!r} was changed by others {UPDATE_TRIES} times in a row.")

    def incr(self, key: str, n: float = 1) -> int | float:
        """Adds `n` to a number (a missing key counts as 0) and returns the sum. Loses no concurrent call."""
        lane = _lane_for(_check_key(key))
        return _store().incr(lane, key, _number(key, n))

    async def aincr(self, key: str, n: float = 1) -> int | float:
        """Awaitable twin of `incr`."""
        lane = _lane_for(_check_key(key))
        return await _hop(_store().incr, lane, key, _number(key, n))

    def append(self, key: str, item: Json) -> int:
        """Adds `item` to a list (a missing key counts as empty) and returns the new length. Loses no
        concurrent call."""
        lane, body = self._prepared(key, item)
        return _store().append(lane, key, body)

    async def aappend(self, key: str, item: Json) -> int:
        """Awaitable twin of `append`."""
        lane, body = self._prepared(key, item)
        return await _hop(_store().append, lane, key, body)

    @staticmethod
    def _prepared(key: str, value: Json, version: int | None = None) -> tuple[RequestLane | None, bytes]:
        if version is not None and (isinstance(version, bool) or not isinstance(version, int) or version < 0):
            raise BadValue(f"A version is a whole number from 0 on, not {version!r}.", code="bad_value")
        lane = _lane_for(_check_key(key))
        return lane, _encode(key, value)


def _readable(
    get: Callable[[RequestLane | None, str], tuple[Json, int] | None], lane: RequestLane | None, key: str
) -> tuple[Json, int] | None:
    try:
        return get(lane, key)
    except Forbidden:
        return None


def _value_or(default: Json, found: tuple[Json, int] | None) -> Json:
    return default if found is None else found[0]


def _number(key: str, n: float) -> float:
    if isinstance(n, bool) or not isinstance(n, int | float) or n != n or n in (float("inf"), float("-inf")):
        raise BadValue(f"{key!r} can be counted up by a finite number, not by {n!r}.", code="bad_value")
    if isinstance(n, int) and not -(2**63) <= n < 2**63:
        raise BadValue(f"Counting {key!r} up would leave the range of 64 bits.", code="bad_value")
    return n


def _update_pause(attempt: int) -> float:
    return random.uniform(0, min(0.001 * 2 ** min(attempt, 6), 0.05))  # noqa: S311 (spreads retries; nothing secret)


P = typing.ParamSpec("P")


async def _hop(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Makes a call of the store without blocking the event loop."""
    if not _store().blocking:
        return call(*args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_executor(), lambda: call(*args, **kwargs))


class _Missing:
    """A part of the interface that this server does not have."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_args: object, **_kwargs: object) -> typing.NoReturn:
        raise NotAvailable(f"vestibule.{self._name} is not available on this server.", code="not_available")

    def __getattr__(self, name: str) -> typing.NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotAvailable(f"vestibule.{self._name}.{name} is not available on this server.", code="not_available")

    def __repr__(self) -> str:
        return f"<vestibule.{self._name}: not available on this server>"


class Vestibule(Kv):
    """What an app knows about its caller and its data. `vestibule.kv.get` and `vestibule.get` are the same."""

    VestibuleError = VestibuleError
    AuthError = AuthError
    Forbidden = Forbidden
    ValueTooLarge = ValueTooLarge
    BadKey = BadKey
    BadValue = BadValue
    Conflict = Conflict
    RateLimited = RateLimited
    Unavailable = Unavailable
    NotAvailable = NotAvailable

    def __init__(self) -> None:
        self.kv = Kv()
        self.Viewer = Viewer
        self.blob = _Missing("blob")
        self.collection = _Missing("collection")
        self.reason = _Missing("reason")
        self.schedule = _Missing("schedule")
        self.notify = _Missing("notify")
        self.connection = _Missing("connection")

    def viewer(self) -> Viewer | None:
        """The signed-in person who made this request; None for an anonymous one and outside requests."""
        lane = _lane()
        return None if lane is None else lane.viewer

    @contextlib.contextmanager
    def as_viewer(self, viewer: Viewer) -> Iterator[Viewer]:
        """Works on behalf of `viewer`, which came from `viewer()`, where the context is lost (in a thread)."""
        lane = getattr(viewer, "_lane", None)
        if not isinstance(lane, RequestLane) or (lane.token is None and _platform().active):
            raise AuthError("as_viewer needs the very object that viewer() gave.", code="viewer_required")
        before = current_lane.set(lane)
        try:
            yield viewer
        finally:
            current_lane.reset(before)

    def copy_context(self) -> contextvars.Context:
        """The present context, to run code elsewhere for the same viewer: `Thread(target=ctx.run, args=(f,))`."""
        return contextvars.copy_context()

    @contextlib.contextmanager
    def test_viewer(
        self, username: str | None, *, email: str | None = None, verified: bool = True
    ) -> Iterator[Viewer | None]:
        """In tests, makes every call inside the block one of `username` (None: of an anonymous visitor).

        The same name is always the same person. Raises on the platform, where nobody can be made up.
        """
        if _platform().active:
            raise VestibuleError("test_viewer works only outside the platform.", code="not_in_production")
        viewer = None if username is None else development_viewer(username, email=email, verified=verified)
        before = current_lane.set(ANONYMOUS if viewer is None else RequestLane(viewer))
        try:
            yield viewer
        finally:
            current_lane.reset(before)

    def __repr__(self) -> str:
        return "<vestibule>"


vestibule = Vestibule()
ellivate = vestibule
