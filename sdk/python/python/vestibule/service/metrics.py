"""Counts requests by the template of their route, and shows the counts to Prometheus.

One record a combination of route, method and status holds everything that the metrics say of it; they are put
together when somebody asks. So counting costs a look-up and an addition, and what is kept is bounded by what the app
declares: paths that match no route share one label.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from vestibule.errors import ConfigurationError
from vestibule.service.series import Series
from vestibule.service.templates import UNMATCHED, Templates

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

__all__ = ["GROUPS", "UNMATCHED", "Metrics", "metric_groups", "metric_prefix"]

GROUPS: Final = ("traffic", "performance", "reliability", "health", "auth")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
_OTHER: Final = "OTHER"


def metric_groups(text: str) -> frozenset[str]:
    """The groups named in a comma-separated list, in any case; `all` is all of them, unknown names are ignored."""
    named = {name.strip().lower() for name in text.split(",")}
    return frozenset(GROUPS if "all" in named else named.intersection(GROUPS))


def metric_prefix(path: str) -> str:
    """What the names of metrics begin with: `/my-svc/v1` gives `my_svc_v1_`, nothing gives nothing."""
    name = re.sub("[^A-Za-z0-9_]", "_", path.strip("/"))
    if not name:
        return ""
    return f"{name}_" if not name[0].isdigit() else f"_{name}_"


class Metrics:
    """The metrics of one app, in a registry of its own.

    Args:
        app: The app whose routes label the counts; set later by `watch` if it does not exist yet.
        prefix: What all names begin with.
        groups: Which metrics there are; see `GROUPS`.
        identity: Tells the numbers of the identity client, if there is one.

    Attributes:
        shared: Several processes write into the files of `PROMETHEUS_MULTIPROC_DIR`, and each shows the sum of all.

    Raises:
        ConfigurationError: `prometheus-client` is not installed.
    """

    def __init__(
        self,
        app: Any = None,
        *,
        prefix: str = "",
        groups: Iterable[str] = GROUPS,
        identity: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        try:
            from vestibule.service.exposition import Exposition
        except ImportError as error:
            raise ConfigurationError(
                "METRICS_ENABLED needs the package prometheus-client: pip install 'vestibule[metrics]'"
            ) from error
        self.prefix = prefix
        self.groups = frozenset(groups)
        self.identity = identity if "auth" in self.groups else None
        self._series: dict[tuple[str, str, int], Series] = {}
        self._broken: dict[tuple[str, str], int] = {}
        self._templates = Templates(app)
        self.shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR") is not None
        self._exposition = Exposition(self, shared=self.shared)

    @property
    def registry(self) -> CollectorRegistry:
        """The registry, for metrics of the service's own."""
        return self._exposition.registry

    def watch(self, app: Any) -> None:
        """Labels requests by the routes of `app` from now on."""
        self._templates = Templates(app)

    def answered(self, scope: Any, status: int, seconds: float) -> None:
        """Counts one request, `seconds` after it came."""
        method = scope["method"]
        key = (self._templates.of(scope), method if method in _METHODS else _OTHER, status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series()
        series.add(seconds)
        if self.shared:
            self._exposition.share(key, seconds)

    def broke_off(self, scope: Any) -> None:
        """Counts an answer that began and was not finished because of an error."""
        method = scope["method"]
        key = (self._templates.of(scope), method if method in _METHODS else _OTHER)
        self._broken[key] = self._broken.get(key, 0) + 1
        if self.shared:
            self._exposition.share_broken(key)

    def series(self) -> list[tuple[tuple[str, str, int], Series]]:
        """Everything that was counted, by template, method and status."""
        return list(self._series.items())

    def broken(self) -> list[tuple[tuple[str, str], int]]:
        """Answers that broke off, by template and method."""
        return list(self._broken.items())

    def refresh(self) -> None:
        """Takes over the numbers of the identity client where processes share their metrics; otherwise does nothing."""
        self._exposition.share_identity()

    def join(self) -> None:
        """This process begins to share its metrics; what others left behind that were killed is cleared."""
        self._exposition.forget_processes(this_one=False)

    def leave(self) -> None:
        """This process ends; its gauges count no more."""
        self._exposition.forget_processes(this_one=True)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Everything in the text format that `accept` asks for, and its content type. It may take milliseconds."""
        return self._exposition.render(accept)

    def collect(self) -> Iterator[Metric]:
        """The metrics as Prometheus' client library has them."""
        return self._exposition.collect()
