"""Records of the schedules, and which nominal times the API server is known to have recorded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from taskaction.api.action_schedule import ActionSchedule
from taskaction.control.objects.owned import is_newer


@dataclass(slots=True, eq=False)
class ScheduleRecord:
    """What this process knows about one schedule.

    Attributes:
        schedule: the object as last read or written.
        is_busy: a reconciliation is running; ``is_requested`` says that another one must follow it.
        failures: number of failed reconciliations in a row.
        waits: whether a time is due and waits for the end of an object.
        polls: number of looks at what the schedule has made, since it last made something.
        unrecorded: names of the objects that this process has made, by their times, until the status has the times.
    """

    schedule: ActionSchedule
    is_busy: bool = False
    is_requested: bool = False
    failures: int = 0
    waits: bool = False
    polls: int = 0
    unrecorded: dict[datetime, str] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        """``metadata.uid`` of the schedule."""
        return self.schedule.metadata.uid

    @property
    def log_fields(self) -> dict[str, object]:
        """The keys by which logs identify the schedule."""
        metadata = self.schedule.metadata
        return {"namespace": metadata.namespace, "schedule": metadata.name}

    @property
    def needs_ends(self) -> bool:
        """Whether the end of an object matters now: a time waits for it, or a running reconciliation decides so."""
        return self.waits or self.is_busy

    def update(self, schedule: ActionSchedule) -> bool:
        """Replace the object if ``schedule`` is newer; return whether its spec changed."""
        known, seen = self.schedule.metadata, schedule.metadata
        if not is_newer(known.resource_version, seen.resource_version):
            return False
        self.schedule = schedule
        last = schedule.status.last_scheduled_time
        self.unrecorded = {time: name for time, name in self.unrecorded.items() if last is None or time > last}
        return seen.generation != known.generation

    def note_made(self, time: datetime, name: str) -> None:
        """Record that the object of a time was made: its deletion does not make the time due again."""
        self.unrecorded[time] = name

    def request(self) -> bool:
        """Request a reconciliation; return whether it must be started now."""
        self.is_requested = True
        return not self.is_busy

    def begin(self) -> None:
        """Record that a reconciliation begins, which serves all requests until now."""
        self.is_busy, self.is_requested = True, False

    def end(self) -> None:
        """Record that no reconciliation is running."""
        self.is_busy = False

    def fail(self) -> int:
        """Record a failed reconciliation; return the number of failures in a row."""
        self.failures += 1
        return self.failures

    def succeed(self) -> None:
        """Record a successful reconciliation."""
        self.failures = 0

    def count_poll(self, *, restart: bool) -> int:
        """Count a look at what the schedule has made; return the number of looks, which begins again on ``restart``."""
        self.polls = 1 if restart else self.polls + 1
        return self.polls


@dataclass(slots=True)
class ScheduleTable:
    """The schedules of all served namespaces, by uid."""

    records: dict[str, ScheduleRecord] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of schedules."""
        return len(self.records)

    def __iter__(self) -> Iterator[ScheduleRecord]:
        """Iterate over a copy, so that the table may change meanwhile."""
        return iter(list(self.records.values()))

    def get(self, uid: str) -> ScheduleRecord | None:
        """Return the record with this uid."""
        return self.records.get(uid)

    def add(self, schedule: ActionSchedule) -> ScheduleRecord:
        """Add a schedule and return its record."""
        record = self.records[schedule.metadata.uid] = ScheduleRecord(schedule)
        return record

    def drop(self, uid: str) -> None:
        """Remove a schedule."""
        self.records.pop(uid, None)

    def has_recorded(self, uid: str, time: datetime) -> bool:
        """Whether the stored status of a schedule has a nominal time, so that nothing is made for it again."""
        record = self.records.get(uid)
        last = record.schedule.status.last_scheduled_time if record is not None else None
        return last is not None and last >= time
