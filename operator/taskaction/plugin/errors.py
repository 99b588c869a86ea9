"""The errors an executor raises, each with its retry decision, and the conversion of any exception into an outcome.

ActionError
├── ActionExecutionError      the action failed                     retried as Error
├── InvalidParametersError    the parameters are wrong              never retried
├── AddressDeniedError        an address the operator may not reach never retried
├── MissingSourceError        a Secret, ConfigMap or key is missing retried as Error
├── AccessDeniedError         runAs lacks a right                   never retried
├── RateLimitedError          the target asks to slow down          retried as RateLimited
└── TransientError            the platform failed, not the action   retried as System

WebhookRefusedError is separate: it ends a request to the inbox, not an attempt.
"""

import asyncio
from typing import ClassVar

from pydantic import ValidationError

from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.api.reasons import Reason
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.errors import TaskActionError
from taskaction.core.names import truncate
from taskaction.lifecycle.outcomes import Failed, Work

_NAMED = 3
_REFUSALS = range(400, 500)


class ActionError(TaskActionError):
    """Base class of the errors by which an executor reports how its action failed.

    Attributes:
        code: a stable CamelCase word, shown as ``status.error.code``.
        retry_after: the seconds that the target asks to wait, if it says so.
    """

    CODE: ClassVar[str] = Reason.EXECUTION_FAILED
    KIND: ClassVar[ErrorKind] = ErrorKind.USER
    RETRY_CLASS: ClassVar[RetryClass | None] = RetryClass.ERROR

    def __init__(self, message: str = "", *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code or str(self.CODE)
        self.retry_after = retry_after


class ActionExecutionError(ActionError):
    """The action failed; users see the message unchanged (Port Ocean has an error of this name)."""


class InvalidParametersError(ActionError):
    """The parameters are invalid, so no retry can help."""

    CODE = Reason.INVALID_PARAMETERS
    RETRY_CLASS = None


class InvalidOutputError(ActionError):
    """The result has a value that no reader of JSON would return unchanged, so it is not recorded."""

    CODE = Reason.INVALID_OUTPUT
    RETRY_CLASS = None


class AddressDeniedError(ActionError):
    """The operator may not connect to the address."""

    CODE = Reason.ADDRESS_DENIED
    RETRY_CLASS = None


class MissingSourceError(ActionError):
    """A Secret or ConfigMap, or a key in it, is missing; somebody may create it later, so a retry can help."""

    CODE = Reason.PARAMETERS_SOURCE_NOT_FOUND


class AccessDeniedError(ActionError):
    """The account that the action runs as lacks a permission; the message names the account and the fix."""

    CODE = Reason.FORBIDDEN
    RETRY_CLASS = None


class RateLimitedError(ActionError):
    """The target asks to slow down."""

    CODE = Reason.RATE_LIMITED
    RETRY_CLASS = RetryClass.RATE_LIMITED


class TransientError(ActionError):
    """The platform failed, not the action."""

    CODE = Reason.SYSTEM_ERROR
    KIND = ErrorKind.SYSTEM
    RETRY_CLASS = RetryClass.SYSTEM


class WebhookRefusedError(TaskActionError):
    """A webhook request is refused; no action is affected, and the sender may read the message.

    Attributes:
        status: the HTTP status of the response, 400 to 499.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        if status not in _REFUSALS:
            raise ValueError(f"status: must be 400 to 499, not {status}")
        self.status = status


def failure_of(error: BaseException) -> Failed:
    """Return the outcome for ``error``.

    Every exception gets one, with a message that is never empty: an executor that raises ``CancelledError`` by
    itself, ``SystemExit`` or an error without text must not lose its action
    (docs/porting-from-ocean.md#d7 and #d8).
    """
    error = _alone(error)
    if isinstance(error, ActionError):
        return Failed(
            code=error.code,
            message=_text_of(error),
            kind=error.KIND,
            retry_class=error.RETRY_CLASS,
            retry_after=error.retry_after,
        )
    if isinstance(error, asyncio.CancelledError):
        return Failed(code=Reason.EXECUTION_FAILED, message="the executor cancelled itself")
    return Failed(code=Reason.EXECUTION_FAILED, message=f"{type(error).__name__}: {_text_of(error)}")


def work_after_execute(error: BaseException) -> Work:
    """Return what an error of ``execute`` says about the work outside.

    An executor that raises has started nothing by this call, but a call that was lost before may have.
    """
    return Work.ENDED if isinstance(_alone(error), ActionExecutionError) else Work.UNCHANGED


def work_after_poll(error: BaseException) -> Work:
    """Return what an error of ``poll`` says about the work outside: unless it has ended, it may continue."""
    return Work.ENDED if isinstance(_alone(error), ActionExecutionError | InvalidOutputError) else Work.UNKNOWN


def _alone(error: BaseException) -> BaseException:
    """Unwrap a group with one error: a ``TaskGroup`` wraps even a single error, and with it the retry decision."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _text_of(error: BaseException) -> str:
    if isinstance(error, ValidationError):  # its own text quotes the value
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
    try:
        text = str(error).strip()
    except Exception:  # noqa: BLE001 - the text of an error is code of the plug-in, too
        text = ""
    if isinstance(error, BaseExceptionGroup):
        text = "; ".join([text, *(f"{type(inner).__name__}: {_text_of(inner)}" for inner in error.exceptions[:_NAMED])])
    return truncate(text or f"{type(error).__name__} without a message", MESSAGE_LIMIT_CHARS - 64)
