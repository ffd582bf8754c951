"""Puts counted requests into Prometheus' words. The only module that imports its client library."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from vestibule.service.series import BUCKETS, Series

if TYPE_CHECKING:
    from vestibule.service.metrics import Metrics

_PROCESS: Final = re.compile(r"_([0-9]+)\.db$")
_ROUTE: Final = ("method", "endpoint")
_REQUESTS: Final = ("http_requests", "Requests answered", (*_ROUTE, "status_code"))
_SECONDS: Final = ("http_request_duration_seconds", "Time from a request to the end of its answer, in seconds", _ROUTE)
_ERRORS: Final = ("http_errors", "Requests answered with a status of 400 or above", (*_ROUTE, "status_class"))
_BROKEN: Final = ("http_responses_broken", "Answers that began and broke off because of an error", _ROUTE)
_STATUS: Final = ("http_status", "Requests answered, by status only", ("status_code",))

_Labels = Callable[["tuple[str, str, int]"], "tuple[str, ...]"]


class _Identity(NamedTuple):
    """How a number of the identity client is shown."""

    name: str
    help: str
    counts: bool


_IDENTITY: Final = {
    "keys_loaded": _Identity("identity_keys", "Keys at hand to verify tokens with", False),
    "key_set_age_seconds": _Identity("identity_key_set_age_seconds", "Age of the keys at hand, in seconds", False),
    "key_set_fetches": _Identity("identity_key_set_fetches", "Fetches of the issuer's key set, in vain or not", True),
    "key_set_fetch_failures": _Identity("identity_key_set_fetch_failures", "Fetches of the key set in vain", True),
    "identities": _Identity("identity_cached", "Tokens that are remembered", False),
    "identity_hits": _Identity("identity_hits", "Tokens that were remembered when they came again", True),
    "identity_misses": _Identity("identity_misses", "Tokens that were new", True),
    "verifications": _Identity("identity_verifications", "Signatures verified", True),
    "introspections": _Identity("identity_introspections", "Questions to the issuer about a token", True),
    "introspection_failures": _Identity("identity_introspection_failures", "Questions without a usable answer", True),
    "feed_current": _Identity("identity_feed_current", "Whether revocations are told as they happen (1 or 0)", False),
    "credential_refused": _Identity("identity_credential_refused", "Whether the issuer refuses our credential", False),
    "staleness_seconds": _Identity(
        "identity_staleness_seconds", "Seconds since everything was known that was revoked", False
    ),
    "revocations_kept": _Identity("identity_revocations_kept", "Revocations that are remembered", False),
}


class Exposition(Collector):
    """Shows what `Metrics` counted.

    Args:
        metrics: What is shown.
        shared: Several processes write into files of `PROMETHEUS_MULTIPROC_DIR`, and each shows the sum of all.
    """

    def __init__(self, metrics: Metrics, *, shared: bool) -> None:
        self._metrics = metrics
        self._shared = _Shared(metrics) if shared else None
        self.registry = self._shared.registry if self._shared else CollectorRegistry()
        if self._shared is None:
            self.registry.register(self)
            ProcessCollector(registry=self.registry)

    def describe(self) -> Iterator[Metric]:
        """Nothing: names are unique by construction, and `collect` is not to be called before the first question."""
        return iter(())

    def render(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that `accept` prefers, and its content type."""
        encode, content_type = choose_encoder(accept)
        registry = self.registry
        if self._shared is not None:
            self._shared.identity()
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return encode(registry), content_type

    def share(self, key: tuple[str, str, int], seconds: float) -> None:
        """Writes one request where other processes see it."""
        if self._shared is not None:
            self._shared.request(key, seconds)

    def share_broken(self, key: tuple[str, str]) -> None:
        """Writes one broken answer where other processes see it."""
        if self._shared is not None:
            self._shared.broken(key)

    def forget_processes(self, *, this_one: bool) -> None:
        """Takes the gauges of processes that ended out of the sums, and of this one if it is about to."""
        if self._shared is not None:
            self._shared.forget_processes(this_one=this_one)

    def share_identity(self) -> None:
        """Writes the numbers of the identity client where other processes see them."""
        if self._shared is not None:
            self._shared.identity()

    def collect(self) -> Iterator[Metric]:
        """The families of metrics, group by group."""
        prefix, groups, series = self._metrics.prefix, self._metrics.groups, self._metrics.series()
        if "traffic" in groups:
            yield _counter(prefix, _REQUESTS, _summed(series, lambda key: (key[1], key[0], _status(key[2]))))
        if "performance" in groups:
            yield _histogram(prefix, series)
        if "reliability" in groups:
            failed = [(key, one) for key, one in series if key[2] >= 400]
            yield _counter(prefix, _ERRORS, _summed(failed, lambda key: (key[1], key[0], f"{key[2] // 100}xx")))
            broken: dict[tuple[str, ...], float] = {
                (method, template): float(count) for (template, method), count in self._metrics.broken()
            }
            yield _counter(prefix, _BROKEN, broken)
        if "health" in groups:
            yield _counter(prefix, _STATUS, _summed(series, lambda key: (_status(key[2]),)))
        if self._metrics.identity is not None:
            yield from _identity(prefix, self._metrics.identity())


