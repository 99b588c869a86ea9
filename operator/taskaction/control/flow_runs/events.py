"""Kubernetes Events about runs, made from recorded statuses and so without private data; limited in number.

Events that require people are posted at once. The current state is posted after a delay if the run still continues, a
few times for each run, and with a limit for all runs. So neither a loop nor a thousand runs cost the API server more
than the work does. A run that ends before the delay creates no Event, like an action that succeeds.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from taskaction.api.action_flow_run import ActionFlowRunStatus
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.tables import RunTable
from taskaction.control.objects.events import EventPoster
from taskaction.core.clock import Clock
from taskaction.core.durations import format_duration
from taskaction.execution.agenda import Agenda, FailureHandler
from taskaction.execution.limits import TokenBucket
from taskaction.lifecycle.decisions import RecordEvent

STARTED = "Started"
ENTERED = "StateEntered"
RUN_EVENT_RATE = TokenBucket(interval=60.0, burst=10)
"""Limit of the Events about the progress of one run."""
PROCESS_EVENT_RATE = TokenBucket(interval=0.1, burst=100)
"""Limit of the Events about the progress of all runs of a process."""
_HINDERED = frozenset({Reason.STORAGE_UNAVAILABLE, Reason.FLOW_NOT_FOUND})


@dataclass(frozen=True, slots=True)
class RunNews:
    """Difference between two statuses that is worth an Event.

    Attributes:
        minor: may be dropped if the limit is reached; ``deferred`` means that it may soon be obsolete.
    """

    tell: RecordEvent
    minor: bool = True
    deferred: bool = False


def find_news(before: ActionFlowRunStatus, after: ActionFlowRunStatus, patience: timedelta) -> RunNews | None:
    """Return what in the new status of a run is worth an Event; None if nothing is."""
    message = after.message or ""
    if after.phase.is_terminal:
        return _end_news(after, patience) if not before.phase.is_terminal else None
    if after.reason in _HINDERED or after.reason == Reason.SUSPENDED:
        hindered = RecordEvent(warning=after.reason in _HINDERED, reason=after.reason, message=message)
        return RunNews(hindered) if after.reason != before.reason else None
    if after.phase is Phase.PAUSED and (before.phase, before.message) != (after.phase, after.message):
        asks = RecordEvent(warning=False, reason=after.reason or Reason.PAUSED, message=message)
        return RunNews(asks, minor=before.phase is Phase.PAUSED)
    if before.started_at is None and after.started_at is not None:
        return RunNews(RecordEvent(warning=False, reason=STARTED, message=message), deferred=True)
    if {one.name for one in after.states} - {one.name for one in before.states}:
        return RunNews(RecordEvent(warning=False, reason=ENTERED, message=message), deferred=True)
    return None


def _end_news(after: ActionFlowRunStatus, patience: timedelta) -> RunNews | None:
    if after.phase is not Phase.SUCCEEDED:
        warning = after.phase is not Phase.ABORTED
        tell = RecordEvent(warning=warning, reason=after.reason or str(after.phase), message=after.message or "")
        return RunNews(tell, minor=False)
    if (
        after.finished_at is None
        or after.started_at is None
        or (lasted := after.finished_at - after.started_at) < patience
    ):
        return None
    return RunNews(
        RecordEvent(warning=False, reason=Reason.COMPLETED, message=f"succeeded after {format_duration(lasted)}")
    )


class RunEventPoster:
    """Poster of Events about runs."""

    def __init__(self, *, clock: Clock, table: RunTable, events: EventPoster, patience: timedelta) -> None:
        """Create a poster; ``patience`` is the delay before the current state is posted."""
        self._clock = clock
        self._table = table
        self._events = events
        self._patience = patience
        self._all = PROCESS_EVENT_RATE
        self._agenda: Agenda[str] = Agenda(clock)

    async def run(self, failed: FailureHandler) -> None:
        """Post the delayed Events at their time, until cancelled; ``failed`` gets what one of them raises."""
        await self._agenda.run(self._on_due, failed)

    def on_status_stored(self, record: RunRecord) -> None:
        """Post what changed in a durable status, and the Events that waited for it."""
        for tell in record.events.take_unposted():
            self._events.post(record.run, tell)
        found = find_news(record.events.announce(record.stored), record.stored, self._patience)
        if found is None:
            return
        deferred = record.events.deferred
        if found.deferred and deferred is not None and deferred.reason == STARTED:
            found = RunNews(RecordEvent(warning=False, reason=STARTED, message=found.tell.message), deferred=True)
        record.events.defer(found.tell if found.deferred else None)
        if found.deferred:
            if self._agenda.at(record.uid) is None:
                self._agenda.set(record.uid, self._clock.now() + self._patience)
        elif not found.minor or self._spend_tokens(record):
            self._events.post(record.run, found.tell)

    def _on_due(self, uid: str) -> None:
        record = self._table.get(uid)
        event = record.events.take_deferred() if record is not None else None
        if record is not None and event is not None and self._spend_tokens(record):
            self._events.post(record.run, event)

    def _spend_tokens(self, record: RunRecord) -> bool:
        """Spend a token of the run and one of all runs; return whether both were available."""
        now: datetime = self._clock.now()
        moment, own = now.timestamp(), record.events.tokens or RUN_EVENT_RATE
        if not own.available_tokens(moment) or not self._all.available_tokens(moment):
            return False
        record.events.set_tokens(own.spend(moment))
        self._all = self._all.spend(moment)
        return True
