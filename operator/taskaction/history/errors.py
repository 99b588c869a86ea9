"""Errors of the history, independent of the database and its driver."""

from taskaction.core.errors import TaskActionError


class HistoryError(TaskActionError):
    """Base of the errors of the history."""


class HistoryUnavailableError(HistoryError):
    """The database does not answer, or has no tables yet; the same call may succeed later."""


class HistoryRefusedError(HistoryError):
    """The database refuses a record; the same call never succeeds."""
