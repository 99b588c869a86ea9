"""Interface through which the reconciler of schedules reports what happens; ``app`` turns it into logs and metrics."""

from datetime import timedelta
from typing import Protocol

from taskaction.api.action_schedule import ActionSchedule
from taskaction.api.reasons import Reason


class ScheduleRecorder(Protocol):
    """Recorder of what happens to schedules; must not raise, and must not wait."""

    def on_object_made(self, schedule: ActionSchedule, delay: timedelta) -> None:
        """Record that the object of a time exists, ``delay`` after its nominal time."""

    def on_object_refused(self, schedule: ActionSchedule, reason: Reason, message: str) -> None:
        """Record that the object of a time was not made."""

    def on_times_missed(self, schedule: ActionSchedule, count: int) -> None:
        """Record that a schedule has made no object for ``count`` times, and that the status has this."""

    def on_call_retried(self, error: Exception) -> None:
        """Record that a call to the API server failed and will be repeated."""
