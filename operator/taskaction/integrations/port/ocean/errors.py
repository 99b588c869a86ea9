"""Errors of Ocean's API, under Ocean's names."""

from typing import ClassVar

from taskaction.core.errors import TaskActionError
from taskaction.plugin.errors import ActionExecutionError as EngineExecutionError
from taskaction.plugin.registry import DuplicateActionExecutorError

__all__ = [
    "ActionExecutionError",
    "DuplicateActionExecutorError",
    "RetryableError",
    "RunAlreadyAcknowledgedError",
    "UserAuthRequiredError",
]


class ActionExecutionError(EngineExecutionError):
    """The action failed; the status shows the message unchanged, and an empty message also ends the run."""

    DEFAULT_STATUS_LABEL: ClassVar[str | None] = None

    def __init__(self, message: str = "", status_label: str | None = None, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.status_label = status_label or self.DEFAULT_STATUS_LABEL


class RunAlreadyAcknowledgedError(TaskActionError):
    """Another process has the run: never raised here, because an action has one owner; for ``except`` clauses."""

    def __init__(self, message: str = "the run is acknowledged already") -> None:
        super().__init__(message)


class UserAuthRequiredError(TaskActionError):
    """The user has to log in at the target first: the run pauses until ``spec.signal`` is given."""

    def __init__(self, message: str = "the user has to authenticate") -> None:
        super().__init__(message)


class RetryableError(Exception):
    """Handling a webhook failed temporarily; it is retried."""
