"""The errors of flows: those that a run can catch by name, and those of a definition; raised here, handled by callers.

Names are those of reference section 2.8; ``States.*`` are Amazon States Language's.
"""

import re
from dataclasses import dataclass
from typing import Any

from taskaction.core.errors import TaskActionError

ALL = "States.ALL"
RUNTIME = "States.Runtime"
NO_CHOICE_MATCHED = "States.NoChoiceMatched"
TIMEOUT = "States.Timeout"
BRANCH_FAILED = "States.BranchFailed"
TOO_MANY_FAILURES = "States.ExceedToleratedFailureThreshold"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
ACTION_UNABLE_TO_RUN = "ActionUnableToRun"
ACTION_FAILED = "ActionFailedException"
ACTION_TIMEOUT = "ActionTimeout"
PARAMETER_PATH_FAILURE = "States.ParameterPathFailure"
RESULT_PATH_FAILURE = "States.ResultPathMatchFailure"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
WEB_INPUT_EXPIRED = "Flows.WebInputExpired"
NO_TOKEN = "NoTokenException"  # noqa: S105 - the name of an error
TASK_FAILED = "States.TaskFailed"

_ELSEWHERE = {
    ACTION_FAILED: TASK_FAILED,
    ACTION_UNABLE_TO_RUN: TASK_FAILED,
    NO_TOKEN: TASK_FAILED,
    ACTION_TIMEOUT: TIMEOUT,
}
"""What Amazon States Language calls the errors of actions: whoever comes from there names them so."""

_SHOWN = 100
_PLAIN = re.compile(r"[A-Za-z_][\w-]*")

UNCATCHABLE_BY_ALL = frozenset({RUNTIME, DATA_LIMIT_EXCEEDED})
"""Errors that a handler must name: as in Amazon States Language, ``States.ALL`` does not mean them."""


class StateError(TaskActionError):
    """A state failed; the run fails with it unless the state catches it.

    Attributes:
        name: the error's name, by which a ``Catch`` or ``Retry`` finds it.
        cause: why, for people; of a failed action its status document.
        also: another name by which a handler may mean it.
    """

    def __init__(self, name: str, cause: Any, also: str | None = None) -> None:
        super().__init__(f"{name}: {cause}")
        self.name = name
        self.cause = cause
        self.also = also or _ELSEWHERE.get(name)


class RunTimeError(StateError):
    """A path or an expression could not be evaluated on the data as it is.

    It is ``States.Runtime``; ``also`` is Amazon States Language's narrower name, where it has one.
    """

    def __init__(self, cause: str, also: str | None = None) -> None:
        super().__init__(RUNTIME, cause, also)


RESERVED = "States."
KNOWN_RESERVED = frozenset(
    {
        ALL, RUNTIME, NO_CHOICE_MATCHED, TIMEOUT, BRANCH_FAILED, TOO_MANY_FAILURES, DATA_LIMIT_EXCEEDED,
        PARAMETER_PATH_FAILURE, RESULT_PATH_FAILURE, INTRINSIC_FAILURE, TASK_FAILED,
        "States.HeartbeatTimeout", "States.Permissions", "States.ItemReaderFailed", "States.ResultWriterFailed",
        "States.QueryEvaluationError",
    }
)  # fmt: skip
"""All names that begin with ``States.``; Amazon States Language lets nobody make others."""


class ExpressionError(TaskActionError, ValueError):
    """Text that is no path, expression or rule; says why."""


class DefinitionFileError(TaskActionError):
    """A file that should hold a definition cannot be read."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a definition.

    Attributes:
        path: where, as a JSONPath into the definition, for example ``$.States.Copy.Next``.
        message: what, and how to mend it.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def below(place: str, name: str) -> str:
    """Give the JSONPath of a property of what is at ``place``."""
    return f"{place}.{name}" if _PLAIN.fullmatch(name) else f"{place}['{name}']"


def quoted(text: str) -> str:
    """Give a user's text as messages show it; of a long one the beginning."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
