"""Logs and metrics of the inbox; they never contain a secret, a body or a callback address."""

from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.rest import FinishedRequest
from taskaction.runtime.build_info import describe_process
from taskaction.services.webhooks.responses import WebhookResponse

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class InboxJournal:
    """Recorder of logs and metrics for the people who run the inbox."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        describe_process(self.registry, "webhooks")
        self._log = structlog.stdlib.get_logger("taskaction.services.webhooks")
        self._requests = Histogram(
            "taskaction_webhook_seconds",
            "Time to respond to a webhook, by kind of address, result and status code.",
            ("endpoint", "result", "code"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._api = Histogram(
            "taskaction_api_request_seconds",
            "Duration of requests to the API server, by verb, resource and status code; 0 means no response.",
            ("verb", "resource", "code"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._errors = Counter(
            "taskaction_errors", "Number of errors that need attention, by type.", ("error",), registry=self.registry
        )

    def add_gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Add a gauge that reads its value at each scrape."""
        Gauge(f"taskaction_{name}", text, registry=self.registry).set_function(value)

    def on_response(self, kind: str, where: str, answer: WebhookResponse, seconds: float) -> None:
        """Record the response to a request."""
        self._requests.labels(kind, answer.result, str(answer.status)).observe(seconds)
        log = self._log.debug if answer.result in {"accepted", "duplicate"} else self._log.info
        log("webhook answered", endpoint=where, result=answer.result, status=answer.status, why=answer.message)

    def on_error(self, task: str, error: BaseException) -> None:
        """Record an error that the sender cannot fix."""
        if isinstance(error, UnavailableError):
            self._log.warning("API server is unavailable", task=task, error=str(error))
            return
        self._errors.labels(type(error).__name__).inc()
        self._log.error("failed", task=task, error=f"{type(error).__name__}: {error}")

    def on_api_request(self, request: FinishedRequest) -> None:
        """Record a request to the API server."""
        self._api.labels(request.verb, request.resource, str(request.code)).observe(request.seconds)

    def log_event(self, event: str, **facts: object) -> None:
        """Log an event of the process."""
        self._log.info(event, **facts)
