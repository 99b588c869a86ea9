"""Logs and metrics that every process has: constant messages, data as keys."""

from functools import cache
from http import HTTPStatus
from typing import Generic, TypeVar

import structlog

from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.rest import FinishedRequest
from taskaction.runtime.outages import OutageLog
from taskaction.runtime.process_metrics import ProcessMetrics

M = TypeVar("M", bound=ProcessMetrics)

_MOST_WARNINGS = 100
"""Warnings of the API server that are remembered, so that each is logged once."""


class ProcessRecorder(Generic[M]):
    """Recorder that turns what happens in a process into logs and metrics.

    Attributes:
        metrics: the metrics of the process.
    """

    def __init__(self, metrics: M, logger: str) -> None:
        self.metrics = metrics
        self._api_requests = cache(metrics.api_requests.labels)  # to look up a child costs more than to change it
        self._log = structlog.stdlib.get_logger(logger).bind()  # an unbound one is looked up for each line
        self._outages = OutageLog(self._log)
        self._warned: set[tuple[str, str]] = set()

    def on_api_request(self, request: FinishedRequest) -> None:
        """Record a request to the API server."""
        labels = (request.verb, request.resource, request.subresource, str(request.code))
        self._api_requests(*labels).observe(request.seconds)
        if 0 < request.code < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._outages.on_succeeded()
        for text in request.warnings:
            self._warn_once(request.resource, text)

    def _warn_once(self, resource: str, text: str) -> None:
        """Log a warning of the API server, which returns it with each similar request."""
        if (resource, text) in self._warned:
            return
        if len(self._warned) == _MOST_WARNINGS:
            self._warned.clear()
        self._warned.add((resource, text))
        self._log.warning("API server warns", resource=resource, text=text)

    def on_task_failed(self, task: str, error: BaseException) -> None:
        """Record that a task failed; it is retried if that can help."""
        if isinstance(error, UnavailableError):
            self.metrics.api_retries.labels(type(error).__name__).inc()
            self._outages.on_failed(task, error)
            return
        self.metrics.errors.labels(type(error).__name__).inc()
        self._log.error("unexpected error", task=task, error=f"{type(error).__name__}: {error}", exc_info=error)

    def on_process_changed(self, event: str, **facts: object) -> None:
        """Record that the process starts, is ready, or stops."""
        self._log.info(f"{self.metrics.component} {event}", **facts)
