"""The pages that document an API: whether they exist, and that they work under a strict content security policy."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vestibule.service.options import AppOptions
from vestibule.service.routes import contexts

_INLINE_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src https://cdn.jsdelivr.net {hashes}; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    "font-src https://fonts.gstatic.com; img-src 'self' data: https://fastapi.tiangolo.com https://cdn.redoc.ly; "
    "connect-src 'self'; worker-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def documentation_urls(settings: object, options: AppOptions | None = None) -> dict[str, str | None]:
    """Where the OpenAPI document and its pages are, as arguments of `FastAPI`; None where there is none.

    Each exists if its `SET_` setting is true. In production, and with `STRICT_PRODUCTION_MODE`, only if
    `SERVE_DOCS_IN_PRODUCTION` is true as well. Without the document there are no pages.
    """
    options = options or AppOptions.read(settings)
    shut = options.strict and not getattr(settings, "SERVE_DOCS_IN_PRODUCTION", False)

    def url(setting: str, path: str) -> str | None:
        return f"{options.prefix}{path}" if getattr(settings, setting, True) and not shut else None

    document = url("SET_OPEN_API", "/openapi.json")
    return {
        "openapi_url": document,
        "docs_url": url("SET_DOCS", "/docs") if document else None,
        "redoc_url": url("SET_REDOC", "/redoc") if document else None,
        "swagger_ui_oauth2_redirect_url": url("SET_DOCS", "/docs/oauth2-redirect") if document else None,
    }


def operation_id(route: APIRoute) -> str:
    """`<first tag>-<name>`, or `<name>-<name>` without a tag: what generated clients call an operation."""
    tag = route.tags[0] if route.tags else route.name
    return f"{tag.value if isinstance(tag, Enum) else tag}-{route.name}"


def duplicate_operations(app: FastAPI) -> list[str]:
    """Operation ids that several documented routes have; a generated client has only one of them."""
    ids = Counter(
        context.operation_id or context.unique_id
        for context in contexts(app.routes)
        if isinstance(getattr(context, "original_route", context), APIRoute) and context.include_in_schema
    )
    return sorted(id_ for id_, count in ids.items() if count > 1)


def allow_pages(app: FastAPI, routes: Sequence[Route]) -> list[Route]:
    """`routes` of `app`, its pages with a policy that lets them load what they need: their scripts by hash."""
    pages = {app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url}
    return [
        Route(route.path, _with_policy(route.endpoint), methods=["GET"], name=route.name, include_in_schema=False)
        if route.path in pages
        else route
        for route in routes
    ]


def _with_policy(endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
    # The mark of FastAPI's own endpoint (its module and name) stays on this one.
    @functools.wraps(endpoint)
    async def page(request: Request) -> Response:
        response: Response = await endpoint(request)
        hashes = " ".join(_hash(script) for script in _INLINE_SCRIPT.findall(response.body))
        response.headers["content-security-policy"] = _PAGE_POLICY.format(hashes=hashes)
        return response

    return page


def _hash(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
