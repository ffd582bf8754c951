"""One Rust client a process and configuration, whoever asks for it and however often the process forks."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Protocol

from vestibule import _core
from vestibule.errors import ConfigurationError, IdentityUnavailable, InvalidToken, VestibuleError
from vestibule.service.user import User

STALE_POLICIES: Final = ("introspect", "fail_closed", "fail_open")
"""What a guard may do while it cannot be known which sessions ended."""


class CheckingClient(Protocol):
    """What guards need of a client: `_core.Client`, or the one of a test."""

    def start(self) -> None:
        """Starts the background thread, unless it runs. Never blocks."""
        ...

    def check(self, token: bytes | str, stale_policy: str | None = None) -> User | None:
        """The user at once; `None` when the issuer has to be asked first.

        Raises:
            InvalidToken: The token is no good.
            IdentityUnavailable: It cannot be known, and nothing can be asked.
        """
        ...

    def start_check(self, token: bytes | str, stale_policy: str | None, on_done: Any) -> None:
        """Asks, and calls `on_done(user, error)` from another thread."""
        ...

    def check_blocking(self, token: bytes | str, stale_policy: str | None = None) -> User:
        """Asks, and waits."""
        ...

    def statistics(self) -> dict[str, float]:
        """Counters and gauges."""
        ...

    def close(self) -> None:
        """Ends the background thread."""


def client_options(settings: Any) -> dict[str, Any]:
    """The options of `_core.Client` that settings ask for. Any object with the names of `ServiceSettings` will do.

    Raises:
        ConfigurationError: A value is missing or unknown.
    """

    def get(name: str, default: Any = None) -> Any:
        value = getattr(settings, name, None)
        return default if value is None or value == "" else value

    def text(name: str, default: str | None = None) -> str | None:
        value = get(name, default)
        if value is None:
            return None
        secret = getattr(value, "get_secret_value", None)
        value = secret() if secret is not None else getattr(value, "value", value)
        return str(value)

    algorithm = text("ACCESS_TOKEN_ALGORITHM", "RS256")
    mode = text("TOKEN_MODE", "stateful")
    source = text("REVOCATION_SOURCE", "feed")
    if source not in ("feed", "introspection"):
        raise ConfigurationError(f"REVOCATION_SOURCE is {source!r}; expected feed or introspection")
    stale_policy = text("STALE_FEED_POLICY", "introspect")
    if stale_policy not in STALE_POLICIES:
        raise ConfigurationError(f"STALE_FEED_POLICY is {stale_policy!r}; expected one of {', '.join(STALE_POLICIES)}")
    options: dict[str, Any] = {
        "algorithm": algorithm,
        "issuer": text("TOKEN_ISSUER"),
        "audience": text("TOKEN_AUDIENCE"),
        "strict": bool(get("TOKEN_STRICT_VALIDATION", True)),
        "revocations": source if mode == "stateful" else "off",
        "stale_policy": stale_policy,
        "failure_mode": _failure_mode(settings, text("ACCESS_REVOCATION_FAILURE_MODE", "fail_closed")),
    }
    if mode == "stateful":
        introspection_url = text("INTROSPECTION_URL")
        options["introspection_url"] = introspection_url
        options["introspection_kept_seconds"] = float(get("REVOCATION_CACHE_TTL_SECONDS", 0))
        options["events_url"] = text("EVENTS_URL") or _beside(introspection_url, "events/stream")
        options["private_api_secret"] = text("PRIVATE_API_SECRET")
        options["internal_client_id"] = text("INTERNAL_CLIENT_ID")
        if get("SERVICE_TOKEN_EXCHANGE_ENABLED", False):
            options["service_token_url"] = _beside(introspection_url, "service-token")
            options["service_token_scopes"] = tuple(get("SERVICE_TOKEN_SCOPES", ()))
            options["service_token_renew_early_seconds"] = float(get("SERVICE_TOKEN_REFRESH_LEEWAY_SECONDS", 30))
        if get("EVENT_SIGNING_ENABLED", True):
            options["event_signing_key"] = text("EVENT_SIGNING_KEY")
            options["accept_unsigned_events"] = bool(get("EVENT_SIGNING_ACCEPT_UNSIGNED", False))
    if algorithm == "HS256":
        options["secret"] = text("ACCESS_SECRET_KEY")
    elif (uri := text("JWKS_URI")) is not None:
        options["jwks_uri"] = uri
        options["jwks_cache_seconds"] = float(get("JWKS_CACHE_TTL_SECONDS", 300))
    elif (path := text("ACCESS_PUBLIC_KEY_FILE")) is not None:
        try:
            with open(path, encoding="ascii") as file:
                options["public_key_pem"] = file.read()
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"ACCESS_PUBLIC_KEY_FILE {path} cannot be read: {error}") from None
    return {name: value for name, value in options.items() if value is not None}


def _beside(introspection_url: str | None, name: str) -> str | None:
    """Another address of the private API; `None` where the introspection's does not tell where that is."""
    base, found, _ = (introspection_url or "").rpartition("/jti-status")
    return f"{base}/{name}" if found else None


