"""Logs and metrics of the history service: who asked for what, and never a value of a row."""

from collections.abc import Mapping

from taskaction.runtime.process_metrics import ProcessMetrics
from taskaction.runtime.recorder import ProcessRecorder

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class HistoryServeMetrics(ProcessMetrics):
    """Metrics of the service."""

    def __init__(self) -> None:
        super().__init__("history")
        self.requests = self.histogram(
            "history_request_seconds",
            "Time to answer a request, by endpoint and status code.",
            "endpoint",
            "code",
            buckets=_SECONDS,
        )
        self.deleted = self.counter("history_deleted", "Number of records that were deleted, by cause.", "cause")


class HistoryServeRecorder(ProcessRecorder[HistoryServeMetrics]):
    """Recorder of logs and metrics for the people who run the service."""

    def __init__(self) -> None:
        super().__init__(HistoryServeMetrics(), "taskaction.services.history")

    def on_answered(self, endpoint: str, who: str, status: int, why: str, seconds: float) -> None:
        """Record the answer to a request; ``why`` is the error, if it is one."""
        self.metrics.requests.labels(endpoint, str(status)).observe(seconds)
        log = self._log.info if why else self._log.debug
        log("history request answered", endpoint=endpoint, by=who, status=status, why=why)

    def on_deleted(self, who: str, count: int) -> None:
        """Record that a caller deleted records."""
        self.metrics.deleted.labels("Request").inc(count)
        self._log.info("records deleted", by=who, count=count)

    def on_retained(self, deleted: Mapping[str, int]) -> None:
        """Record how many records the rules of retention have deleted, by cause."""
        for cause, count in deleted.items():
            self.metrics.deleted.labels(cause).inc(count)
        if any(deleted.values()):
            self._log.info("records deleted by the rules of retention", **deleted)

    def on_database_failed(self, error: Exception) -> None:
        """Record that the database does not answer, or refuses a query; callers get no details."""
        self._log.warning("the database of the history does not answer a query", error=str(error))
