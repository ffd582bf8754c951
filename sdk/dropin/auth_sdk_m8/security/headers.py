"""Headers that tell browsers to be careful."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DEFAULT_API_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@runtime_checkable
class SecurityHeadersSettings(Protocol):
    """What the headers are made from."""

    @property
    def ENVIRONMENT(self) -> str:
        """Where the service runs."""
        ...

    STRICT_PRODUCTION_MODE: bool
    SECURITY_HEADERS_ENABLED: bool
    HSTS_MAX_AGE: int
    HSTS_INCLUDE_SUBDOMAINS: bool
    CONTENT_SECURITY_POLICY: str | None
    REFERRER_POLICY: str
    PERMISSIONS_POLICY: str


def build_security_headers(settings: SecurityHeadersSettings) -> list[tuple[str, str]]:
    """The headers, whatever the environment; without an age there is no HSTS."""
    headers = [
        ("content-security-policy", settings.CONTENT_SECURITY_POLICY or _DEFAULT_API_CSP),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", settings.REFERRER_POLICY),
        ("permissions-policy", settings.PERMISSIONS_POLICY),
    ]
    if settings.HSTS_MAX_AGE > 0:
        subdomains = "; includeSubDomains" if settings.HSTS_INCLUDE_SUBDOMAINS else ""
        headers.append(("strict-transport-security", f"max-age={settings.HSTS_MAX_AGE}{subdomains}"))
    return headers


class SecurityHeadersMiddleware:
    """Puts the headers on every answer, in the place of those that the app set."""

    def __init__(self, app: ASGIApp, headers: list[tuple[str, str]]) -> None:
        self._app = app
        self._headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._names = frozenset(name for name, _ in self._headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes requests through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in self._names]
                message["headers"] = kept + self._headers
            await send(message)

        await self._app(scope, receive, send_with_headers)


def security_headers_are_active(settings: SecurityHeadersSettings) -> bool:
    """In production and in strict mode, unless they were switched off."""
    hardened = settings.ENVIRONMENT == "production" or settings.STRICT_PRODUCTION_MODE
    return bool(hardened and settings.SECURITY_HEADERS_ENABLED)


def add_security_headers_middleware(app: FastAPI, settings: SecurityHeadersSettings) -> None:
    """Puts the headers on the answers of `app` where the settings ask for them."""
    if security_headers_are_active(settings):
        app.add_middleware(SecurityHeadersMiddleware, headers=build_security_headers(settings))
