"""Two nodes of one issuer, on one PostgreSQL: what one does, the other knows within a second."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from consumer import Service
from harness.issuer import Issuer, signed_in
from harness.process import wait_until

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
def nodes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    settings = {
        "VESTIBULE_DATABASE__URL": os.environ["INTEROP_POSTGRES"],
        "VESTIBULE_MASTER_KEY": bytes(range(32)).hex(),
        "VESTIBULE_ISSUER__ISSUER": "https://auth.example.com",
    }
    here, there = (Issuer(folder / name, settings).start() for name in ("here", "there"))
    service = Service(there, tmp_path_factory.mktemp("nodes"), {})
    yield Nodes(here, there, service)
    service.stop()
    here.close()
    there.close()


def refused(service: Service, access: str) -> None:
    wait_until("the other node refuses", lambda: service.status("/me", access) == 403, WITHIN)


def test_a_token_of_one_node_is_good_at_the_other(nodes: Nodes) -> None:
    held = nodes.here.sign_in()
    # At once: the service cannot wait for the other node to hear of it.
    assert nodes.service.status("/me", held) == 200
    assert nodes.there.client.get("/profile/get/me/", headers=held.bearer).status_code == 200


def test_a_logout_at_one_node_is_known_at_the_other(nodes: Nodes) -> None:
    held = nodes.here.sign_in()
    assert nodes.service.status("/me", held) == 200
    nodes.here.logout(held)
    refused(nodes.service, held.access)
    assert nodes.there.try_refresh(held.refresh).status_code == 401


def test_a_disabled_account_is_known_at_the_other_node(nodes: Nodes) -> None:
    person = nodes.here.person()
    held = nodes.here.login(person)
    assert nodes.service.status("/me", held) == 200
    nodes.here.change(person, is_active=False)
    refused(nodes.service, held.access)


def test_refreshes_go_from_node_to_node(nodes: Nodes) -> None:
    held = nodes.here.sign_in()
    for node in (nodes.there, nodes.here, nodes.there):
        held = node.refresh(held)
        assert nodes.service.status("/me", held) == 200


def test_parallel_refreshes_at_two_nodes_sign_nobody_out(nodes: Nodes) -> None:
    held = nodes.here.sign_in()
    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            both = (nodes.here, nodes.there) * 2
            answers = list(pool.map(lambda node, token=held.refresh: node.try_refresh(token), both))
        won = [signed_in(answer) for answer in answers if answer.status_code == 200]
        # A node that did not see the other's answer may give it once more: there is but one successor.
        assert len({pair.refresh for pair in won}) == 1, [answer.text for answer in answers]
        for held in won:
            assert nodes.service.status("/me", held) == 200


def test_the_key_set_is_the_same(nodes: Nodes) -> None:
    sets = [node.client.get("/.well-known/jwks.json").json() for node in (nodes.here, nodes.there)]
    assert sets[0] == sets[1]
