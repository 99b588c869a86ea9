"""Errors of flows: those that a run can catch by name, and those of definitions.

Names are those of Globus Flows; ``States.*`` are those of Amazon States Language.
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
BUDGET_EXCEEDED = "States.BudgetExceeded"
VISIT_LIMIT_EXCEEDED = "States.VisitLimitExceeded"
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
"""Names of the errors of actions in Amazon States Language, for users who know them."""

_SHOWN = 100
_PLAIN = re.compile(r"[A-Za-z_][\w-]*")

UNCATCHABLE_BY_ALL = frozenset({RUNTIME, DATA_LIMIT_EXCEEDED})
"""Errors that a handler must name: as in Amazon States Language, ``States.ALL`` does not match them."""


class StateError(TaskActionError):
    """A state failed; the run fails with it unless the state catches it.

    Attributes:
        name: the name of the error, which a ``Catch`` or ``Retry`` matches.
        cause: the cause, for people; for a failed action its status document.
        also: another name that a handler may use.
    """

    def __init__(self, name: str, cause: Any, also: str | None = None) -> None:
        super().__init__(f"{name}: {cause}")
        self.name = name
        self.cause = cause
        self.also = also or _ELSEWHERE.get(name)


class RunTimeError(StateError):
    """A path or an expression could not be evaluated on the data.

    The name is ``States.Runtime``; ``also`` is the narrower name of Amazon States Language, if there is one.
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
"""All names with the prefix ``States.``; Amazon States Language allows no others."""


class ExpressionError(TaskActionError, ValueError):
    """Text that is not a valid path, expression or rule."""


class DefinitionFileError(TaskActionError):
    """The file of a definition cannot be read."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Problem of a definition.

    Attributes:
        path: a JSONPath into the definition, for example ``$.States.Copy.Next``.
        message: the problem, and how to fix it.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def child_path(place: str, name: str) -> str:
    """Return the JSONPath of a property of the value at ``place``."""
    return f"{place}.{name}" if _PLAIN.fullmatch(name) else f"{place}['{name}']"


def quote_text(text: str) -> str:
    """Return a user's text for messages, truncated if it is long."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
