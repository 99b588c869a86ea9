"""Tables of the live runs, and of the live objects of both kinds."""

from dataclasses import dataclass

from taskaction.api.enums import ParentKind
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.objects.owned import OwnedRecord
from taskaction.control.objects.tables import ActionTable, RecordTable


class RunTable(RecordTable[RunRecord]):
    """The live runs."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class LiveRecords:
    """The live actions and runs by their common interface."""

    actions: ActionTable
    runs: RunTable

    def get(self, uid: str) -> OwnedRecord | None:
        """Return the record with this uid."""
        return self.actions.get(uid) or self.runs.get(uid)

    def get_by_name(self, kind: ParentKind, namespace: str, name: str) -> OwnedRecord | None:
        """Return the record with this name."""
        table: ActionTable | RunTable = self.actions if kind is ParentKind.TASK_ACTION else self.runs
        return table.get_by_name(namespace, name)
