"""What this process knows about each live run, and every change of it.

Only the methods of this module and of ``OwnedRecord`` change a record; the other modules decide when
(``tests/unit/control/test_records_have_one_writer.py`` checks it). Only one turn of a run is active at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from taskaction.api.action_flow_run import ActionFlowRun, ActionFlowRunStatus, RunError
from taskaction.api.enums import ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.cluster.gateway import Body
from taskaction.control.flow_runs.documents import LoadedState, PrivateParts, StateDocument
from taskaction.control.flow_runs.event_backlog import EventBacklog
from taskaction.control.flow_runs.holds import QuotaHold, Stoppable
from taskaction.control.flow_runs.storage_waits import StorageWait
from taskaction.control.flow_runs.translation import RunEvent
from taskaction.control.objects.owned import OwnedRecord
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncate
from taskaction.execution.limits import TokenBucket
from taskaction.flows.effects import CancelAction, FlowDecision, FlowLogEntry, StartAction
from taskaction.flows.program import FlowProgram
from taskaction.flows.state import FlowState
from taskaction.lifecycle.state import AbortFact
from taskaction.lifecycle.statuses import Change, build_conditions


@dataclass(slots=True, eq=False, kw_only=True)
class RunRecord(OwnedRecord):
    """One live run.

    Attributes:
        run: the object as last read; its ``status`` is the last reported one, see ``OwnedRecord`` for the others.
        program: the compiled definition; None until the run starts here.
        state: the state of the machine, including private parts.
        document: the stored form of the state; None if it is not known yet.
        state_values: the last known maximum number of values in the state.
        starts: the actions of the state, by visit.
        children: the visits whose action is known to exist.
        adopted: the uid of the action of each visit, created here or proven to be the run's own; nobody else's counts.
        pending_events: events that the machine has not processed.
        decision: the last decision that the status does not show yet; ``abort`` is why the run ends.
        unrendered_entries: log entries that the status does not have; ``unlogged_entries``: those not yet logged.
        private_parts: the private parts of the state to store; None if nothing changed.
        events: the Events that are not posted yet.
        log_tokens: token bucket of the run's log entries; None before the first.
        calls: active inline calls, by visit.
        inherited: the visits whose action another process may have created.
        cancelled: the visits whose action must end although the run continues.
        hold: why and until when actions are not created, since a ResourceQuota refused one.
        private_hold: why and until when private parts are not stored, since a ResourceQuota refused their Secret.
        busy: a turn is active; ``requested`` requests another one.
        storage_wait: the errors of the storage, and when to retry it.
        abandon_at: when an aborted run stops waiting for its actions.
        write_now: the status must be durable before anything else is done.
    """

    run: ActionFlowRun
    status: ActionFlowRunStatus
    stored: ActionFlowRunStatus
    program: FlowProgram | None = None
    state: FlowState | None = None
    document: StateDocument | None = None
    state_values: int = 0
    starts: dict[str, StartAction] = field(default_factory=dict)
    children: set[str] = field(default_factory=set)
    adopted: dict[str, str] = field(default_factory=dict)
    inherited: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    hold: QuotaHold | None = None
    private_hold: QuotaHold | None = None
    pending_events: list[RunEvent] = field(default_factory=list)
    decision: FlowDecision | None = None
    abort: AbortFact | None = None
    unrendered_entries: list[FlowLogEntry] = field(default_factory=list)
    unlogged_entries: list[FlowLogEntry] = field(default_factory=list)
    private_parts: PrivateParts | None = None
    events: EventBacklog = field(default_factory=EventBacklog)
    log_tokens: TokenBucket | None = None
    calls: dict[str, Stoppable] = field(default_factory=dict)
    busy: bool = False
    requested: bool = False
    write_now: bool = False
    storage_wait: StorageWait = field(default_factory=StorageWait)
    abandon_at: datetime | None = None

    @classmethod
    def from_run(cls, run: ActionFlowRun) -> "RunRecord":
        """Return the record of an object that was just read."""
        record = cls(run=run, status=run.status, stored=run.status, version=run.metadata.resource_version)
        record.events.announce(run.status)
        return record

    # -- facts --------------------------------------------------------------------------------------------------------

    @property
    def definition(self) -> Mapping[str, Any]:
        """The definition with which the run has started."""
        flow = self.status.flow
        return self.run.spec.definition or (flow.definition if flow is not None else None) or {}

    @property
    def api_object(self) -> ActionFlowRun:
        """The object, by the name that records of actions use too."""
        return self.run

    @property
    def kind(self) -> ParentKind:
        """The kind of the object."""
        return ParentKind.ACTION_FLOW_RUN

    @property
    def log_fields(self) -> dict[str, object]:
        """The keys by which logs identify the object."""
        return {"namespace": self.namespace, "name": self.name, "uid": self.uid, "kind": str(self.kind)}

    @property
    def next_due(self) -> datetime | None:
        """When to look at the record next; None if nothing is scheduled."""
        held_until = self.hold.until if self.hold is not None else None
        return min((at for at in (self.wake_at, self.flush_at, held_until) if at is not None), default=None)

    def refused_status(self, reason: Reason, message: str, now: datetime) -> ActionFlowRunStatus:
        """Return the status of a run that must fail because the API server refuses its status."""
        text = truncate(f"the API server refused the status: {message}", MESSAGE_LIMIT_CHARS)
        generation = self.run.metadata.generation
        change = Change(phase=Phase.FAILED, reason=reason, message=text, now=now, generation=generation)
        return self.stored.model_copy(
            update={
                "phase": Phase.FAILED,
                "reason": reason,
                "message": text,
                "error": RunError(code=reason, message=text),
                "finished_at": now,
                "conditions": build_conditions(self.stored.conditions, change, text),
                "observed_generation": change.generation,
            }
        )

    def smallest_status(self, reason: Reason, now: datetime) -> ActionFlowRunStatus:
        """Return the smallest status of a run that must fail; the claim may not be removed."""
        return ActionFlowRunStatus(phase=Phase.FAILED, reason=reason, finished_at=now, claim=self.stored.claim)

    @property
    def is_write_delayed(self) -> bool:
        """Whether the status waits until the data to which it refers can be stored."""
        return self.storage_wait.retry_at is not None or self.private_hold is not None

    @property
    def is_written(self) -> bool:
        """Whether the API server has everything that was decided."""
        return self.decision is None and self.status is self.stored

    # -- the object ---------------------------------------------------------------------------------------------------

    def update_object(self, body: Body) -> ActionFlowRunStatus:
        """Replace the object by ``body``, and return the status in it; the record's status stays."""
        self.run = ActionFlowRun.from_body(body)
        return self.run.status

    def update_run(self, run: ActionFlowRun, *, overtaken: bool, owned: bool) -> None:
        """Replace the object by a newer one, and its status if another process wrote it."""
        self.run = run
        self.accept_version()
        if run.status != self.stored and self.flushing is None:
            self.stored = run.status
            if overtaken or not owned:
                self.status = run.status
                self.reset()

    def finish_elsewhere(self, run: ActionFlowRun) -> None:
        """Replace the object by one with the end that another process has recorded."""
        self.run = run
        self.replace_status(run.status)

    def show_stored_status(self) -> ActionFlowRunStatus:
        """Put the stored status into the object, and return the status that it had before."""
        before, was_placed = self.run.status, not self.must_be_placed
        self.run = self.run.model_copy(update={"status": self.stored})
        if was_placed:
            self.placed = self.run
        return before

    def take_up(self) -> None:
        """Forget what this process knew before it became the owner."""
        self.reset()
        self.status = self.stored
        self.events.announce(self.stored)

    # -- turns --------------------------------------------------------------------------------------------------------

    def request_turn(self) -> None:
        """Request a turn, or another one after the active turn."""
        self.requested = True

    def begin_turn(self) -> None:
        """Record that a turn is active."""
        self.busy = True

    def take_request(self) -> None:
        """Record that the active turn serves all requests until now."""
        self.requested = False

    def end_turn(self) -> None:
        """Record that no turn is active."""
        self.busy = False

    def require_write(self, *, required: bool = True) -> None:
        """Require that the status is durable before anything else is done."""
        self.write_now |= required

    def take_due_flush(self, now: datetime) -> None:
        """Require a write if the delayed one is due, and remove the timers that led here."""
        if self.flush_at is not None and self.flush_at <= now:
            self.flush_at, self.write_now = None, True
        self.hold = self.hold if self.hold is not None and self.hold.until > now else None
        held = self.private_hold
        self.private_hold = held if held is not None and held.until > now else None
        self.wake_at = None

    def begin_commit(self) -> bool:
        """Return whether a write is required, and record that it begins."""
        if not self.write_now:
            return False
        self.write_now, self.flush_at = False, None
        return True

    # -- state of the machine -----------------------------------------------------------------------------------------

    def start_program(self, program: FlowProgram) -> None:
        """Set the compiled definition that the run starts with."""
        self.program = program

    def load_state(self, program: FlowProgram, loaded: LoadedState, cancelled: set[str]) -> None:
        """Set program and state as they were recorded; which actions exist is unknown."""
        self.program, self.state, self.state_values, self.document = program, loaded.state, loaded.values, None
        self.starts = {start.visit: start for start in loaded.starts}
        self.inherited, self.children, self.cancelled = set(self.starts), set(), cancelled
        self.adopted = {}

    def add_events(self, events: Iterable[RunEvent]) -> None:
        """Add events for the next turn."""
        self.pending_events += events

    def take_events(self) -> list[RunEvent]:
        """Remove and return the events of this turn."""
        taken, self.pending_events = self.pending_events, []
        return taken

    def return_events(self, events: Sequence[RunEvent]) -> None:
        """Put events back that could not be processed, before those that have come meanwhile."""
        self.pending_events = [*events, *self.pending_events]

    def resume(self, now: datetime) -> timedelta:
        """Record that the run is not suspended any more; return how long it was."""
        since = self.status.suspended_at or now
        self.update_status(suspended_at=None)
        self.write_now = True
        return now - since

    def accept(self, decision: FlowDecision, document: StateDocument | None, fact: AbortFact | None) -> None:
        """Accept a decision of the machine, with the actions that it starts and stops."""
        self.keep_document(document)
        self.state, self.decision, self.abort = decision.state, decision, fact
        self.unrendered_entries += decision.entries
        acting = {frame.acting for frame in decision.state.root.walk() if frame.acting is not None}
        started = {start.visit: start for start in decision.effects if isinstance(start, StartAction)}
        known = {**self.starts, **started}
        if decision.outcome is None:  # otherwise they end with the run
            stopped = {one.visit for one in decision.effects if isinstance(one, CancelAction)}
            self.cancelled |= {visit for visit in stopped if visit not in known or not known[visit].inline}
        self.starts = {visit: start for visit, start in known.items() if visit in acting}
        self.children &= acting
        self.adopted = {visit: uid for visit, uid in self.adopted.items() if visit in acting}
        self.hold = self.hold if self.starts.keys() - self.children else None

    def keep_document(self, document: StateDocument | None) -> None:
        """Keep the stored form of the state; None if it is not known yet."""
        self.document = document
        self.state_values = document.values if document is not None else self.state_values

    def take_decision(self) -> tuple[FlowDecision, list[FlowLogEntry]] | None:
        """Remove and return the decision that the status does not show yet, with its log entries."""
        decision, self.decision = self.decision, None
        if decision is None:
            return None
        entries, self.unrendered_entries = self.unrendered_entries, []
        self.unlogged_entries += entries
        return decision, entries

    def set_private_parts(self, parts: PrivateParts) -> None:
        """Set the private parts of the state to store with the next write."""
        self.private_parts = parts

    def take_private_parts(self) -> PrivateParts | None:
        """Remove and return the private parts to store; None if nothing changed."""
        parts, self.private_parts = self.private_parts, None
        return parts

    def hold_private_parts(self, parts: PrivateParts, hold: QuotaHold) -> None:
        """Store private parts after the hold."""
        self.private_parts, self.private_hold = parts, hold

    def end_private_hold(self) -> None:
        """Forget a hold of private parts that were stored, or are not needed any more."""
        self.private_hold = None

    def take_log_entries(self) -> list[FlowLogEntry]:
        """Remove and return the entries to log, because the status has them."""
        entries, self.unlogged_entries = self.unlogged_entries, []
        return entries

    def set_log_tokens(self, bucket: TokenBucket) -> None:
        """Set what is left of the limit of the run's log entries."""
        self.log_tokens = bucket

    def drop_unwritten(self) -> None:
        """Return to the recorded status, and forget log entries whose status is never written."""
        self.status, self.unlogged_entries = self.stored, []

    # -- actions ------------------------------------------------------------------------------------------------------

    def take_missing_starts(self) -> list[StartAction]:
        """Return the actions that are not known to exist, except those held back, and take them as existing."""
        missing = [one for one in self.starts.values() if one.visit not in self.children]
        missing = [one for one in missing if one.inline or self.hold is None]
        self.children |= {start.visit for start in missing}
        return missing

    def hold_starts(self, visits: Iterable[str], hold: QuotaHold | None) -> None:
        """Start the actions of ``visits`` after the hold; None forgets an earlier one."""
        self.children -= set(visits)
        self.hold = hold

    def adopt(self, visit: str, uid: str) -> None:
        """Take an object for the action of a visit: the run created it, or its origin is proven."""
        self.adopted[visit] = uid

    def take_cancelled(self) -> set[str]:
        """Remove and return the visits whose action must end."""
        cancelled, self.cancelled = self.cancelled, set()
        return cancelled

    def add_call(self, visit: str, call: Stoppable) -> None:
        """Add an active inline call."""
        self.calls[visit] = call

    def remove_call(self, visit: str) -> None:
        """Remove an inline call that ended or is not needed any more."""
        del self.calls[visit]

    def retry_start(self, visit: str) -> None:
        """Start the action of a visit again in a later turn."""
        self.children.discard(visit)

    def wait_for_children_until(self, at: datetime) -> datetime:
        """Set when an aborted run stops waiting for its actions, unless that is set; return it."""
        self.abandon_at = self.abandon_at or at
        return self.abandon_at

    def stop_calls(self) -> None:
        """Stop all inline calls of the run."""
        for call in list(self.calls.values()):
            call.stop()

    # -- storage ------------------------------------------------------------------------------------------------------

    def wait_for_storage(self, wait: StorageWait) -> None:
        """Record that the storage did not respond, or refused."""
        self.storage_wait = wait

    def clear_storage_errors(self) -> None:
        """Record that the storage responds."""
        self.storage_wait = StorageWait()

    def delay_write(self, wanted: ActionFlowRunStatus, until: datetime | None) -> None:
        """Write ``wanted`` when the data to which it refers is stored again."""
        self.status = wanted
        self.write_now, self.flush_at = True, until

    def reset(self) -> None:
        """Drop the state in memory; the next turn reads it from the status."""
        self.program, self.state, self.document = None, None, None
        self.starts, self.children, self.inherited, self.cancelled = {}, set(), set(), set()
        self.adopted = {}
        self.pending_events, self.unrendered_entries, self.unlogged_entries = [], [], []
        self.events.clear()
        self.decision = self.abort = self.private_parts = None
        self.stop_calls()
        self.abandon_at = self.wake_at = self.flush_at = self.hold = self.private_hold = None
        self.write_now, self.storage_wait = False, StorageWait()
