"""What the engine of runs tells about itself, as a Protocol; logs and metrics are made of it elsewhere."""

from typing import Protocol

from taskaction.control.flow_runs.records import RunRecord
from taskaction.flows.effects import Entry


class RunJournal(Protocol):
    """Takes note; must not raise, and must not wait."""

    def run_logged(self, record: RunRecord, entry: Entry) -> None:
        """An entry of a run's log, whose status is durable."""

    def run_settled(self, record: RunRecord) -> None:
        """A run has ended, and its status says so."""

    def failed(self, task: str, error: BaseException) -> None:
        """Something that nobody waits for went wrong."""
