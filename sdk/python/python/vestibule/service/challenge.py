"""How a request shows its token, and what it is answered when that is not enough (RFC 6750)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from fastapi import HTTPException, WebSocketException
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from vestibule.errors import IdentityUnavailable, InvalidToken

_log = logging.getLogger("vestibule.auth")

SUBPROTOCOL: Final = "bearer"
"""What a browser names before the token: `new WebSocket(url, ["bearer", token])`; it cannot set headers there."""

_MAXIMUM_BYTES: Final = 8 * 1024 + 64

_DESCRIPTIONS: Final = {
    "expired": "The access token expired",
    "wrong_type": "The token is not an access token",
    "revoked": "The access token was revoked",
}


def token_of(scope: Mapping[str, Any]) -> bytes | None:
    """The token that a request or a WebSocket handshake shows; `None` when it shows none.

    Raises:
        InvalidToken: It shows more than one, or something that cannot be one.
    """
    shown: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if shown is not None:
                # Proxy and service might each believe another one.
                raise InvalidToken("invalid")
            shown = value
    if shown is None:
        return _token_of_subprotocol(scope) if scope["type"] == "websocket" else None
    if shown[:7].lower() != b"bearer ":
        # Another scheme, or none: as good as no token.
        return b"" if shown.lower() == b"bearer" else None
    if len(shown) > _MAXIMUM_BYTES:
        raise InvalidToken("invalid")
    return shown[7:].strip(b" ")


def _token_of_subprotocol(scope: Mapping[str, Any]) -> bytes | None:
    offered = subprotocols(scope)
    if SUBPROTOCOL not in offered:
        return None
    index = offered.index(SUBPROTOCOL)
    tokens = offered[index + 1 :]
    if len(tokens) != 1 or len(tokens[0]) > _MAXIMUM_BYTES:
        raise InvalidToken("invalid")
    return tokens[0].encode("latin-1", "replace")


def subprotocols(scope: Mapping[str, Any]) -> list[str]:
    """What a WebSocket handshake offers to speak, in its order."""
    offered = scope.get("subprotocols")
    if offered:
        return [str(name).strip() for name in offered]
    values = Headers(scope=dict(scope)).getlist("sec-websocket-protocol")
    return [name.strip() for value in values for name in value.split(",")]


def accepted_subprotocol(connection: HTTPConnection) -> str | None:
    """What to accept a WebSocket with: browsers hang up unless one of the subprotocols they offered is chosen.

    Returns:
        `bearer` where the token came that way, else `None`:
        `await websocket.accept(subprotocol=accepted_subprotocol(websocket))`.
    """
    return SUBPROTOCOL if SUBPROTOCOL in subprotocols(connection.scope) else None


def refuse(connection: HTTPConnection, status: int, detail: str, headers: dict[str, str] | None = None) -> NoReturn:
    """Ends the request, or the handshake before it is accepted.

    Raises:
        HTTPException: Always, except
        WebSocketException: for a WebSocket behind a server that cannot answer a handshake with a status; close code
            1008 (RFC 6455 §7.4.1).
    """
    scope = connection.scope
    if scope["type"] == "websocket" and "websocket.http.response" not in (scope.get("extensions") or {}):
        raise WebSocketException(1013 if status == 503 else 1008, detail)
    raise HTTPException(status, detail, headers)


def refuse_without_token(connection: HTTPConnection) -> NoReturn:
    """401 with a plain challenge (RFC 6750 §3.1: no error code for who showed nothing)."""
    refuse(connection, 401, "Not authenticated", {"WWW-Authenticate": "Bearer"})


def refuse_token(connection: HTTPConnection, error: InvalidToken) -> NoReturn:
    """401 with the reason in the challenge: sign in again."""
    _log.info("auth.fail type=access reason=%s", error.reason)
    description = _DESCRIPTIONS.get(error.reason, "The access token is invalid")
    challenge = f'Bearer error="invalid_token", error_description="{description}"'
    refuse(connection, 401, description, {"WWW-Authenticate": challenge})


def refuse_role(connection: HTTPConnection) -> NoReturn:
    """403: signing in again would change nothing."""
    refuse(connection, 403, "The user doesn't have enough privileges")


def refuse_inactive(connection: HTTPConnection) -> NoReturn:
    """403 for an account that was switched off."""
    refuse(connection, 403, "Inactive user")


def refuse_unavailable(
    connection: HTTPConnection, error: IdentityUnavailable, *, credential_refused: bool = False
) -> NoReturn:
    """503: it is not the caller's fault, and worth another try.

    Args:
        connection: The request.
        error: What was missing.
        credential_refused: The issuer answers, but not to us: a mistake in the settings, whatever the failure mode.
    """
    if credential_refused:
        _log.error(
            "auth.unavailable cause=%s: the issuer refuses this service's credential; check PRIVATE_API_SECRET and "
            "INTERNAL_CLIENT_ID. Nobody passes meanwhile, under fail_open neither",
            error.cause,
        )
    else:
        _log.warning("auth.unavailable cause=%s: %s", error.cause, error.detail)
    refuse(connection, 503, "Identity could not be checked", {"Retry-After": str(error.retry_after)})