def _status(status: int) -> str:
    return str(status) if 100 <= status <= 599 else "other"


def _summed(series: list[tuple[tuple[str, str, int], Series]], labels: _Labels) -> dict[tuple[str, ...], float]:
    sums: dict[tuple[str, ...], float] = {}
    for key, one in series:
        to = labels(key)
        sums[to] = sums.get(to, 0.0) + one.count
    return sums


def _counter(prefix: str, what: tuple[str, str, tuple[str, ...]], sums: dict[tuple[str, ...], float]) -> Metric:
    name, text, labels = what
    family = CounterMetricFamily(prefix + name, text, labels=labels)
    for values, count in sums.items():
        family.add_metric(values, count)
    return family


def _histogram(prefix: str, series: list[tuple[tuple[str, str, int], Series]]) -> Metric:
    name, text, labels = _SECONDS
    family = HistogramMetricFamily(prefix + name, text, labels=labels)
    sums: dict[tuple[str, str], tuple[list[int], float]] = {}
    for (template, method, _), one in series:
        buckets, seconds = sums.get((method, template), ([0] * (len(BUCKETS) + 1), 0.0))
        sums[method, template] = ([a + b for a, b in zip(buckets, one.buckets, strict=True)], seconds + one.seconds)
    for values, (buckets, seconds) in sums.items():
        total, rows = 0, []
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
            total += count
            rows.append((bound, float(total)))
        family.add_metric(values, rows, seconds)
    return family


def _identity(prefix: str, numbers: dict[str, float]) -> Iterator[Metric]:
    for key, shown in _IDENTITY.items():
        if key in numbers:
            family = CounterMetricFamily if shown.counts else GaugeMetricFamily
            yield family(prefix + shown.name, shown.help, value=float(numbers[key]))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


class _Shared:
    """The same metrics as values in files, for several processes. Their children are looked up once."""

    def __init__(self, metrics: Metrics) -> None:
        self.registry = CollectorRegistry()
        self._metrics = metrics
        prefix, groups, registry = metrics.prefix, metrics.groups, self.registry

        def counter(what: tuple[str, str, tuple[str, ...]], group: str) -> Counter | None:
            return Counter(prefix + what[0], what[1], what[2], registry=registry) if group in groups else None

        self._requests = counter(_REQUESTS, "traffic")
        self._errors = counter(_ERRORS, "reliability")
        self._broken = counter(_BROKEN, "reliability")
        self._status = counter(_STATUS, "health")
        self._seconds = (
            Histogram(prefix + _SECONDS[0], _SECONDS[1], _SECONDS[2], registry=registry, buckets=BUCKETS)
            if "performance" in groups
            else None
        )
        self._children: dict[tuple[str, str, int], tuple[list[Counter], Histogram | None]] = {}
        self._told: dict[str, float] = {}
        self._gauges: dict[str, Counter | Gauge] = {}

    def request(self, key: tuple[str, str, int], seconds: float) -> None:
        children = self._children.get(key)
        if children is None:
            children = self._children[key] = self._make(*key)
        counters, histogram = children
        for counter in counters:
            counter.inc()
        if histogram is not None:
            histogram.observe(seconds)

    def _make(self, template: str, method: str, status: int) -> tuple[list[Counter], Histogram | None]:
        counters = []
        if self._requests is not None:
            counters.append(self._requests.labels(method, template, _status(status)))
        if self._errors is not None and status >= 400:
            counters.append(self._errors.labels(method, template, f"{status // 100}xx"))
        if self._status is not None:
            counters.append(self._status.labels(_status(status)))
        return counters, None if self._seconds is None else self._seconds.labels(method, template)

    def broken(self, key: tuple[str, str]) -> None:
        if self._broken is not None:
            self._broken.labels(key[1], key[0]).inc()

    def forget_processes(self, *, this_one: bool) -> None:
        """Takes the gauges of processes that ended out of the sums, and of this one if it is about to."""
        folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
        pids = {int(name[1]) for file in folder.glob("gauge_live*.db") if (name := _PROCESS.search(file.name))}
        for pid in pids:
            if pid == os.getpid() if this_one else not _is_running(pid):
                mark_process_dead(pid)  # type: ignore[no-untyped-call]

    def identity(self) -> None:
        if self._metrics.identity is None:
            return
        for key, value in self._metrics.identity().items():
            shown = _IDENTITY.get(key)
            if shown is None:
                continue
            metric = self._gauges.get(key)
            if metric is None:
                metric = self._gauges[key] = self._identity_metric(shown)
            if isinstance(metric, Counter):
                metric.inc(max(0.0, value - self._told.get(key, 0.0)))
                self._told[key] = value
            else:
                metric.set(value)

    def _identity_metric(self, shown: _Identity) -> Counter | Gauge:
        name = self._metrics.prefix + shown.name
        if shown.counts:
            return Counter(name, shown.help, registry=self.registry)
        # Of several processes the worst is told: the one that is behind.
        if shown.name.endswith("_current"):
            return Gauge(name, shown.help, registry=self.registry, multiprocess_mode="livemin")
        return Gauge(name, shown.help, registry=self.registry, multiprocess_mode="livemax")
