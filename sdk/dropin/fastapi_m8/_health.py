"""Checks of a service and their sum."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import anyio
from pydantic import BaseModel, computed_field, field_serializer
from vestibule.service.check_runs import CheckRun
from vestibule.service.redaction import redact, redact_text

__all__ = [
    "DEFAULT_TIMEOUT",
    "HealthAggregatePolicy",
    "HealthBoard",
    "HealthCheck",
    "HealthCheckResult",
    "HealthStatus",
    "aggregate",
    "run_check",
]

DEFAULT_TIMEOUT = 0.5


class HealthStatus(str, Enum):
    """What is known of one thing, or of all together."""

    OK = "ok"
    DEGRADED = "degraded"
    FAIL = "fail"
    UNKNOWN = "unknown"

    # In texts it is its value.
    __str__ = str.__str__

    @classmethod
    def from_bool(cls, ok: bool) -> HealthStatus:
        """Good or bad."""
        return cls.OK if ok else cls.FAIL


class HealthAggregatePolicy(str, Enum):
    """Whether something unknown counts as failed, or is only told."""

    STRICT = "strict"
    LENIENT = "lenient"

    __str__ = str.__str__


class HealthCheckResult(BaseModel):
    """What a check found. Secrets in it stay, but are not shown."""

    name: str
    status: HealthStatus
    latency_ms: float | None = None
    error: str | None = None
    meta: dict[str, Any] | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return self.status is HealthStatus.OK

    @field_serializer("error")
    def _ser_error(self, v: str | None) -> str | None:
        return None if v is None else redact_text(v)

    @field_serializer("meta")
    def _ser_meta(self, v: dict[str, Any] | None) -> Any:
        return None if v is None else redact(v)

    @classmethod
    def from_bool(cls, name: str, ok: bool, **meta: Any) -> HealthCheckResult:
        """A result that is good or bad, with `meta` as its details."""
        return cls(name=name, status=HealthStatus.from_bool(ok), meta=meta or None)


@runtime_checkable
class HealthCheck(Protocol):
    """A check: a coroutine function; a plain one is run in a thread."""

    def __call__(self) -> Awaitable[HealthCheckResult]:
        """Asks."""
        ...


def aggregate(results: Sequence[HealthCheckResult], policy: HealthAggregatePolicy) -> HealthStatus:
    """The worst of the results; something unknown fails all if the policy is strict."""
    found = {result.status for result in results}
    if HealthStatus.FAIL in found:
        return HealthStatus.FAIL
    if HealthStatus.UNKNOWN in found:
        return HealthStatus.FAIL if policy is HealthAggregatePolicy.STRICT else HealthStatus.UNKNOWN
    return HealthStatus.DEGRADED if HealthStatus.DEGRADED in found else HealthStatus.OK


async def run_check(check: Any, timeout: float = DEFAULT_TIMEOUT) -> HealthCheckResult:
    """Runs a check once, at most `timeout` seconds. It never raises."""
    return await _ask(CheckRun(check), check, timeout)


async def _ask(run: CheckRun, check: Any, timeout: float) -> HealthCheckResult:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return await _ask_simply(run.name, check, timeout)
    await run.once(timeout)
    if run.error is not None:
        return HealthCheckResult(name=run.name, status=HealthStatus.FAIL, error=str(run.error))
    if run.timed_out or run.overdue is not None:
        return _timed_out(run.name, timeout)
    return _answered(run.name, run.answer, run.seconds)


async def _ask_simply(name: str, check: Any, timeout: float) -> HealthCheckResult:
    """Without asyncio there is no thread for a check that blocks."""
    began = time.perf_counter()
    try:
        with anyio.fail_after(timeout):
            answer = await check()
    except TimeoutError:
        return _timed_out(name, timeout)
    except Exception as error:
        return HealthCheckResult(name=name, status=HealthStatus.FAIL, error=str(error))
    return _answered(name, answer, time.perf_counter() - began)


def _timed_out(name: str, timeout: float) -> HealthCheckResult:
    return HealthCheckResult(name=name, status=HealthStatus.FAIL, error=f"timeout {int(timeout * 1000)}ms")


def _answered(name: str, answer: Any, seconds: float) -> HealthCheckResult:
    if answer is None:
        return HealthCheckResult(name=name, status=HealthStatus.UNKNOWN)
    if isinstance(answer, bool):
        answer = HealthCheckResult.from_bool(name, answer)
    if not isinstance(answer, HealthCheckResult):
        kind = type(answer).__name__
        return HealthCheckResult(name=name, status=HealthStatus.FAIL, error=f"the check answered with a {kind}")
    return answer.model_copy(update={"latency_ms": seconds * 1000})


class HealthBoard:
    """The checks of an app: run once for all who ask at the same time, and kept for a moment."""

    def __init__(
        self, checks: Sequence[Any], *, timeout: float, policy: HealthAggregatePolicy, cache_ttl: float
    ) -> None:
        self._runs = [(CheckRun(check), check) for check in checks]
        self._timeout = timeout
        self._policy = policy
        self._cache_ttl = cache_ttl
        self._turn: anyio.Lock | None = None
        self._found: tuple[list[HealthCheckResult], HealthStatus] | None = None
        self._found_at = float("-inf")

    async def ask(self) -> tuple[list[HealthCheckResult], HealthStatus]:
        """What the checks found, and its sum."""
        asked = time.monotonic()
        if self._found is not None and asked - self._found_at < self._cache_ttl:
            return self._found
        if self._turn is None:
            self._turn = anyio.Lock()
        async with self._turn:
            # Whoever waited takes what was found meanwhile, which is younger than the question.
            if self._found is None or self._found_at < asked:
                results = await self._run_all()
                self._found = results, aggregate(results, self._policy)
                self._found_at = time.monotonic()
            return self._found

    async def _run_all(self) -> list[HealthCheckResult]:
        results: dict[int, HealthCheckResult] = {}

        async def one(index: int, run: CheckRun, check: Any) -> None:
            results[index] = await _ask(run, check, self._timeout)

        async with anyio.create_task_group() as group:
            for index, (run, check) in enumerate(self._runs):
                group.start_soon(one, index, run, check)
        return [results[index] for index in range(len(self._runs))]
