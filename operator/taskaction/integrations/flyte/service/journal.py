"""Logs and metrics of the Actions service: one line per call, and never a token or a value."""

from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.rest import FinishedRequest
from taskaction.runtime.build_info import describe_process

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ActionsJournal:
    """Counts and logs, for people who run the service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        describe_process(self.registry, "actions")
        self._log = structlog.stdlib.get_logger("taskaction.integrations.flyte.service")
        self._calls = Histogram(
            "taskaction_actions_call_seconds",
            "Duration of calls by method and code; for a watch, its lifetime.",
            ("method", "code"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._api = Histogram(
            "taskaction_api_request_seconds",
            "Requests to the API server, by verb, resource and code; 0 where no answer came.",
            ("verb", "resource", "code"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._lag = Histogram(
            "taskaction_actions_watch_lag_seconds",
            "Time that the oldest change of each batch waits before it is sent to a watch.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._errors = Counter(
            "taskaction_errors", "Number of unexpected errors by type.", ("error",), registry=self.registry
        )

    def on_changes_sent(self, seconds: float) -> None:
        """Clients of a watch are told of changes of which the oldest has waited ``seconds`` for them."""
        self._lag.observe(seconds)

    def add_gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Show a value that is read when it is asked for."""
        Gauge(f"taskaction_{name}", text, registry=self.registry).set_function(value)

    def record_call(self, method: str, who: str, what: str, code: str, why: str, seconds: float) -> None:
        """A call is over: the audit log."""
        self._calls.labels(method, code).observe(seconds)
        self._log.info("call", method=method, by=who, action=what, code=code, why=why, seconds=round(seconds, 4))

    def record_failure(self, task: str, error: BaseException) -> None:
        """Record a failure that the caller cannot fix."""
        if isinstance(error, UnavailableError):
            self._log.warning("API server does not answer", task=task, error=str(error))
            return
        self._errors.labels(type(error).__name__).inc()
        self._log.error("failed", task=task, error=f"{type(error).__name__}: {error}")

    def count_request(self, request: FinishedRequest) -> None:
        """Count a request to the API server."""
        self._api.labels(request.verb, request.resource, str(request.code)).observe(request.seconds)

    def log_event(self, event: str, **facts: object) -> None:
        """Log what happens to the process."""
        self._log.info(event, **facts)
