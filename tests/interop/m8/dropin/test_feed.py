"""The drop-in can listen to the issuer instead of asking it about each token, by one setting."""

import time

from consumer import StartService
from harness.issuer import StartIssuer

WITHIN = 1.0


def test_a_service_that_listens_hears_of_a_sign_out_within_a_second(
    start_issuer: StartIssuer, start_service: StartService
) -> None:
    issuer = start_issuer()
    service = start_service(issuer, REVOCATION_SOURCE="feed")
    for _ in range(5):
        held = issuer.sign_in()
        assert service.status("/me", held) == 200
        assert issuer.logout(held).status_code == 200
        began = time.monotonic()
        while service.status("/me", held) == 200:
            assert time.monotonic() - began < WITHIN
        answer = service.get("/me", held)
        assert (answer.status_code, answer.json()) == (403, {"detail": "Token has been revoked."})
