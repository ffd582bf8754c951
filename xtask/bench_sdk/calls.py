"""Times single calls of the SDK, and PyJWT's for comparison; prints microseconds of CPU time as JSON."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode
from urllib.request import urlopen

import jwt
from starlette.requests import HTTPConnection
from timing import per_call

from vestibule import _core
from vestibule.service import ServiceSettings, build_auth_deps

# Tokens that are seen for the first time, in each of the bursts.
FRESH, BURSTS = 20, 15

settings = ServiceSettings()
issuer, audience = settings.TOKEN_ISSUER, settings.TOKEN_AUDIENCE
with urlopen(settings.JWKS_URI) as answer:
    key_set = answer.read().decode()


def sign_in() -> bytes:
    """A new session's token."""
    form = urlencode({"username": os.environ["BENCH_EMAIL"], "password": os.environ["BENCH_PASSWORD"]}).encode()
    url = settings.INTROSPECTION_URL.replace("/private/v1/jti-status", "/login/access-token")
    with urlopen(url, form) as response:
        return json.load(response)["access_token"].encode()


def wait_until(holds: Callable[[], bool]) -> None:
    """Waits for what the background thread brings about."""
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    raise TimeoutError


auth = build_auth_deps(settings)
auth.start()
wait_until(lambda: auth.statistics()["feed_current"] == 1)
client = auth.client.client
tokens = [sign_in() for _ in range(FRESH * (BURSTS + 1))]
token = tokens[0]


def check(shown: bytes) -> None:
    """Fails when the answer took more than this process knows."""
    if client.check(shown) is None:
        raise RuntimeError("the issuer had to be asked")


def fresh() -> Iterator[None]:
    """Checks a token that was not seen before, at each step."""
    for one in tokens:
        check(one)
        yield


def awaited() -> float:
    """A guard's answer to a token that was seen before, without FastAPI around it."""
    guard = auth.get_current_user
    headers = [(b"host", b"localhost"), (b"accept", b"*/*"), (b"authorization", b"Bearer " + token)]
    connection = HTTPConnection({"type": "http", "headers": headers})

    async def repeated(calls: int) -> float:
        before = time.thread_time_ns()
        for _ in range(calls):
            await guard(connection)
        return (time.thread_time_ns() - before) / calls / 1e3

    return asyncio.run(repeated(5000))


wait_until(lambda: client.check(token) is not None)
times: dict[str, list[float]] = {}
unseen = fresh()
times["check_cold"] = per_call(lambda: next(unseen), FRESH, BURSTS)
times["check_cached"] = per_call(lambda: client.check(token), 5000)
times["dependency"] = [awaited() for _ in range(BURSTS)]
keys = _core.Keys.from_jwks(key_set)
times["verify"] = per_call(lambda: _core.verify(token, keys, algorithm="RS256", issuer=issuer, audience=audience), 200)
public = jwt.PyJWKSet.from_json(key_set)
held = {key.key_id: key.key for key in public.keys}
key = held[jwt.get_unverified_header(token)["kid"]]
times["pyjwt"] = per_call(lambda: jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, audience=audience), 200)

signing = _core.SigningKey.generate("ES256")
claims = jwt.decode(token, options={"verify_signature": False})
other = signing.sign(claims)
keys = signing.keys()
times["verify_es256"] = per_call(
    lambda: _core.verify(other, keys, algorithm="ES256", issuer=issuer, audience=audience), 200
)
key = jwt.PyJWK(signing.jwk()).key
times["pyjwt_es256"] = per_call(
    lambda: jwt.decode(other, key, algorithms=["ES256"], issuer=issuer, audience=audience), 200
)
print(json.dumps(times))
asyncio.run(auth.close())
