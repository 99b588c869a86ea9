"""The error of a schedule that cannot be read."""

from taskaction.core.errors import TaskActionError


class ScheduleError(TaskActionError, ValueError):
    """A field of a schedule is invalid; the message names the field and the fix.

    Attributes:
        field: the path of the field, for example ``spec.cron``.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