def _failure_mode(settings: Any, configured: str | None) -> str | None:
    return "fail_closed" if getattr(settings, "AUTH_STRICT_MODE", False) else configured


class SharedClient:
    """The client of one configuration in this process. It comes into being with the first request, after any fork."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = dict(options)
        self._holders: weakref.WeakSet[object] = weakref.WeakSet()
        # Finds mistakes in the configuration now; its thread starts with the first request.
        self._substitutes: list[CheckingClient] = []
        self._own: CheckingClient | None = self._make()
        self.current: CheckingClient | None = self._own
        """The client that is asked now; `None` when the next question makes one."""
        _clients.add(self)

    def _make(self) -> CheckingClient:
        return _core.Client(make_user=User.from_claims, **self._options)

    @property
    def options(self) -> dict[str, Any]:
        """The options of the client, a copy."""
        return dict(self._options)

    @property
    def client(self) -> CheckingClient:
        """The client itself."""
        client = self.current
        if client is None:
            client = self.current = self._own = self._make()
        return client

    async def check(self, token: bytes, stale_policy: str | None) -> User:
        """Finds out whose token it is when that takes asking the issuer. Nothing blocks the event loop meanwhile.

        Raises:
            InvalidToken: The token is no good.
            IdentityUnavailable: The issuer could not be asked.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return await self._check_in_thread(token, stale_policy)
        answer: asyncio.Future[User] = loop.create_future()
        self.client.start_check(token, stale_policy, partial(_tell, loop, answer))
        return await answer

    async def _check_in_thread(self, token: bytes, stale_policy: str | None) -> User:
        # Only trio comes here; asyncio is not made to import this.
        from anyio import to_thread

        check = partial(self.client.check_blocking, token, stale_policy)
        return await to_thread.run_sync(check, abandon_on_cancel=True)

    def hold(self, holder: object) -> None:
        """Notes that `holder` stands on this client."""
        self._holders.add(holder)

    def release(self, holder: object) -> None:
        """Notes that `holder` is done with it; with the last one the background thread ends.

        A later request starts it again.
        """
        self._holders.discard(holder)
        if not self._holders:
            self.close()

    def start(self) -> None:
        """Starts the background thread, unless it runs. Never blocks."""
        self.client.start()

    def close(self) -> None:
        """Ends the background thread, if there is one in this process."""
        client, self._own = self._own, None
        if not self._substitutes:
            self.current = None
        if client is not None:
            client.close()

    def substitute(self, client: CheckingClient, *, instead_of: CheckingClient | None = None) -> None:
        """Puts a test's client in the place of the real one.

        Args:
            client: Asked from now on.
            instead_of: The substitute that it takes over from, if any; else it comes on top.
        """
        if instead_of is None:
            self._substitutes.append(client)
        else:
            self._substitutes[self._substitutes.index(instead_of)] = client
        self.current = self._substitutes[-1]

    def withdraw(self, client: CheckingClient) -> None:
        """Takes a substitute away; the one before it, or the real client, is asked again."""
        self._substitutes.remove(client)
        self.current = self._substitutes[-1] if self._substitutes else self._own

    def forked(self) -> None:
        """Lets go of what belongs to the parent process."""
        self.current = self._own = None


def _tell(
    loop: asyncio.AbstractEventLoop, answer: asyncio.Future[User], user: User | None, error: Exception | None
) -> None:
    """Carries an answer from the background thread to the loop that waits for it, if it still does."""
    try:
        loop.call_soon_threadsafe(_settle, answer, user, error)
    except RuntimeError:
        # The loop was closed in the meantime, so nobody waits.
        return


def _settle(answer: asyncio.Future[User], user: User | None, error: Exception | None) -> None:
    if answer.done():
        # The request was cancelled.
        return
    if error is not None:
        answer.set_exception(error)
    elif user is not None:
        answer.set_result(user)
    else:
        answer.set_exception(IdentityUnavailable())


_clients: Final[weakref.WeakSet[SharedClient]] = weakref.WeakSet()
_by_options: Final[weakref.WeakValueDictionary[tuple[Any, ...], SharedClient]] = weakref.WeakValueDictionary()
_registry_lock = threading.Lock()


def shared_client(options: Mapping[str, Any]) -> SharedClient:
    """The one client of this process for these options.

    Raises:
        ConfigurationError: The options cannot work.
    """
    key = tuple(sorted(options.items()))
    with _registry_lock:
        client = _by_options.get(key)
        if client is None:
            client = _by_options[key] = SharedClient(options)
        return client


def _after_fork_in_child() -> None:
    global _registry_lock
    # Another thread of the parent may have held it.
    _registry_lock = threading.Lock()
    for client in list(_clients):
        client.forked()


def _at_exit() -> None:
    # The thread must be gone before the interpreter is.
    for client in list(_clients):
        client.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)

__all__ = [
    "STALE_POLICIES",
    "CheckingClient",
    "IdentityUnavailable",
    "InvalidToken",
    "SharedClient",
    "VestibuleError",
    "client_options",
    "shared_client",
]
