"""Responses to senders; the only module that holds their texts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookResponse:
    """HTTP response; ``result`` is also a label of the metric.

    Attributes:
        retry_after: seconds after which the sender may retry.
    """

    status: int
    result: str
    message: str = ""
    retry_after: int | None = None


ACCEPTED = WebhookResponse(status=202, result="accepted")
DUPLICATE = WebhookResponse(status=200, result="duplicate")
UNKNOWN = WebhookResponse(status=404, result="unknown", message="no webhook is configured at this address")
NOT_CONFIGURED = WebhookResponse(
    status=404, result="unknown", message="callbacks require TASKACTION_WEBHOOKS_KEY_FILE, which is not set"
)


def ignored_response(why: str) -> WebhookResponse:
    """Return the response to a request that is accepted and not stored."""
    return WebhookResponse(status=200, result="ignored", message=why)


def refused_response(status: int, why: str) -> WebhookResponse:
    """Return the response to a request that the sender must fix."""
    return WebhookResponse(status=status, result="refused", message=why)


def busy_response(status: int, why: str, seconds: int = 5) -> WebhookResponse:
    """Return the response to a request that the sender may retry later."""
    return WebhookResponse(status=status, result="busy", message=why, retry_after=seconds)
