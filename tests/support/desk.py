"""The status writer before a ``FakeCluster``, with all that it tells."""

from dataclasses import dataclass, field
from typing import Any

from support.fake_cluster import FakeCluster
from support.work_requests import no_requests
from support.write_slots import write_slots
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.owned import OwnedRecord
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests
from taskaction.control.objects.writer import StatusWriter
from taskaction.testing.clock import FakeClock


@dataclass
class Desk:
    """A writer, what it writes to, and what it has told."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[tuple[str, str]] = field(default_factory=list)
    luck: float = 0.0
    requests: Requests = field(default_factory=no_requests)

    def __post_init__(self) -> None:
        self.events = EventPoster(self.cluster, self.clock, lambda: self.told.append(("dropped", "event")))

    def writer(self, in_flight: int = 10) -> StatusWriter[ActionRecord]:
        slots = write_slots(in_flight)
        return StatusWriter(
            self.cluster,
            self.clock,
            lambda: self.luck,
            self,
            self.requests,
            self.events,
            slots,
            lambda record: self.told.append(("failed", record.name)),
        )

    def on_status_written(self, record: OwnedRecord) -> None:
        self.told.append(("wrote", record.name))

    def on_write_retried(self, record: OwnedRecord, error: Exception) -> None:
        self.told.append(("retried", record.name))

    def on_status_refused(self, record: OwnedRecord, error: Exception) -> None:
        self.told.append(("refused", record.name))

    def on_write_overtaken(self, record: OwnedRecord, server: Any) -> None:
        self.told.append(("overtaken", record.name))
