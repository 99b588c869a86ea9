"""Interface through which the reconciler of runs reports what happens; ``app`` turns it into logs and metrics."""

from typing import Protocol

from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.objects.owned import OwnedRecord
from taskaction.flows.effects import FlowLogEntry
from taskaction.plugin.storage import StorageError


class RunRecorder(Protocol):
    """Recorder of what happens to runs; must not raise, and must not wait."""

    def on_run_log_entry(self, record: RunRecord, entry: FlowLogEntry) -> None:
        """Record an entry of a run's log, whose status is durable."""

    def on_run_log_cut(self, record: RunRecord, count: int) -> None:
        """Record that entries of a run are omitted from the operator's log, because the run has too many."""

    def on_storage_failed(self, record: OwnedRecord, error: StorageError) -> None:
        """Record that the storage did not take or return data of a run."""

    def on_run_finished(self, record: RunRecord) -> None:
        """Record that the end of a run was written."""

    def on_task_failed(self, task: str, error: BaseException) -> None:
        """Record that a background task failed."""
