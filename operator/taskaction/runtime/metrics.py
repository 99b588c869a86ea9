"""What Prometheus is told, under names that do not grow with the number of objects; measures, and decides nothing."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from taskaction.cluster.rest import FinishedRequest
from taskaction.runtime.build_info import describe_process

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)


class Metrics:
    """The operator's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        describe_process(self.registry, "operator")
        self.admitted = self._counter("actions_seen", "Actions seen for the first time by this process.")
        self.finished = self._counter("actions_finished", "Actions that ended, by phase and reason.", "phase", "reason")
        self.runs_finished = self._counter(
            "flow_runs_finished", "Runs of flows that ended, by phase and reason.", "phase", "reason"
        )
        self.attempts = self._counter("attempts", "Attempts that were begun, by executor.", "executor")
        self.queue_wait = Histogram(
            "taskaction_queue_wait_seconds",
            "Time actions spend queued before a worker picks them up: to start, or to be polled.",
            ("turn",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.quota_wait = Histogram(
            "taskaction_quota_wait_seconds",
            "How long actions waited for a quota of their target before they were let through.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.rates_exhausted = self._counter(
            "rates_exhausted", "Times that actions had to wait since the rate of their provider was used up."
        )
        self.calls = Histogram(
            "taskaction_executor_call_seconds",
            "Duration of calls of executors, by executor and outcome.",
            ("executor", "outcome"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.latency = Histogram(
            "taskaction_action_seconds",
            "From an action's creation to its durable end.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.writes = self._counter("status_writes", "Status writes of actions that became durable.")
        self.retries = self._counter("api_retries", "Calls to the API server that are tried again, by error.", "error")
        self.overtaken = self._counter("status_overtaken", "Status writes given up for another owner's.")
        self.abandoned = self._counter("cancels_abandoned", "Cancels that executors did not confirm in time.")
        self.errors = self._counter("errors", "Errors that nobody had foreseen.")
        self.events_dropped = self._counter("events_dropped", "Kubernetes Events that were not posted.")
        self.requests = Histogram(
            "taskaction_api_request_seconds",
            "Requests to the API server, by verb, resource, subresource and code; 0 where no answer came.",
            ("verb", "resource", "subresource", "code"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.loop_lag = Gauge(
            "taskaction_loop_lag_seconds",
            "How late the event loop is, the last time it was looked at.",
            registry=self.registry,
        )

    def add_gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Show a value that is read when it is asked for."""
        Gauge(f"taskaction_{name}", text, registry=self.registry).set_function(value)

    def add_gauges(self, values: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """Show several values."""
        for name, (text, value) in values.items():
            self.add_gauge(name, text, value)

    def requested(self, request: FinishedRequest) -> None:
        """Count a request to the API server."""
        labels = (request.verb, request.resource, request.subresource, str(request.code))
        self.requests.labels(*labels).observe(request.seconds)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"taskaction_{name}", text, labels, registry=self.registry)
