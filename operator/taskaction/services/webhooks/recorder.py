"""Logs and metrics of the inbox: constant messages, and never a body or a secret."""

from taskaction.runtime.process_metrics import ProcessMetrics
from taskaction.runtime.recorder import ProcessRecorder
from taskaction.services.webhooks.responses import WebhookResponse

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class InboxMetrics(ProcessMetrics):
    """Metrics of the inbox."""

    def __init__(self) -> None:
        super().__init__("webhooks")
        self.requests = self.histogram(
            "webhook_seconds",
            "Time to respond to a webhook, by kind of address, result and status code.",
            "endpoint",
            "result",
            "code",
            buckets=_SECONDS,
        )
        self.limit = self.gauge("webhooks_limit", "Maximum number of pending webhook requests.")
        self.waiting = self.gauge("webhooks_waiting", "Number of webhook requests that no action has consumed yet.")


class InboxRecorder(ProcessRecorder[InboxMetrics]):
    """Recorder of logs and metrics for the people who run the inbox."""

    def __init__(self) -> None:
        super().__init__(InboxMetrics(), "taskaction.services.webhooks")

    def on_response(self, kind: str, where: str, answer: WebhookResponse, seconds: float) -> None:
        """Record the response to a request."""
        self.metrics.requests.labels(kind, answer.result, str(answer.status)).observe(seconds)
        log = self._log.debug if answer.result in {"accepted", "duplicate"} else self._log.info
        log("webhook answered", endpoint=where, result=answer.result, status=answer.status, why=answer.message)
