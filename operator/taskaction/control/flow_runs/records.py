"""What this process knows of each live run; plain state, changed only by the engine of runs and the status writer."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from taskaction.api.action_flow_run import ActionFlowRun, ActionFlowRunStatus, RunError
from taskaction.api.enums import ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.cluster.gateway import Body
from taskaction.control.objects.owned import Owned, OwnedRecord
from taskaction.control.objects.records import Records, Table
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncated
from taskaction.execution.limits import TokenBucket
from taskaction.flows.effects import Entry, Event, FlowDecision, StartAction
from taskaction.flows.parameters import Place
from taskaction.flows.program import FlowProgram
from taskaction.flows.state import FlowState
from taskaction.lifecycle.decisions import Tell
from taskaction.lifecycle.state import AbortFact, Parent
from taskaction.lifecycle.statuses import Change, conditions


class Stoppable(Protocol):
    """A call that goes on by itself."""

    def stop(self) -> None:
        """Let it end; nobody wants to know how."""


@dataclass(slots=True, eq=False)
class RunRecord:
    """One live run.

    Attributes:
        run: the object as last seen; its ``status`` is what was told of it last, see ``OwnedRecord`` for the others.
        program: its definition, ready to be run; None as long as it has not begun here.
        state: where the machine stands, private parts and all.
        starts: the actions that are under way, by visit.
        children: the visits whose action is known to exist.
        happened: what the machine has not been told yet.
        decision: what the machine decided last, as long as the status does not say it; ``abort`` is why the run ends.
        undrawn: entries of the log that the status does not have yet; ``unlogged`` those whose status is not durable.
        kept: the private part of the state that the status is to name; None where nothing has changed.
        asides: what is to be told when the status is durable; ``untold`` is where it stands, if that is not told yet.
        telling: how often it was told where the run stands; None where it never was.
        calls: calls for actions without objects that are waited for, by visit.
        inherited: the visits whose action another process may have made.
        cancelled: the visits whose action is to end although the run goes on.
        busy: a task works on the run; ``again`` tells it that something has changed meanwhile.
        setback: why the storage did not take or give what the status is to name, since ``setbacks`` tries.
        retry_at: when it is asked again.
        abandon_at: when an aborted run waits for its actions no longer.
        at_once: the status must be durable before anything else is done.
    """

    run: ActionFlowRun
    status: ActionFlowRunStatus
    stored: ActionFlowRunStatus
    version: str
    shard: int = -1
    parent: Parent = Parent.NONE
    adopter: Owned | None = None
    program: FlowProgram | None = None
    state: FlowState | None = None
    starts: dict[str, StartAction] = field(default_factory=dict)
    children: set[str] = field(default_factory=set)
    inherited: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    happened: list[Event] = field(default_factory=list)
    decision: FlowDecision | None = None
    abort: AbortFact | None = None
    undrawn: list[Entry] = field(default_factory=list)
    unlogged: list[Entry] = field(default_factory=list)
    kept: list[tuple[Place, Any]] | None = None
    asides: list[Tell] = field(default_factory=list)
    untold: Tell | None = None
    telling: TokenBucket | None = None
    calls: dict[str, Stoppable] = field(default_factory=dict)
    busy: bool = False
    again: bool = False
    at_once: bool = False
    gone: bool = False
    setback: str = ""
    setbacks: int = 0
    retry_at: datetime | None = None
    abandon_at: datetime | None = None
    wake_at: datetime | None = None
    flush_at: datetime | None = None
    flushing: asyncio.Future[object] | None = None

    @property
    def uid(self) -> str:
        """The object's uid, which names it here."""
        return self.run.metadata.uid

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return self.run.metadata.namespace

    @property
    def name(self) -> str:
        """The object's name."""
        return self.run.metadata.name

    @property
    def owned(self) -> ActionFlowRun:
        """The object, by the name that it has for actions, too."""
        return self.run

    @property
    def kind(self) -> ParentKind:
        """Of which kind it is."""
        return ParentKind.ACTION_FLOW_RUN

    @property
    def settled(self) -> bool:
        """True when the API server has the terminal status."""
        return self.stored.phase.terminal

    @property
    def about(self) -> dict[str, object]:
        """What logs call it."""
        return {"namespace": self.namespace, "name": self.name, "uid": self.uid, "kind": str(self.kind)}

    @property
    def next_look(self) -> datetime | None:
        """When somebody must look at it again, None when nothing is due by itself."""
        return min((at for at in (self.wake_at, self.flush_at) if at is not None), default=None)

    def take(self, body: Body) -> ActionFlowRunStatus:
        """Take over the object as the API server has it, its status not; give that status."""
        self.run = ActionFlowRun.from_body(body)
        return self.run.status

    def is_overtaken(self, server: ActionFlowRunStatus) -> bool:
        """Say whether another owner has written: the server's claim is neither the known one nor the one to come."""
        return server.claim not in {self.stored.claim, self.status.claim}

    def refused(self, message: str, now: datetime) -> ActionFlowRunStatus:
        """Give the status with which it fails because the API server takes no other."""
        text = truncated(f"the API server refused the status: {message}", MESSAGE_LIMIT_CHARS)
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
                "conditions": conditions(self.stored.conditions, change, text),
                "observed_generation": change.generation,
            }
        )

    def stop_calls(self) -> None:
        """Let nothing be called any more for its actions without objects."""
        for call in list(self.calls.values()):
            call.stop()

    def forget(self) -> None:
        """Forget how far it is: that is read from its status again."""
        self.program, self.state = None, None
        self.starts, self.children, self.inherited, self.cancelled = {}, set(), set(), set()
        self.happened, self.undrawn, self.unlogged, self.asides = [], [], [], []
        self.untold = None
        self.decision = self.abort = self.kept = None
        self.stop_calls()
        self.abandon_at = self.wake_at = self.flush_at = self.retry_at = None
        self.at_once, self.setbacks = False, 0


class RunTable(Records[RunRecord]):
    """The live runs."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class LiveMembers:
    """The live actions and runs, by what both have."""

    actions: Table
    runs: RunTable

    def get(self, uid: str) -> OwnedRecord | None:
        """Give the one with this uid."""
        return self.actions.get(uid) or self.runs.get(uid)

    def named(self, kind: ParentKind, namespace: str, name: str) -> OwnedRecord | None:
        """Give the one of this name."""
        table: Table | RunTable = self.actions if kind is ParentKind.TASK_ACTION else self.runs
        return table.named(namespace, name)
