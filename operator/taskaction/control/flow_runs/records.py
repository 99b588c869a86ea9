"""What this process knows about each live run: mutable state without behavior.

The reconciler of runs and its parts in this package change a record, and so do the parent tracker, the object editor
and the status writer in ``control.objects``. All of them run in one event loop, so no change needs a lock. Only one
turn of a run is active at a time, guarded by ``busy``.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from taskaction.api.action_flow_run import ActionFlowRun, ActionFlowRunStatus, RunError
from taskaction.api.enums import ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.cluster.gateway import Body
from taskaction.control.objects.owned import OwnedObject, OwnedRecord
from taskaction.control.objects.records import ActionTable, RecordTable
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncate
from taskaction.execution.limits import TokenBucket
from taskaction.flows.effects import Event, FlowDecision, FlowLogEntry, StartAction
from taskaction.flows.parameters import Place
from taskaction.flows.program import FlowProgram
from taskaction.flows.state import FlowState
from taskaction.lifecycle.decisions import RecordEvent
from taskaction.lifecycle.state import AbortFact, Parent
from taskaction.lifecycle.statuses import Change, build_conditions


class Stoppable(Protocol):
    """Call that runs in the background."""

    def stop(self) -> None:
        """Stop the call; its outcome is ignored."""


@dataclass(slots=True, eq=False)
class RunRecord:
    """One live run.

    Attributes:
        run: the object as last read; its ``status`` is the last reported one, see ``OwnedRecord`` for the others.
        program: the compiled definition; None until the run starts here.
        state: the state of the machine, including private parts.
        starts: the actions of the state, by visit.
        children: the visits whose action is known to exist.
        pending_events: events that the machine has not processed.
        decision: the last decision that the status does not show yet; ``abort`` is why the run ends.
        unrendered_entries: log entries that the status does not have; ``unlogged_entries``: those not yet logged.
        private_parts: the private parts of the state to store; None if nothing changed.
        unposted_events: Events to post when the status is durable; ``deferred_event`` is a delayed one.
        event_tokens: token bucket of the run's Events; None before the first.
        calls: active inline calls, by visit.
        inherited: the visits whose action another process may have created.
        cancelled: the visits whose action must end although the run continues.
        busy: a turn is active; ``requested`` requests another one.
        storage_error: the last error of the storage, after ``storage_failures`` consecutive failures.
        retry_at: when to retry the storage.
        abandon_at: when an aborted run stops waiting for its actions.
        write_now: the status must be durable before anything else is done.
    """

    run: ActionFlowRun
    status: ActionFlowRunStatus
    stored: ActionFlowRunStatus
    version: str
    shard: int = -1
    parent: Parent = Parent.NONE
    adopter: OwnedObject | None = None
    program: FlowProgram | None = None
    state: FlowState | None = None
    starts: dict[str, StartAction] = field(default_factory=dict)
    children: set[str] = field(default_factory=set)
    inherited: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    pending_events: list[Event] = field(default_factory=list)
    decision: FlowDecision | None = None
    abort: AbortFact | None = None
    unrendered_entries: list[FlowLogEntry] = field(default_factory=list)
    unlogged_entries: list[FlowLogEntry] = field(default_factory=list)
    private_parts: list[tuple[Place, Any]] | None = None
    unposted_events: list[RecordEvent] = field(default_factory=list)
    deferred_event: RecordEvent | None = None
    event_tokens: TokenBucket | None = None
    calls: dict[str, Stoppable] = field(default_factory=dict)
    busy: bool = False
    requested: bool = False
    write_now: bool = False
    is_gone: bool = False
    storage_error: str = ""
    storage_failures: int = 0
    retry_at: datetime | None = None
    abandon_at: datetime | None = None
    wake_at: datetime | None = None
    flush_at: datetime | None = None
    flushing: asyncio.Future[object] | None = None

    @property
    def uid(self) -> str:
        """``metadata.uid`` of the object, the key of all tables."""
        return self.run.metadata.uid

    @property
    def namespace(self) -> str:
        """``metadata.namespace`` of the object."""
        return self.run.metadata.namespace

    @property
    def name(self) -> str:
        """``metadata.name`` of the object."""
        return self.run.metadata.name

    @property
    def api_object(self) -> ActionFlowRun:
        """The object, by the name that records of actions use too."""
        return self.run

    @property
    def kind(self) -> ParentKind:
        """The kind of the object."""
        return ParentKind.ACTION_FLOW_RUN

    @property
    def is_finished(self) -> bool:
        """Whether the API server has the terminal status."""
        return self.stored.phase.is_terminal

    @property
    def log_fields(self) -> dict[str, object]:
        """The keys by which logs identify the object."""
        return {"namespace": self.namespace, "name": self.name, "uid": self.uid, "kind": str(self.kind)}

    @property
    def next_due(self) -> datetime | None:
        """When to reconcile the record next; None if nothing is scheduled."""
        return min((at for at in (self.wake_at, self.flush_at) if at is not None), default=None)

    def update_object(self, body: Body) -> ActionFlowRunStatus:
        """Replace the object by ``body``, and return the status in it; the record's status stays."""
        self.run = ActionFlowRun.from_body(body)
        return self.run.status

    def is_overtaken(self, server: ActionFlowRunStatus) -> bool:
        """Whether another owner has written: the server has neither the known claim nor the claim to write."""
        return server.claim not in {self.stored.claim, self.status.claim}

    def refused_status(self, message: str, now: datetime) -> ActionFlowRunStatus:
        """Return the status of a run that must fail because the API server refuses its status."""
        text = truncate(f"the API server refused the status: {message}", MESSAGE_LIMIT_CHARS)
        change = Change(
            phase=Phase.FAILED,
            reason=Reason.SYSTEM_ERROR,
            message=text,
            now=now,
            generation=self.run.metadata.generation,
        )
        return self.stored.model_copy(
            update={
                "phase": Phase.FAILED,
                "reason": Reason.SYSTEM_ERROR,
                "message": text,
                "error": RunError(code=Reason.SYSTEM_ERROR, message=text),
                "finished_at": now,
                "conditions": build_conditions(self.stored.conditions, change, text),
                "observed_generation": change.generation,
            }
        )

    def stop_calls(self) -> None:
        """Stop all inline calls of the run."""
        for call in list(self.calls.values()):
            call.stop()

    def reset(self) -> None:
        """Drop the state in memory; the next turn reads it from the status."""
        self.program, self.state = None, None
        self.starts, self.children, self.inherited, self.cancelled = {}, set(), set(), set()
        self.pending_events, self.unrendered_entries, self.unlogged_entries, self.unposted_events = [], [], [], []
        self.deferred_event = None
        self.decision = self.abort = self.private_parts = None
        self.stop_calls()
        self.abandon_at = self.wake_at = self.flush_at = self.retry_at = None
        self.write_now, self.storage_failures = False, 0


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
