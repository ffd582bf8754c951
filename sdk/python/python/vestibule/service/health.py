"""Health: what a check says, how checks are summed up, and how they are run.

A check is asked about one thing the service needs. Whoever asks for health never makes the service work more than
the checks were meant to: runs are shared by everybody who asks at the same time, and kept for a moment.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol, runtime_checkable

import anyio
from starlette.requests import Request

from vestibule.service.check_runs import CheckRun
from vestibule.service.redaction import redact, redact_text

logger = logging.getLogger("vestibule.service")

DEFAULT_TIMEOUT: Final = 0.5
DEFAULT_CACHE: Final = 2.0
PUBLIC_CACHE: Final = 1.0
"""Seconds for which callers without a credential get the same answer, however short the cache is set."""


class HealthStatus(str, Enum):
    """What is known of one thing, or of all together."""

    OK = "ok"
    DEGRADED = "degraded"
    FAIL = "fail"
    UNKNOWN = "unknown"

    @classmethod
    def from_bool(cls, good: bool) -> HealthStatus:
        """`OK` or `FAIL`."""
        return cls.OK if good else cls.FAIL


class HealthPolicy(str, Enum):
    """Whether something unknown counts as failed (`STRICT`) or is only told (`LENIENT`)."""

    STRICT = "strict"
    LENIENT = "lenient"


@dataclass(frozen=True, slots=True)
class HealthCheckResult:
    """What a check found.

    Attributes:
        name: Of what.
        status: What was found.
        latency_ms: How long the check took, in milliseconds; measured by whoever runs it. None when it did not end.
        error: Why, when it is not well. Credentials in it are hidden when it is shown.
        meta: Details. Values under names of secrets, at any depth, are hidden when they are shown.
    """

    name: str
    status: HealthStatus
    latency_ms: float | None = None
    error: str | None = None
    meta: dict[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return self.status is HealthStatus.OK

    @classmethod
    def from_bool(cls, name: str, ok: bool, **meta: Any) -> HealthCheckResult:
        """A result that is `OK` or `FAIL`, with `meta` as its details."""
        return cls(name=name, status=HealthStatus.from_bool(ok), meta=meta or None)

    def shown(self) -> dict[str, Any]:
        """The result as it may be shown: JSON values, without secrets."""
        return {
            "name": self.name,
            "status": HealthStatus(self.status).value,
            "latency_ms": None if self.latency_ms is None else round(self.latency_ms, 3),
            "error": None if self.error is None else redact_text(self.error),
            "meta": None if self.meta is None else redact(self.meta),
            "ok": self.ok,
        }


CheckAnswer = HealthCheckResult | bool | None
"""What a check may return: a result, or only whether all is well; None is `unknown`."""


@runtime_checkable
class HealthCheck(Protocol):
    """A check: a coroutine function, or a plain function, which is then run in a thread of its own."""

    def __call__(self) -> Awaitable[CheckAnswer] | CheckAnswer: ...


DetailAuthorizer = Callable[[Request], bool | Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """How health is found out and who sees how much of it.

    Attributes:
        checks: What is asked. None: the database and the identity client of the app's lifecycle.
        timeout: Seconds that each check has.
        policy: What something unknown counts for.
        detail_public: Whether everybody sees what each check found.
        detail_authorizer: Decides who else does, instead of the credential. It must not block; an error in it is a no.
        cache_ttl: Seconds for which results are kept. Callers without a credential get results up to 1 s old even if
            it is 0.
    """

    checks: Sequence[HealthCheck] | None = None
    timeout: float = DEFAULT_TIMEOUT
    policy: HealthPolicy = HealthPolicy.LENIENT
    detail_public: bool = False
    detail_authorizer: DetailAuthorizer | None = None
    cache_ttl: float = DEFAULT_CACHE


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What all checks found together."""

    results: tuple[HealthCheckResult, ...]
    status: HealthStatus
    at: float = field(default_factory=time.monotonic)

    @property
    def http_status(self) -> int:
        """503 when the whole failed, else 200."""
        return 503 if self.status is HealthStatus.FAIL else 200


