"""Tables of the live objects, by uid and by name."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from taskaction.control.objects.owned import OwnedRecord
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import ProviderKey, provider_key

LATE_NOTICES = 300.0
"""Maximum age of a notification in seconds."""

R = TypeVar("R", bound=OwnedRecord)


@dataclass(slots=True)
class RecordTable(Generic[R]):
    """The live objects of one kind by uid and by name.

    Finished objects leave the table. Their uids stay in ``finished`` for a while, in the order of their ends, so that a
    late notification does not add them again.
    """

    records: dict[str, R] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of live objects."""
        return len(self.records)

    def __iter__(self) -> Iterator[R]:
        """Iterate over a copy, so that the table may change meanwhile."""
        return iter(list(self.records.values()))

    def get(self, uid: str) -> R | None:
        """Return the record with this uid."""
        return self.records.get(uid)

    def get_by_name(self, namespace: str, name: str) -> R | None:
        """Return the record with this name."""
        uid = self.names.get((namespace, name))
        return self.records.get(uid) if uid is not None else None

    def is_own_end(self, uid: str) -> bool:
        """Whether this process has ended the object, or is writing its end; a thread may ask."""
        record = self.records.get(uid)
        return uid in self.finished or (record is not None and record.is_being_finished)

    def add(self, record: R) -> None:
        """Add a record."""
        self.records[record.uid] = record
        self.names[record.namespace, record.name] = record.uid

    def finish(self, record: R, now: float) -> None:
        """Remove a finished object, and forget older ones whose last notification has arrived by ``now``."""
        self.drop(record)
        self.finished[record.uid] = now
        while (oldest := next(iter(self.finished))) and self.finished[oldest] < now - LATE_NOTICES:
            del self.finished[oldest]

    def drop(self, record: R) -> None:
        """Remove a record; a newer object of the same name stays."""
        self.records.pop(record.uid, None)
        if self.names.get((record.namespace, record.name)) == record.uid:
            del self.names[record.namespace, record.name]


@dataclass(slots=True)
class ActionTable(RecordTable[ActionRecord]):
    """The live actions, also by their providers, which never change."""

    by_provider: dict[ProviderKey, dict[str, None]] = field(default_factory=dict)

    def of_provider(self, key: ProviderKey) -> list[ActionRecord]:
        """Return the actions of a provider."""
        return [self.records[uid] for uid in self.by_provider.get(key, ())]

    def add(self, record: ActionRecord) -> None:
        """Add a record."""
        RecordTable.add(self, record)
        if (key := provider_key(record.action)) is not None:
            self.by_provider.setdefault(key, {})[record.uid] = None

    def drop(self, record: ActionRecord) -> None:
        """Remove a record; a newer object of the same name stays."""
        RecordTable.drop(self, record)
        if (key := provider_key(record.action)) is not None and key in self.by_provider:
            self.by_provider[key].pop(record.uid, None)
            if not self.by_provider[key]:
                del self.by_provider[key]
