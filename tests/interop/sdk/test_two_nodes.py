"""Two nodes of one issuer, on one PostgreSQL: a service that trusts one of them hears what the other did."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from databases import Database
from harness.issuer import Issuer
from harness.process import wait_until
from service import Service

# The promise, and what a busy machine may add to it.
WITHIN = 1.0 + 2.0

pytestmark = pytest.mark.skipif("INTEROP_POSTGRES" not in os.environ, reason="needs an empty PostgreSQL database")


@dataclass
class Nodes:
    here: Issuer
    there: Issuer
    # Trusts the node that is there.
    service: Service


@pytest.fixture(scope="module")
def nodes(folder: Path, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    settings = {
        "VESTIBULE_DATABASE__URL": os.environ["INTEROP_POSTGRES"],
        "VESTIBULE_MASTER_KEY": bytes(range(32)).hex(),
        "VESTIBULE_ISSUER__ISSUER": "https://auth.example.com",
    }
    here, there = (Issuer(folder / name, settings).start() for name in ("here", "there"))
    service = Service(there, tmp_path_factory.mktemp("nodes"), database)
    yield Nodes(here, there, service)
    service.close()
    here.close()
    there.close()


def test_a_token_of_one_node_is_good_at_once_with_a_service_of_the_other(nodes: Nodes) -> None:
    assert nodes.service.status(nodes.here.sign_in()) == 200


@pytest.mark.parametrize("deed", ["logout", "disabled", "role", "deleted"])
def test_what_one_node_ends_a_service_of_the_other_knows_within_a_second(nodes: Nodes, deed: str) -> None:
    person = nodes.here.person()
    held = nodes.here.login(person)
    assert nodes.service.status(held) == 200
    if deed == "logout":
        nodes.here.logout(held)
    elif deed == "disabled":
        nodes.here.change(person, is_active=False)
    elif deed == "role":
        nodes.here.change(person, role="writer")
    else:
        nodes.here.client.delete(f"/users/delete/{person.id}/", headers=nodes.here.superuser().bearer)
    wait_until("the service refuses", lambda: nodes.service.status(held) == 401, WITHIN)


def test_the_feed_goes_on_when_its_node_is_killed_and_comes_back(nodes: Nodes) -> None:
    held, other = nodes.here.sign_in(), nodes.here.sign_in()
    assert nodes.service.status(held) == 200
    nodes.there.kill()
    nodes.here.logout(held)
    nodes.there.start()
    wait_until("the service works", lambda: nodes.service.status(other) == 200, 30)
    wait_until("the service knows", lambda: nodes.service.status(held) == 401, 30)