def aggregate(results: Sequence[HealthCheckResult], policy: HealthPolicy = HealthPolicy.LENIENT) -> HealthStatus:
    """The worst of the results. Nothing asked is `OK`; something unknown is `UNKNOWN`, or `FAIL` when the policy is
    strict.
    """
    statuses = {HealthStatus(result.status) for result in results}
    if HealthStatus.FAIL in statuses:
        return HealthStatus.FAIL
    if HealthStatus.UNKNOWN in statuses:
        return HealthStatus.FAIL if HealthPolicy(policy.value) is HealthPolicy.STRICT else HealthStatus.UNKNOWN
    return HealthStatus.DEGRADED if HealthStatus.DEGRADED in statuses else HealthStatus.OK


def result_of(run: CheckRun, timeout: float) -> HealthCheckResult:
    """What a run of a check says, whatever way it ended."""
    if run.error is not None:
        text = redact_text(f"{run.error}" or type(run.error).__name__)
        return HealthCheckResult(run.name, HealthStatus.FAIL, None, text)
    if run.overdue is not None:
        return HealthCheckResult(run.name, HealthStatus.FAIL, None, f"still running after {run.overdue:.1f}s")
    if run.timed_out:
        return HealthCheckResult(run.name, HealthStatus.FAIL, None, f"timeout {timeout * 1000:.0f}ms")
    latency = run.seconds * 1000
    answer = run.answer
    if isinstance(answer, HealthCheckResult):
        return HealthCheckResult(answer.name, HealthStatus(answer.status), latency, answer.error, answer.meta)
    if answer is None:
        return HealthCheckResult(run.name, HealthStatus.UNKNOWN, latency)
    if isinstance(answer, bool):
        return HealthCheckResult(run.name, HealthStatus.from_bool(answer), latency)
    return HealthCheckResult(
        run.name, HealthStatus.FAIL, latency, f"the check returned {type(answer).__name__}, not a HealthCheckResult"
    )


async def run_check(check: HealthCheck, timeout: float = DEFAULT_TIMEOUT) -> HealthCheckResult:  # noqa: ASYNC109
    """Runs one check once. It never raises and never takes longer than `timeout` seconds."""
    run = CheckRun(check)
    await run.once(timeout)
    return result_of(run, timeout)


class HealthRunner:
    """Runs the checks of an app, once for all who ask at the same time, and keeps what they found.

    Args:
        checks: What is asked.
        config: Timeout, policy and how long results are kept.
    """

    def __init__(self, checks: Sequence[HealthCheck], config: HealthConfig) -> None:
        self._config = config
        self._runs = [CheckRun(check) for check in checks]
        self._report: HealthReport | None = None
        self._turn: anyio.Lock | None = None

    @property
    def last(self) -> HealthReport | None:
        """What was found last, however long ago."""
        return self._report

    async def report(self, *, trusted: bool = False) -> HealthReport:
        """What the checks find, or found within the time for which results are kept.

        Args:
            trusted: The caller has shown a credential, so `cache_ttl` counts as it is set.
        """
        keep = self._config.cache_ttl if trusted else max(self._config.cache_ttl, PUBLIC_CACHE)
        asked = time.monotonic()
        if self._report is not None and asked - self._report.at < keep:
            return self._report
        if self._turn is None:
            self._turn = anyio.Lock()
        async with self._turn:
            # Whoever waited for the turn takes what was found meanwhile: it is younger than the question.
            if self._report is not None and (self._report.at >= asked or time.monotonic() - self._report.at < keep):
                return self._report
            self._report = await self._ask()
            return self._report

    async def _ask(self) -> HealthReport:
        timeout = self._config.timeout
        async with anyio.create_task_group() as group:
            for run in self._runs:
                group.start_soon(run.once, timeout)
        results = tuple(result_of(run, timeout) for run in self._runs)
        return HealthReport(results, aggregate(results, self._config.policy))


async def authorized(authorizer: DetailAuthorizer | None, request: Request) -> bool:
    """Asks `authorizer`. Its errors are logged and mean no: who may see details must not be decided by a crash."""
    if authorizer is None:
        return False
    try:
        answer = authorizer(request)
        return bool(await answer) if inspect.isawaitable(answer) else bool(answer)
    except Exception:
        logger.exception("the authorizer of health details failed; details are withheld")
        return False
