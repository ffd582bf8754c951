"""Audiences of registered services: a token for one is refused by the other."""

from consumer import GENERATION, Service, StartService
from harness.issuer import Issuer, StartIssuer


def test_a_token_for_one_service_is_refused_by_another(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer()
    issuer.register("orders", audience="orders")
    issuer.register("stock", audience="stock")
    services: dict[str, Service] = {name: start_service(issuer, TOKEN_AUDIENCE=name) for name in ("orders", "stock")}
    person = issuer.person()
    for name, service in services.items():
        held = issuer.login(person, client_id=name)
        assert held.claims["aud"] == name
        assert service.status("/me", held) == 200
        # The audience stays with the session.
        renewed = issuer.refresh(held)
        assert renewed.claims["aud"] == name
        assert service.status("/me", renewed) == 200
        for other_name, other in services.items():
            if other_name != name:
                assert other.status("/me", held) == 403


def test_an_unknown_client_is_no_way_to_another_audience(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    answer = issuer.try_login(person.email, person.password, client_id="nobody-registered-this")
    if answer.status_code == 200:
        assert service.status("/me", answer.json()["access_token"]) == 200
    else:
        assert answer.status_code == 400


def test_a_service_introspects_with_its_own_credential(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer()
    secret = issuer.register("orders", audience="orders")
    person = issuer.person()
    held = issuer.login(person, client_id="orders")
    headers = {"X-Internal-Client": "orders", "X-Internal-Token": secret}
    answer = issuer.client.post("/private/v1/jti-status", json={"jti": held.claims["jti"]}, headers=headers)
    assert answer.json() == {"active": True}
    if GENERATION == "v4":
        service = start_service(issuer, TOKEN_AUDIENCE="orders", INTERNAL_CLIENT_ID="orders", PRIVATE_API_SECRET=secret)
        assert service.status("/me", held) == 200
