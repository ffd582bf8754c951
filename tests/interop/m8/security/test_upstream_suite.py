"""Runs `security-tests-m8`, unchanged, against three stacks; what they do not pass is named with its reason."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomllib
from consumer import HS256, StartService
from harness.issuer import ACCESS_SECRET_KEY, Issuer, StartIssuer
from harness.process import environment
from harness.redis import Redis

HERE = Path(__file__).parent
PYTHON = os.environ["SECURITY_TESTS_PYTHON"]
HEALTH_CREDENTIAL = "Health-Detail_Credential-0123456789-abc"
# Forged with a key that services know and that was never ours.
FOREIGN_KEY = "Never_Used-By-A-Consumer-0123456789"

# Together they have every algorithm and every mode.
STACKS = {
    "RS256-stateful": {"issuer__algorithm": "RS256", "issuer__mode": "stateful"},
    "ES256-hybrid": {"issuer__algorithm": "ES256", "issuer__mode": "hybrid"},
    "HS256-stateless": {
        "issuer__algorithm": "HS256",
        "issuer__mode": "stateless",
        "issuer__access_secret": ACCESS_SECRET_KEY,
    },
}


@dataclass(frozen=True)
class Outcome:
    stack: str
    test: str
    verdict: str
    why: str

    def __str__(self) -> str:
        return f"{self.stack}: {self.test}: {self.verdict}: {self.why}"


@pytest.fixture(scope="module")
def seen() -> list[Outcome]:
    return []


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    redis = Redis(tmp_path)
    yield redis
    redis.stop()


def not_for_us() -> dict[str, str]:
    groups = tomllib.loads((HERE / "not_for_us.toml").read_text())
    return {name: reason for group in groups.values() for name, reason in group.items()}


@pytest.mark.parametrize("stack", STACKS)
def test_the_suite_passes(
    stack: str,
    seen: list[Outcome],
    redis: Redis,
    start_issuer: StartIssuer,
    start_service: StartService,
    tmp_path: Path,
) -> None:
    settings = STACKS[stack]
    issuer = start_issuer(
        **settings,
        issuer__health_detail_credential=HEALTH_CREDENTIAL,
        issuer__allowed_origins="http://localhost:5173",
        redis__url=redis.url,
    )
    changes: dict[str, str | None] = {
        "ACCESS_TOKEN_ALGORITHM": settings["issuer__algorithm"],
        "TOKEN_MODE": settings["issuer__mode"],
        **(HS256 if settings["issuer__algorithm"] == "HS256" else {}),
    }
    service = start_service(issuer, HERE / "service.py", **changes)
    outcomes = run(stack, issuer, f"http://127.0.0.1:{service.port}/items", tmp_path)
    seen.extend(outcomes)
    bad = [o for o in outcomes if o.verdict == "failed" and o.test not in not_for_us()]
    assert not bad, "\n".join(map(str, bad))
    assert len(outcomes) > 100


def run(stack: str, issuer: Issuer, service: str, folder: Path) -> list[Outcome]:
    superuser = issuer.person("superadmin", "tester")
    secret = issuer.register("media-service", "user-create")
    settings = {
        "LIVE_TEST_AUTH_BASE": issuer.base,
        "LIVE_TEST_PUBLIC_BASE": issuer.origin,
        "LIVE_TEST_ADMIN_EMAIL": superuser.email,
        "LIVE_TEST_ADMIN_PASSWORD": superuser.password,
        "LIVE_TEST_PRIVATE_API_SECRET": secret,
        "LIVE_TEST_PRIVATE_API_CLIENT_ID": "media-service",
        "LIVE_TEST_HEALTH_DETAIL_CREDENTIAL": HEALTH_CREDENTIAL,
        "LIVE_TEST_REFRESH_SECRET_KEY": FOREIGN_KEY,
        "LIVE_TEST_SVC_BASE": service,
        "LIVE_TEST_PROTECTED_ENDPOINTS": '{"default": ["/category/"]}',
        # Of a media service that is not there: its callbacks must not be, either.
        "LIVE_TEST_MEDIA_INTERNAL_TOKEN": FOREIGN_KEY,
        "LIVE_TEST_TIMEOUT": "30",
    }
    report = folder / "report.xml"
    command = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "security_tests_m8.full_security"]
    subprocess.run(
        [*command, "--tb=line", "--junit-xml", str(report)],
        cwd=folder,
        env=environment(settings),
        check=False,
        stdout=subprocess.DEVNULL,
        timeout=600,
    )
    return list(outcomes(stack, report))


def outcomes(stack: str, report: Path) -> Iterator[Outcome]:
    for case in xml.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        verdict, why = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                verdict, why = "failed", child.get("message", "")
            elif child.tag == "skipped":
                verdict, why = "skipped", child.get("message", "")
        yield Outcome(stack, name, verdict, " ".join(why.split())[:300])


def test_every_test_passes_somewhere_or_has_its_reason(seen: list[Outcome]) -> None:
    if len({outcome.stack for outcome in seen}) != len(STACKS):
        pytest.skip("needs the outcomes of all stacks")
    passed = {outcome.test for outcome in seen if outcome.verdict == "passed"}
    unexplained = [o for o in seen if o.test not in passed and o.test not in not_for_us()]
    assert not unexplained, "\n".join(map(str, unexplained))
    needless = passed & not_for_us().keys()
    assert not needless, f"named in not_for_us.toml, yet passed: {sorted(needless)}"
    unknown = not_for_us().keys() - {outcome.test for outcome in seen}
    assert not unknown, f"named in not_for_us.toml, yet not in the suite: {sorted(unknown)}"
