"""The key set, as services fetch it."""

from harness.issuer import Issuer

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def test_every_key_can_be_read_by_services(issuer: Issuer) -> None:
    answer = issuer.client.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    keys = answer.json()["keys"]
    assert keys
    for key in keys:
        # One entry of another kind makes a service without a cache answer 500 (contract §2.5).
        assert key["kty"] in ("RSA", "EC")
        assert key["use"] == "sig"
        assert key["alg"] == {"RSA": "RS256", "EC": "ES256"}[key["kty"]]
        assert key["kid"]
        assert not PRIVATE_MEMBERS & key.keys()


def test_the_token_names_a_key_of_the_set(issuer: Issuer) -> None:
    header = issuer.sign_in().header
    kids = [key["kid"] for key in issuer.client.get("/.well-known/jwks.json").json()["keys"]]
    assert header == {"typ": "JWT", "alg": "RS256", "kid": header["kid"]}
    assert header["kid"] in kids


def test_the_key_set_may_be_kept_and_asked_for_again_cheaply(issuer: Issuer) -> None:
    first = issuer.client.get("/.well-known/jwks.json")
    assert first.headers["cache-control"] == "public, max-age=300"
    tag = first.headers["etag"]
    assert tag.startswith('"')
    for known in (tag, f"W/{tag}", "*", f'"other", {tag}'):
        again = issuer.client.get("/.well-known/jwks.json", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b""), known
    assert issuer.client.get("/.well-known/jwks.json", headers={"If-None-Match": '"other"'}).status_code == 200


def test_both_addresses_give_the_same_key_set(issuer: Issuer) -> None:
    under_prefix = issuer.client.get("/.well-known/jwks.json")
    at_root = issuer.client.get(f"{issuer.origin}/.well-known/jwks.json")
    assert at_root.status_code == 200
    assert at_root.json() == under_prefix.json()
