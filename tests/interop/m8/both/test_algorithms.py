"""What signs access tokens."""

from consumer import HS256, StartService
from harness.issuer import ACCESS_SECRET_KEY, StartIssuer


def test_es256(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer(issuer__algorithm="ES256")
    service = start_service(issuer, ACCESS_TOKEN_ALGORITHM="ES256")
    held = issuer.sign_in("admin")
    assert held.header["alg"] == "ES256"
    [key] = issuer.client.get("/.well-known/jwks.json").json()["keys"]
    assert (key["kty"], key["crv"], key["alg"]) == ("EC", "P-256", "ES256")
    assert service.status("/admin", held) == 200
    issuer.logout(held)
    assert service.status("/admin", held) == 403


def test_hs256_with_a_shared_secret(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer(issuer__algorithm="HS256", issuer__access_secret=ACCESS_SECRET_KEY)
    service = start_service(issuer, **HS256)
    held = issuer.sign_in("admin")
    assert held.header == {"typ": "JWT", "alg": "HS256"}
    assert issuer.client.get("/.well-known/jwks.json").json() == {"keys": []}
    assert service.status("/admin", held) == 200
    assert issuer.client.get("/profile/get/me/", headers=held.bearer).status_code == 200
    issuer.logout(held)
    assert service.status("/admin", held) == 403
