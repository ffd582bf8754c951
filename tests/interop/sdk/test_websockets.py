"""WebSockets behind the same guards, under a real server."""

from __future__ import annotations

import pytest
from harness.issuer import Issuer, SignedIn
from harness.process import wait_until
from service import Service, StartService
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol


@pytest.fixture
def echo(issuer: Issuer, start_service: StartService) -> Service:
    return start_service(issuer, app="slow:app")


def by_header(service: Service, held: SignedIn | None) -> str | int:
    """What the service says, or the status with which it refuses the handshake."""
    headers = held.bearer if held else {}
    try:
        with connect(address(service), additional_headers=headers, proxy=None) as socket:
            return str(socket.recv())
    except InvalidStatus as error:
        return error.response.status_code


def address(service: Service) -> str:
    return f"ws://127.0.0.1:{service.port}/items/echo"


def test_who_shows_a_token_in_a_header_is_known(issuer: Issuer, echo: Service) -> None:
    held = issuer.sign_in()
    assert by_header(echo, held) == held.claims["sub"]


def test_a_browser_shows_its_token_as_a_subprotocol(issuer: Issuer, echo: Service) -> None:
    held = issuer.sign_in()
    offered = [Subprotocol("bearer"), Subprotocol(held.access)]
    with connect(address(echo), subprotocols=offered, proxy=None) as socket:
        assert socket.subprotocol == "bearer"
        assert socket.recv() == held.claims["sub"]


def test_who_shows_no_good_token_is_refused_before_the_handshake(issuer: Issuer, echo: Service) -> None:
    assert by_header(echo, None) == 401
    held = issuer.sign_in()
    assert by_header(echo, held) == held.claims["sub"]
    issuer.logout(held)
    wait_until("the service refuses", lambda: by_header(echo, held) == 401, 3)
