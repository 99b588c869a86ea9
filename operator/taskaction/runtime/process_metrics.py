"""Metrics that every process has, and the renaming of metrics; no label grows with the number of objects."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from taskaction import __version__

M = TypeVar("M", bound=Collector)
PREFIX = "taskaction_"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
"""Buckets of durations."""
FORMER_NAMES: Mapping[str, str] = MappingProxyType({"taskaction_queue_outside": "taskaction_backlog_actions"})
"""Present name of each renamed metric by its former one, both without the suffixes of samples such as ``_total``."""


class RenamedMetric(Collector):
    """Second export of a metric under the name that it had before."""

    def __init__(self, name: str, metric: Collector, present: str) -> None:
        self._name = name
        self._metric = metric
        self._present = present

    def collect(self) -> Iterator[Metric]:
        """Yield the samples of the metric, renamed."""
        for family in self._metric.collect():
            found = Metric(self._name, f"Former name of {self._present}.", family.type, family.unit)
            for sample in family.samples:
                found.samples.append(sample._replace(name=self._name + sample.name.removeprefix(self._present)))
            yield found


class ProcessMetrics:
    """Metrics of one process in a registry of its own; subclasses add those of their work.

    Attributes:
        component: which process it is.
    """

    def __init__(self, component: str) -> None:
        self.component = component
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Collector] = {}
        ProcessCollector(registry=self.registry)
        self.gauge("build_info", "1, by component and version.", "component", "version").labels(
            component, __version__
        ).set(1)
        self.loop_lag = self.gauge("loop_lag_seconds", "Delay of the event loop at the last measurement.")
        self.api_requests = self.histogram(
            "api_request_seconds",
            "Duration of requests to the API server, by verb, resource, subresource and status code; 0 is no response.",
            "verb",
            "resource",
            "subresource",
            "code",
        )
        self.api_retries = self.counter(
            "api_retries", "Number of calls to the API server that are retried, by error.", "error"
        )
        self.errors = self.counter("errors", "Number of unexpected errors, by type.", "error")

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Add a counter; its samples end with ``_total``."""
        return self._add(name, Counter(PREFIX + name, text, labels, registry=self.registry))

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Add a gauge."""
        return self._add(name, Gauge(PREFIX + name, text, labels, registry=self.registry))

    def histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float] = SECONDS) -> Histogram:
        """Add a histogram of seconds."""
        return self._add(name, Histogram(PREFIX + name, text, labels, buckets=buckets, registry=self.registry))

    def export_former_names(self, names: Mapping[str, str] = FORMER_NAMES) -> None:
        """Export renamed metrics under their former names, too."""
        for former, present in names.items():
            metric = self._metrics.get(present)
            if metric is not None:
                self.registry.register(RenamedMetric(former, metric, present))

    def _add(self, name: str, metric: M) -> M:
        self._metrics[PREFIX + name] = metric
        return metric
