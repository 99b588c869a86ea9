"""What the control layer tells about itself, as a Protocol; logs and metrics are made of it elsewhere."""

from typing import Any, Protocol

from taskaction.control.objects.owned import OwnedRecord
from taskaction.control.objects.records import Record
from taskaction.lifecycle.outcomes import Outcome


class Journal(Protocol):
    """Takes note; must not raise, and must not wait."""

    def admitted(self, record: Record) -> None:
        """An action is seen for the first time."""

    def wrote(self, record: OwnedRecord) -> None:
        """A status is durable."""

    def retried(self, record: OwnedRecord, error: Exception) -> None:
        """A status write failed and will be tried again."""

    def overtaken(self, record: OwnedRecord, server: Any) -> None:
        """A status write was given up because another owner has written the status ``server``."""

    def waited(self, record: Record, seconds: float) -> None:
        """A worker has taken an action that stood in line."""

    def let_through(self, record: Record, seconds: float) -> None:
        """An action that was parked may start: its target's quota is renewed."""

    def begun(self, record: Record, executor: str) -> None:
        """An attempt begins."""

    def called(self, record: Record, executor: str, outcome: Outcome, seconds: float) -> None:
        """A call of an executor has ended."""

    def abandoned(self, record: Record) -> None:
        """An executor did not confirm a cancel within its bound."""

    def settled(self, record: Record) -> None:
        """An action has ended, and its status says so."""

    def failed(self, task: str, error: BaseException) -> None:
        """Something that nobody waits for went wrong."""
