"""Logs and metrics of the console: who did what, and never a value of an object."""

from taskaction.runtime.process_metrics import ProcessMetrics
from taskaction.runtime.recorder import ProcessRecorder

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class ConsoleMetrics(ProcessMetrics):
    """Metrics of the console."""

    def __init__(self) -> None:
        super().__init__("console")
        self.requests = self.histogram(
            "console_request_seconds",
            "Time to answer a request for a page or an act, by page and status code.",
            "page",
            "code",
            buckets=_SECONDS,
        )
        self.streams = self.gauge("console_streams", "Number of open pages that update themselves.")
        self.sessions = self.gauge("console_sessions", "Number of sessions that last.")
        self.objects = self.gauge("console_objects", "Number of actions and runs that the console knows.")


class ConsoleRecorder(ProcessRecorder[ConsoleMetrics]):
    """Recorder of logs and metrics for the people who run the console."""

    def __init__(self) -> None:
        super().__init__(ConsoleMetrics(), "taskaction.services.console")

    def on_answered(self, page: str, who: str, status: int, why: str, seconds: float) -> None:
        """Record the answer to a request; ``why`` is the error, if it is one."""
        self.metrics.requests.labels(page, str(status)).observe(seconds)
        log = self._log.info if why else self._log.debug
        log("page answered", page=page, by=who, status=status, why=why)

    def on_acted(self, who: str, act: str, kind: str, namespace: str, name: str) -> None:
        """Record that somebody changed an object."""
        self._log.info("act done", by=who, act=act, kind=kind, namespace=namespace, name=name)

    def on_signed_in(self, who: str) -> None:
        """Record that somebody signed in."""
        self._log.info("signed in", by=who)
