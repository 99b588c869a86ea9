"""What senders are told; a value, and the one place that knows the words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer; ``result`` is also what is counted.

    Attributes:
        retry_after: seconds after which the sender may try again.
    """

    status: int
    result: str
    message: str = ""
    retry_after: int | None = None


ACCEPTED = Answer(status=202, result="accepted")
DUPLICATE = Answer(status=200, result="duplicate")
UNKNOWN = Answer(status=404, result="unknown", message="no webhooks are taken here")
NOT_CONFIGURED = Answer(
    status=404, result="unknown", message="callbacks need TASKACTION_WEBHOOKS_KEY_FILE, which is not set here"
)


def ignored(why: str) -> Answer:
    """Give the answer to what was accepted and is of no interest."""
    return Answer(status=200, result="ignored", message=why)


def refused(status: int, why: str) -> Answer:
    """Give the answer to what the sender did wrong."""
    return Answer(status=status, result="refused", message=why)


def busy(status: int, why: str, seconds: int = 5) -> Answer:
    """Give the answer to what may be sent again later."""
    return Answer(status=status, result="busy", message=why, retry_after=seconds)
