"""Whatever an executor raises becomes a failure with a code and a message, and carries the retry decision."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.lifecycle.outcomes import Failed
from taskaction.plugin.errors import (
    AccessDeniedError,
    ActionError,
    ActionExecutionError,
    AddressDeniedError,
    InvalidOutputError,
    InvalidParametersError,
    MissingSourceError,
    RateLimitedError,
    TransientError,
    failure_of,
)

DECISIONS = [
    (ActionExecutionError, "ExecutionFailed", ErrorKind.USER, RetryClass.ERROR),
    (InvalidParametersError, "InvalidParameters", ErrorKind.USER, None),
    (InvalidOutputError, "InvalidOutput", ErrorKind.USER, None),
    (AddressDeniedError, "AddressDenied", ErrorKind.USER, None),
    (MissingSourceError, "ParametersSourceNotFound", ErrorKind.USER, RetryClass.ERROR),
    (AccessDeniedError, "Forbidden", ErrorKind.USER, None),
    (RateLimitedError, "RateLimited", ErrorKind.USER, RetryClass.RATE_LIMITED),
    (TransientError, "SystemError", ErrorKind.SYSTEM, RetryClass.SYSTEM),
]


@pytest.mark.parametrize(("error", "code", "kind", "retry_class"), DECISIONS)
def test_the_type_says_whether_a_retry_can_help(
    error: type[ActionError], code: str, kind: ErrorKind, retry_class: RetryClass | None
) -> None:
    assert failure_of(error("no disk")) == Failed(code=code, message="no disk", kind=kind, retry_class=retry_class)


def test_every_error_of_the_module_has_a_decision_in_the_table() -> None:
    own = {error for error in ActionError.__subclasses__() if error.__module__ == "taskaction.plugin.errors"}
    assert own == {error for error, *_ in DECISIONS}


def test_a_code_and_a_wait_of_its_own_are_kept() -> None:
    failed = failure_of(TransientError("busy", code="Http503", retry_after=7.0))
    assert (failed.code, failed.retry_after) == ("Http503", 7.0)


class Strange(BaseException):
    """Derives from what almost nobody catches."""


class Mute(Exception):  # noqa: N818 - plug-ins call theirs as they like
    def __str__(self) -> str:
        raise RuntimeError("not even a text")


class Wordy(Exception):  # noqa: N818 - plug-ins call theirs as they like
    def __str__(self) -> Any:
        return self.args  # which is no text


MESSAGES = {
    "an ordinary one": (KeyError("size"), "KeyError: 'size'"),
    "without a text": (ValueError(), "ValueError: ValueError without a message"),
    "with nothing but space": (ValueError(" \n"), "ValueError: ValueError without a message"),
    "an action's without a text": (ActionExecutionError(), "ActionExecutionError without a message"),
    "cancelled by itself": (asyncio.CancelledError(), "the executor cancelled itself"),
    "cancelled with a text": (asyncio.CancelledError("why"), "the executor cancelled itself"),
    "the process's end": (SystemExit(3), "SystemExit: 3"),
    "the process's end without a word": (SystemExit(), "SystemExit: SystemExit without a message"),
    "a key press": (KeyboardInterrupt(), "KeyboardInterrupt: KeyboardInterrupt without a message"),
    "a generator's end": (GeneratorExit(), "GeneratorExit: GeneratorExit without a message"),
    "a strange one": (Strange("not even an Exception"), "Strange: not even an Exception"),
    "no answer in time": (TimeoutError(), "TimeoutError: TimeoutError without a message"),
    "one that cannot be shown": (Mute(), "Mute: Mute without a message"),
    "one that shows no text": (Wordy(), "Wordy: Wordy without a message"),
}


@pytest.mark.parametrize(("error", "message"), MESSAGES.values(), ids=MESSAGES)
def test_anything_raised_is_a_failure_that_says_what(error: BaseException, message: str) -> None:
    failed = failure_of(error)
    assert (failed.code, failed.message, failed.retry_class) == ("ExecutionFailed", message, RetryClass.ERROR)


def test_the_one_error_of_a_group_keeps_its_decision() -> None:
    group = ExceptionGroup(
        "unhandled", [ExceptionGroup("inner", [InvalidParametersError("size: must be more than 0")])]
    )
    failed = failure_of(group)
    assert (failed.code, failed.message) == ("InvalidParameters", "size: must be more than 0")
    assert failed.retry_class is None


async def test_a_task_group_hides_no_error() -> None:
    async def fails() -> None:
        raise RateLimitedError("slow down", retry_after=3.0)

    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
    failed = failure_of(raised.value)
    assert (failed.code, failed.retry_after) == ("RateLimited", 3.0)


def test_a_group_of_several_names_them() -> None:
    group = BaseExceptionGroup("two things", [ValueError("one"), Strange("two"), OSError()])
    assert failure_of(group).message == (
        "BaseExceptionGroup: two things (3 sub-exceptions); ValueError: one; Strange: two; "
        "OSError: OSError without a message"
    )


def test_a_group_of_very_many_stays_short() -> None:
    group = ExceptionGroup("all of them", [ValueError("x" * 10_000)] * 1000)
    assert len(failure_of(group).message) <= MESSAGE_LIMIT_CHARS


@given(st.text(), st.sampled_from([ActionExecutionError, TransientError, ValueError, Strange]))
@settings(max_examples=100)
def test_a_message_is_never_empty_and_never_too_long(text: str, kind: type[BaseException]) -> None:
    for error in (kind(text), kind(text * 300)):
        message = failure_of(error).message
        assert message.strip()
        assert len(message) <= MESSAGE_LIMIT_CHARS
