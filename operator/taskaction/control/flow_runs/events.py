"""Kubernetes Events about runs, made of what is on record and so of nothing private; no more than people can read.

What calls for people is told at once. Where a run stands is told a moment later, if it still goes on by then, a few
times for each run and not too often for all: neither a loop nor a thousand runs cost the API server more than the work
does. A run that is over well before that makes no Event at all, as an action that succeeds makes none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskaction.api.action_flow_run import ActionFlowRunStatus
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.control.flow_runs.records import RunRecord, RunTable
from taskaction.core.clock import Clock
from taskaction.core.durations import format_duration
from taskaction.execution.agenda import Agenda
from taskaction.execution.limits import TokenBucket
from taskaction.lifecycle.decisions import Tell

STARTED = "Started"
ENTERED = "StateEntered"
EACH = TokenBucket(interval=60.0, burst=10)
"""How often a run tells how it goes on."""
ALL = TokenBucket(interval=0.1, burst=100)
"""How often all runs of a process do."""
_HINDERED = frozenset({Reason.STORAGE_UNAVAILABLE, Reason.FLOW_NOT_FOUND})


@dataclass(frozen=True, slots=True)
class News:
    """What a status tells that the one before did not.

    Attributes:
        minor: it can be left out where there is too much to tell; ``later`` where it may soon be over.
    """

    tell: Tell
    minor: bool = True
    later: bool = False


def news(before: ActionFlowRunStatus, after: ActionFlowRunStatus, patience: timedelta) -> News | None:
    """Give what is worth an Event in a new status of a run; None where nothing is."""
    message = after.message or ""
    if after.phase.terminal:
        return _end(after, patience) if not before.phase.terminal else None
    if after.reason in _HINDERED or after.reason == Reason.SUSPENDED:
        hindered = Tell(warning=after.reason in _HINDERED, reason=after.reason, message=message)
        return News(hindered) if after.reason != before.reason else None
    if after.phase is Phase.PAUSED and (before.phase, before.message) != (after.phase, after.message):
        asks = Tell(warning=False, reason=after.reason or Reason.PAUSED, message=message)
        return News(asks, minor=before.phase is Phase.PAUSED)
    if before.started_at is None and after.started_at is not None:
        return News(Tell(warning=False, reason=STARTED, message=message), later=True)
    if {one.name for one in after.states} - {one.name for one in before.states}:
        return News(Tell(warning=False, reason=ENTERED, message=message), later=True)
    return None


def _end(after: ActionFlowRunStatus, patience: timedelta) -> News | None:
    if after.phase is not Phase.SUCCEEDED:
        warning = after.phase is not Phase.ABORTED
        tell = Tell(warning=warning, reason=after.reason or str(after.phase), message=after.message or "")
        return News(tell, minor=False)
    if (
        after.finished_at is None
        or after.started_at is None
        or (lasted := after.finished_at - after.started_at) < patience
    ):
        return None
    return News(Tell(warning=False, reason=Reason.COMPLETED, message=f"succeeded after {format_duration(lasted)}"))


class RunTeller:
    """Has Events posted about runs."""

    def __init__(
        self, *, clock: Clock, table: RunTable, post: Callable[[RunRecord, Tell], None], patience: timedelta
    ) -> None:
        """``patience`` is how long a run must go on before it is told where it stands."""
        self._clock = clock
        self._table = table
        self._post = post
        self._patience = patience
        self._all = ALL
        self.agenda: Agenda[str] = Agenda(clock, self._due)

    def stored(self, record: RunRecord, before: ActionFlowRunStatus) -> None:
        """Tell what a status says that is durable now, and what was to be told with it."""
        asides, record.asides = record.asides, []
        for tell in asides:
            self._post(record, tell)
        found = news(before, record.stored, self._patience)
        if found is None:
            return
        if found.later and record.untold is not None and record.untold.reason == STARTED:
            found = News(Tell(warning=False, reason=STARTED, message=found.tell.message), later=True)
        record.untold = found.tell if found.later else None
        if found.later:
            if self.agenda.at(record.uid) is None:
                self.agenda.set(record.uid, self._clock.now() + self._patience)
        elif not found.minor or self._may(record):
            self._post(record, found.tell)

    def _due(self, uid: str) -> None:
        record = self._table.get(uid)
        if record is None or record.untold is None:
            return
        tell, record.untold = record.untold, None
        if self._may(record):
            self._post(record, tell)

    def _may(self, record: RunRecord) -> bool:
        """Take a token of the run's and one of all; say whether there were two."""
        now: datetime = self._clock.now()
        moment, own = now.timestamp(), record.telling or EACH
        if not own.tokens(moment) or not self._all.tokens(moment):
            return False
        record.telling, self._all = own.spent(moment), self._all.spent(moment)
        return True
