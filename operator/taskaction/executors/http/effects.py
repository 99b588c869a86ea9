"""Whether a request may have taken effect, and may be sent again, by RFC 9110, section 9.2; pure."""

from enum import Enum, auto

from taskaction.api.enums import RetryClass
from taskaction.plugin.errors import ActionError, ActionExecutionError, TransientError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND", "QUERY", "REPORT", "SEARCH"})
IDEMPOTENT_METHODS = SAFE_METHODS | {"PUT", "DELETE"}

_REQUEST_TIMEOUT = 408
_CLIENT_ERRORS = 400
_SERVER_ERRORS = 500
_NOT_TAKEN_UP = frozenset({425, 429, 503})
"""Too Early, Too Many Requests and Service Unavailable: refused before the effect."""

_GO_ELSEWHERE = frozenset({301, 302, 307, 308})


class Sent(Enum):
    """What of a request reached the connection."""

    NOTHING = auto()
    SOME = auto()  # the first byte or more: the target may have the whole request
    KEYED = auto()  # the same, with a key by which the target recognizes a repeat


class Effect(Enum):
    """What a request has done at the target, as far as the client can know."""

    NONE = auto()  # nothing, or nothing that a repeat would do again
    UNKNOWN = auto()
    DONE = auto()

    @property
    def may_be_repeated(self) -> bool:
        """Whether sending the request again cannot have a second effect."""
        return self is Effect.NONE


def effect_of(method: str, sent: Sent, code: int | None) -> Effect:
    """Return the effect of a request with ``method``, to which the status ``code`` came back, or None for no response.

    A repeat of an idempotent or keyed request adds nothing, so its effect counts as none.
    """
    if sent is not Sent.SOME or method in IDEMPOTENT_METHODS:
        return Effect.NONE
    if code in _NOT_TAKEN_UP or code in _GO_ELSEWHERE:
        return Effect.NONE
    if code is None or code == _REQUEST_TIMEOUT or code >= _SERVER_ERRORS:
        return Effect.UNKNOWN
    return Effect.NONE if code >= _CLIENT_ERRORS else Effect.DONE


class InterruptedRequestError(TransientError):
    """Nothing says whether the request took effect, so it is repeated only with the user's permission."""

    RETRY_CLASS = RetryClass.INTERRUPTED


class UnusableResponseError(ActionExecutionError):
    """The request took effect, but the response is of no use; a retry would have a second effect."""

    RETRY_CLASS = RetryClass.INTERRUPTED


def as_unrepeatable(error: ActionError, effect: Effect) -> ActionError:
    """Return the error with which the attempt ends if its request had ``effect``.

    Unless the request may be repeated, that is an error of class Interrupted, which names the permission to retry.
    """
    if effect.may_be_repeated or error.RETRY_CLASS in {None, RetryClass.INTERRUPTED}:
        return error
    known = "may have taken effect" if effect is Effect.UNKNOWN else "has taken effect"
    text = (
        f"{error}; the request {known} and is not repeated: set idempotencyHeader if the target supports it, or add "
        "Interrupted to retryPolicy.retryOn"
    )
    kind = InterruptedRequestError if isinstance(error, TransientError) else UnusableResponseError
    return kind(text, code=error.code, retry_after=error.retry_after)
