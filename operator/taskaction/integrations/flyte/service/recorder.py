"""Logs and metrics of the Actions service: one line per call, and never a token or a value."""

from taskaction.runtime.process_metrics import ProcessMetrics
from taskaction.runtime.recorder import ProcessRecorder

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ActionsMetrics(ProcessMetrics):
    """Metrics of the service."""

    def __init__(self) -> None:
        super().__init__("actions")
        self.calls = self.histogram(
            "actions_call_seconds",
            "Duration of calls by method and code; for a watch, its lifetime.",
            "method",
            "code",
            buckets=_SECONDS,
        )
        self.watch_lag = self.histogram(
            "actions_watch_lag_seconds",
            "Time that the oldest change of each batch waits before it is sent to a watch.",
            buckets=_SECONDS,
        )
        self.watches = self.gauge("actions_watches", "Number of watches that are served.")
        self.watches_limit = self.gauge("actions_watches_limit", "Maximum number of concurrent watches.")
        self.known = self.gauge("actions_known", "Number of known actions.")


class ActionsRecorder(ProcessRecorder[ActionsMetrics]):
    """Recorder of logs and metrics for the people who run the service."""

    def __init__(self) -> None:
        super().__init__(ActionsMetrics(), "taskaction.integrations.flyte.service")

    def on_changes_sent(self, seconds: float) -> None:
        """Record that a watch got a batch of changes, of which the oldest waited for ``seconds``."""
        self.metrics.watch_lag.observe(seconds)

    def on_call_ended(self, method: str, who: str, what: str, code: str, why: str, seconds: float) -> None:
        """Record a call in the audit log."""
        self.metrics.calls.labels(method, code).observe(seconds)
        self._log.info("call", method=method, by=who, action=what, code=code, why=why, seconds=round(seconds, 4))
