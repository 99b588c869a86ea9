"""Interface through which the control layer reports what happens; ``app`` turns it into logs and metrics."""

from typing import Any, Protocol

from taskaction.control.objects.owned import OwnedRecord
from taskaction.control.objects.records import ActionRecord
from taskaction.lifecycle.outcomes import Outcome
from taskaction.plugin.storage import StorageError


class ActionRecorder(Protocol):
    """Recorder of what happens to actions; must not raise, and must not wait."""

    def on_action_admitted(self, record: ActionRecord) -> None:
        """Record that an action was seen for the first time."""

    def on_status_written(self, record: OwnedRecord) -> None:
        """Record that a status was written."""

    def on_write_retried(self, record: OwnedRecord, error: Exception) -> None:
        """Record that a status write failed and will be retried."""

    def on_write_overtaken(self, record: OwnedRecord, server: Any) -> None:
        """Record that a status write was given up because another owner has written the status ``server``."""

    def on_status_refused(self, record: OwnedRecord, error: Exception) -> None:
        """Record that the object takes no status at all, because it is too large."""

    def on_queue_left(self, record: ActionRecord, seconds: float) -> None:
        """Record how long an action was queued until a worker took it."""

    def on_quota_passed(self, record: ActionRecord, seconds: float) -> None:
        """Record how long a parked action waited until its target's quota was renewed."""

    def on_attempt_started(self, record: ActionRecord, executor: str) -> None:
        """Record that an attempt starts."""

    def on_call_ended(self, record: ActionRecord, executor: str, outcome: Outcome, seconds: float) -> None:
        """Record that a call of an executor has ended."""

    def on_storage_failed(self, record: OwnedRecord, error: StorageError) -> None:
        """Record that the storage did not take the output of an action."""

    def on_cancel_abandoned(self, record: ActionRecord) -> None:
        """Record that an executor did not confirm a cancel in time."""

    def on_action_finished(self, record: ActionRecord) -> None:
        """Record that the end of an action was written."""

    def on_task_failed(self, task: str, error: BaseException) -> None:
        """Record that a background task failed."""
