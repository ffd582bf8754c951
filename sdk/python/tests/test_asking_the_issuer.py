"""Keys and introspection over the network: slow, broken, rotated, attacked."""

# No postponed annotations: FastAPI could not resolve local names.
import asyncio
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
from fastapi import Depends, FastAPI
from network_issuer import NetworkIssuer, wait_until

from vestibule import _core
from vestibule.errors import ConfigurationError, IdentityUnavailable
from vestibule.service import AuthDeps, build_auth_deps
from vestibule.testing import settings

BACKENDS = ["asyncio", "trio"]


@pytest.fixture
def issuer() -> Iterator[NetworkIssuer]:
    with NetworkIssuer().serving() as issuer:
        yield issuer


@pytest.fixture
def built() -> Iterator[list[AuthDeps]]:
    built: list[AuthDeps] = []
    yield built
    for auth in built:
        auth.client.close()


def guarded(
    built: list[AuthDeps], issuer: NetworkIssuer, policy: str | None = None, **overrides: Any
) -> httpx.AsyncClient:
    auth = build_auth_deps(settings(**issuer.settings(**overrides)))
    built.append(auth)
    app = FastAPI()
    guard = auth.require_role("user", stale_policy=policy)

    @app.get("/", dependencies=[Depends(guard)])
    async def root() -> str:
        return "in"

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_slow_key_set_does_not_stall_the_event_loop(
    issuer: NetworkIssuer, built: list[AuthDeps], backend: str
) -> None:
    async def main() -> None:
        issuer.hold.clear()
        turns = 0
        answered = anyio.Event()
        statuses: list[int] = []

        async with guarded(built, issuer) as client, anyio.create_task_group() as tasks:

            async def ask() -> None:
                statuses.append((await client.get("/", headers=bearer(issuer.token()))).status_code)
                answered.set()

            tasks.start_soon(ask)
            while not issuer.asked.is_set() or turns < 100:
                await anyio.sleep(0.001)
                turns += 1
            # The loop turned a hundred times while the issuer kept its answer back.
            assert not answered.is_set()
            issuer.hold.set()
            await answered.wait()
        assert statuses == [200]

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cancelled_request_harms_no_other(issuer: NetworkIssuer, built: list[AuthDeps], backend: str) -> None:
    async def main() -> None:
        issuer.hold.clear()
        async with guarded(built, issuer) as client, anyio.create_task_group() as tasks:
            statuses: list[int] = []

            async def ask() -> None:
                statuses.append((await client.get("/", headers=bearer(issuer.token()))).status_code)

            tasks.start_soon(ask)
            with anyio.move_on_after(0.05) as scope:
                await ask()
            assert scope.cancelled_caught
            issuer.hold.set()
        assert statuses == [200]

    anyio.run(main, backend=backend)


def test_a_new_key_is_accepted_at_its_first_request(issuer: NetworkIssuer, built: list[AuthDeps]) -> None:
    async def main() -> None:
        async with guarded(built, issuer) as client:
            for _ in range(2):
                assert (await client.get("/", headers=bearer(issuer.token()))).status_code == 200
                # No blind window: the next key is good at once, too.
                issuer.rotate()
                assert (await client.get("/", headers=bearer(issuer.token()))).status_code == 200

    asyncio.run(main())


def test_a_storm_of_unknown_key_ids_makes_no_storm_of_fetches(issuer: NetworkIssuer, built: list[AuthDeps]) -> None:
    async def main() -> None:
        async with guarded(built, issuer) as client:
            assert (await client.get("/", headers=bearer(issuer.token()))).status_code == 200
            before = issuer.key_set_requests
            claims = issuer.claims()
            strangers = [_core.SigningKey.generate("ES256").sign(claims) for _ in range(100)]
            answers = await asyncio.gather(*(client.get("/", headers=bearer(token)) for token in strangers))
            assert {answer.status_code for answer in answers} == {401}
            # Those who came together waited for one fetch, at most one more was under way already.
            assert issuer.key_set_requests - before <= 2

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "published"),
    [(500, None), (404, None), (302, None), (200, b"no json"), (200, []), (200, b" " * (2 << 20))],
)
def test_without_keys_the_answer_is_503_and_it_heals(
    issuer: NetworkIssuer, built: list[AuthDeps], status: int, published: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        issuer.status, issuer.published = status, published
        async with guarded(built, issuer) as client:
            headers = bearer(issuer.token())
            answer = await client.get("/", headers=headers)
            assert (answer.status_code, answer.json()) == (503, {"detail": "Identity could not be checked"})
            assert int(answer.headers["retry-after"]) >= 1
            assert "www-authenticate" not in answer.headers
            issuer.status, issuer.published = 200, None
            # Asking waits for the next fetch, however often it takes.
            while (answer := await client.get("/", headers=headers)).status_code == 503:
                pass
            assert answer.status_code == 200

    with anyio_timeout():
        asyncio.run(main())
    assert "auth.unavailable cause=keys: the issuer's keys are not known: " in caplog.text


def anyio_timeout() -> Any:
    """Nothing here may take longer than this; a test that hangs fails."""
    import faulthandler
    from contextlib import contextmanager

    @contextmanager
    def limit() -> Iterator[None]:
        faulthandler.dump_traceback_later(60, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    return limit()


def test_what_the_client_finds_out_is_in_the_log_of_python(
    issuer: NetworkIssuer, built: list[AuthDeps], caplog: pytest.LogCaptureFixture
) -> None:
    def said() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "vestibule.client"]

    caplog.set_level("INFO", logger="vestibule.client")
    issuer.status = 500
    guarded(built, issuer)
    built[0].start()
    wait_until(said)
    assert "key set could not be fetched" in said()[0]
    assert "500" in said()[0]
    issuer.status = 200
    wait_until(lambda: len(said()) > 1)
    assert said()[1:] == ["the issuer's key set was fetched again"]


def test_a_foreign_key_in_the_set_harms_no_other(issuer: NetworkIssuer, built: list[AuthDeps]) -> None:
    async def main() -> None:
        issuer.published = {
            "keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "o"}, *issuer.key_set()["keys"]]
        }
        async with guarded(built, issuer) as client:
            assert (await client.get("/", headers=bearer(issuer.token()))).status_code == 200

    asyncio.run(main())


def test_the_last_good_keys_are_kept_while_the_issuer_is_away(issuer: NetworkIssuer, built: list[AuthDeps]) -> None:
    async def main() -> None:
        async with guarded(built, issuer) as client:
            assert (await client.get("/", headers=bearer(issuer.token()))).status_code == 200
            issuer.status = 500
            before = issuer.key_set_requests
            built[0].client.client.advance(301)  # type: ignore[attr-defined]
            issuer.clock.advance(301)
            assert (await client.get("/", headers=bearer(issuer.token()))).status_code == 200
            wait_until(lambda: issuer.key_set_requests > before)
            assert (await client.get("/", headers=bearer(issuer.token()))).status_code == 200

    asyncio.run(main())


def test_one_token_is_asked_about_once_however_many_requests_carry_it(
    issuer: NetworkIssuer, built: list[AuthDeps]
) -> None:
    async def main() -> None:
        async with guarded(built, issuer, TOKEN_MODE="stateful") as client:
            headers = bearer(issuer.token())
            answers = await asyncio.gather(*(client.get("/", headers=headers) for _ in range(50)))
            assert {answer.status_code for answer in answers} == {200}
            assert issuer.introspections < 50

    asyncio.run(main())


def test_a_revoked_token_is_refused_by_introspection(issuer: NetworkIssuer, built: list[AuthDeps]) -> None:
    async def main() -> None:
        async with guarded(built, issuer, TOKEN_MODE="stateful") as client:
            jti = str(uuid.uuid4())
            headers = bearer(issuer.token(jti=jti))
            assert (await client.get("/", headers=headers)).status_code == 200
            issuer.inactive.add(jti)
            answer = await client.get("/", headers=headers)
            assert (answer.status_code, answer.json()) == (401, {"detail": "The access token was revoked"})

    asyncio.run(main())


@pytest.mark.parametrize(("mode", "status"), [("fail_closed", 503), ("fail_open", 200)])
def test_an_issuer_that_cannot_be_asked_is_answered_as_configured(
    issuer: NetworkIssuer, built: list[AuthDeps], mode: str, status: int
) -> None:
    async def main() -> None:
        overrides = {"TOKEN_MODE": "stateful", "ACCESS_REVOCATION_FAILURE_MODE": mode}
        async with guarded(built, issuer, **overrides) as client:
            headers = bearer(issuer.token())
            assert (await client.get("/", headers=headers)).status_code == 200
            issuer.status = 500
            assert (await client.get("/", headers=bearer(issuer.token()))).status_code == status

    asyncio.run(main())


def test_fail_open_with_a_wrong_secret_is_loud_and_lets_nobody_in(
    issuer: NetworkIssuer, built: list[AuthDeps], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        overrides = {
            "TOKEN_MODE": "stateful",
            "ACCESS_REVOCATION_FAILURE_MODE": "fail_open",
            "PRIVATE_API_SECRET": "Wrong_Secret-0123456789-abcdefghijk",
        }
        async with guarded(built, issuer, **overrides) as client:
            assert (await client.get("/", headers=bearer(issuer.token()))).status_code == 503
            assert built[0].statistics()["credential_refused"] == 1.0

    asyncio.run(main())
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "PRIVATE_API_SECRET" in errors[0]
    assert "Wrong_Secret" not in caplog.text


def test_settings_that_cannot_work_are_told_when_guards_are_built(issuer: NetworkIssuer) -> None:
    class Odd:
        TOKEN_ISSUER = "https://issuer.example.com"
        TOKEN_AUDIENCE = "x"
        JWKS_URI: str | None = "https://issuer.example.com/jwks.json"
        TOKEN_MODE = "stateless"

    build_auth_deps(Odd())
    for name, value, text in [
        ("JWKS_URI", "ftp://issuer.example.com/jwks.json", "http"),
        ("JWKS_URI", "nonsense", "jwks_uri"),
        ("JWKS_URI", None, "JWKS_URI"),
        ("TOKEN_ISSUER", None, "issuer"),
        ("ACCESS_TOKEN_ALGORITHM", "none", "RS256"),
        ("REVOCATION_SOURCE", "magic", "feed"),
        ("STALE_FEED_POLICY", "maybe", "introspect"),
        ("TOKEN_MODE", "stateful", "needed"),
        ("ACCESS_PUBLIC_KEY_FILE", "/nowhere", "/nowhere"),
    ]:
        without_key_set = {"JWKS_URI": None} if name == "ACCESS_PUBLIC_KEY_FILE" else {}
        odd = type("Settings", (Odd,), {name: value, **without_key_set})
        with pytest.raises(ConfigurationError, match=text):
            build_auth_deps(odd())


def test_a_blocking_check_answers_without_a_loop(issuer: NetworkIssuer, built: list[AuthDeps]) -> None:
    built.append(build_auth_deps(settings(**issuer.settings())))
    client = built[0].client.client
    users = [None] * 4

    def ask(index: int) -> None:
        users[index] = client.check_blocking(issuer.token()).email  # type: ignore[call-overload]

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert users == ["person@example.com"] * 4


def test_closing_answers_those_who_wait(issuer: NetworkIssuer, built: list[AuthDeps]) -> None:
    async def main() -> None:
        issuer.hold.clear()
        async with guarded(built, issuer) as client:
            waiting = asyncio.create_task(client.get("/", headers=bearer(issuer.token())))
            await asyncio.to_thread(wait_until, issuer.asked.is_set)
            await built[0].close()
            await built[0].close()
            assert (await waiting).status_code == 503
            issuer.hold.set()
            # And a later request starts anew.
            assert (await client.get("/", headers=bearer(issuer.token()))).status_code == 200

    asyncio.run(main())


def test_a_client_survives_its_event_loop(issuer: NetworkIssuer, built: list[AuthDeps]) -> None:
    guarded(built, issuer)
    client = built[0].client

    async def ask() -> str:
        return (await client.check(issuer.token().encode(), None)).email

    for _ in range(3):
        assert asyncio.run(ask()) == "person@example.com"

    # A loop that is closed while an answer is under way: nobody waits for it, and nothing is said about it.
    issuer.rotate()
    issuer.asked.clear()
    issuer.hold.clear()
    loop = asyncio.new_event_loop()
    task = loop.create_task(ask())
    loop.run_until_complete(asyncio.sleep(0))
    wait_until(issuer.asked.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()
    issuer.hold.set()
    assert asyncio.run(ask()) == "person@example.com"


def test_an_introspection_can_be_asked_for_by_id(issuer: NetworkIssuer, built: list[AuthDeps]) -> None:
    guarded(built, issuer, TOKEN_MODE="stateful")
    core = built[0].client.client
    assert isinstance(core, _core.Client)
    issuer.inactive.add("b")

    def ask(jti: str) -> bool:
        told: list[Any] = []
        done = threading.Event()

        def on_done(*answer: Any) -> None:
            told.extend(answer)
            done.set()

        core.start_introspection(jti, str(uuid.uuid4()), on_done)
        assert done.wait(20)
        if told[1] is not None:
            raise told[1]
        return bool(told[0])

    assert (ask("a"), ask("b")) == (True, False)
    issuer.status = 500
    with pytest.raises(IdentityUnavailable):
        ask("c")
