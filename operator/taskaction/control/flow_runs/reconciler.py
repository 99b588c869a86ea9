"""The engine of runs: takes each as far as it can go now; what happens next is decided only by ``flows.step``.

A turn gathers what has happened, lets the machine decide, makes the status durable, and only then has actions made or
stopped. Each action is named by its visit, so a turn that a crash has cut off is simply made again: nothing is lost,
and nothing is started twice. At most one turn of a run is under way.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Claim
from taskaction.control.flow_runs import statuses
from taskaction.control.flow_runs.definitions import Undefined
from taskaction.control.flow_runs.files import LostError
from taskaction.control.flow_runs.parts import RunParts
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.signals import addressees, told
from taskaction.control.flow_runs.vault import VaultError, split
from taskaction.control.objects.writer import Landed
from taskaction.flows import machine
from taskaction.flows.effects import CancelAction, Canceled, Event, FlowDecision, Overflowed, StartAction
from taskaction.flows.pending_actions import standing
from taskaction.flows.privacy import public
from taskaction.flows.program import FlowProgram
from taskaction.flows.state import FlowState, Frame
from taskaction.lifecycle.signals import fingerprint
from taskaction.lifecycle.state import AbortFact, Parent
from taskaction.plugin.storage import StorageError

_LEASE_PAUSE = timedelta(seconds=0.5)
_ERROR_PAUSE = timedelta(seconds=30)
"""How long a run rests whose turn nobody had foreseen."""
_PARENTLESS = {
    Parent.MISSING: (Reason.PARENT_NOT_FOUND, "spec.parentRef: there is no such parent"),
    Parent.FINISHED: (Reason.PARENT_FINISHED, "spec.parentRef: the parent had finished before"),
}


class RunEngine:
    """Carries each run as far as it can go now."""

    def __init__(self, parts: RunParts) -> None:
        self._parts = parts

    # -- looking ------------------------------------------------------------------------------------------------------

    def look(self, record: RunRecord) -> None:
        """See what is to be done about a run, and do it."""
        record.again = True
        if not record.busy and self.is_owned(record):
            record.busy = True
            self._parts.background.start(self._turns(record), name=f"run {record.uid}")

    def due(self, uid: str) -> None:
        """Serve the agenda: write what has waited long enough, and look again."""
        record = self._parts.table.get(uid)
        if record is None:
            return
        if record.flush_at is not None and record.flush_at <= self._parts.clock.now():
            record.flush_at, record.at_once = None, True
        record.wake_at = None
        self.look(record)

    def happened(self, record: RunRecord, events: Iterable[Event]) -> None:
        """Take in what has happened to actions of a run."""
        record.happened += events
        self.look(record)

    @staticmethod
    def pause_of(record: RunRecord, visit: str) -> Mapping[str, Any] | None:
        """Give what the machine knows of the pause of a visit's action; None where it is not paused."""
        frames = record.state.root.everywhere() if record.state is not None else ()
        return next((frame.paused for frame in frames if frame.acting == visit), None)

    def is_owned(self, record: RunRecord) -> bool:
        """Say whether this process carries the run, and goes on with it."""
        return self._parts.leases.tenure(record.shard) is not None

    def is_at_rest(self, record: RunRecord) -> bool:
        """Say whether nothing of a run is under way here, or unwritten; what is unwritten is written at once."""
        idle = not record.busy and record.flushing is None
        written = record.gone or record.retry_at is not None  # or cannot be: a next owner decides it again
        if idle and not written and (record.decision is not None or record.status is not record.stored):
            record.at_once = record.busy = True
            self._parts.background.start(self._written(record), name=f"flush {record.uid}")
            return False
        return idle

    async def _written(self, record: RunRecord) -> None:
        try:
            await self._land(record)
        finally:
            record.busy = False

    async def _turns(self, record: RunRecord) -> None:
        try:
            while record.again and self._parts.table.get(record.uid) is record and self.is_owned(record):
                record.again = False
                await self._turn(record)
        except Exception:
            self._wake(record, self._parts.clock.now() + _ERROR_PAUSE)
            raise
        finally:
            record.busy = False

    async def _turn(self, record: RunRecord) -> None:
        if not self._parts.leases.may_start(record.shard):
            self._wake(record, self._parts.clock.now() + _LEASE_PAUSE)
            return
        fact = self._parts.tree.abort_fact(record.uid)
        if not record.status.phase.terminal:
            if record.status.started_at is None:
                await self._begin(record, fact)
            elif await self._is_ready(record, fact):
                await self._go_on(record, fact)
        elif fact is not None and record.retry_at is not None:  # nobody waits for its output any more
            record.status, record.unlogged = record.stored, []
            self._end(record, Phase.ABORTED, fact.reason, fact.message)
        await self._land(record)

    # -- before the first state ---------------------------------------------------------------------------------------

    async def _begin(self, record: RunRecord, fact: AbortFact | None) -> None:
        spec = record.run.spec
        if fact is not None:
            self._end(record, Phase.ABORTED, fact.reason, fact.message)
        elif record.parent is Parent.LOOKED_UP:
            return  # whoever looks it up says so
        elif record.parent is Parent.FOUND:
            await self._adopt(record)
        elif (parentless := _PARENTLESS.get(record.parent)) is not None:
            self._end(record, Phase.FAILED, *parentless)
        elif spec.suspend:
            self._hold(record, Phase.QUEUED, Reason.SUSPENDED, "spec.suspend holds the run back")
        else:
            await self._start(record)

    async def _start(self, record: RunRecord) -> None:
        found = await self._parts.definitions.first(record.run)
        if isinstance(found, Undefined):
            if found.final:
                self._end(record, Phase.FAILED, found.reason, found.message)
            else:
                self._hold(record, Phase.WAITING_FOR_RESOURCES, found.reason, found.message)
            return
        if self._parts.tree.abort_fact(record.uid) is not None or record.run.spec.suspend:
            record.again = True  # it was said while the definition was read
            return
        now, run = self._parts.clock.now(), record.run
        context = {
            "flow_id": found.version.uid or record.uid,
            "run_id": record.uid,
            "flow_name": found.version.name or record.name,
            "run_name": record.name,
            "namespace": record.namespace,
        }
        record.program = found.program
        decision = machine.start(found.program, record.uid, run.spec.input or {}, context, now)
        total = run.spec.timeouts.total if run.spec.timeouts is not None else None
        if total is not None and now + total < decision.state.deadline:
            state = replace(decision.state, deadline=now + total)
            wake_at = min(decision.wake_at, state.deadline) if decision.wake_at is not None else None
            decision = replace(decision, state=state, wake_at=wake_at)
        record.status = record.status.model_copy(update={"started_at": now, "flow": found.version})
        before = replace(decision.state, status="ACTIVE", root=Frame(at=found.program.start_at, data={}))
        self._take(record, self._within_limits(found.program, before, decision), None)
        record.at_once = True  # the definition must be on record before anything comes of it

    async def _adopt(self, record: RunRecord) -> None:
        if record.adopter is None:
            return
        await self._parts.editor.adopt(record, record.adopter)
        if not record.gone:
            self._parts.family.place(record)
            record.again = True

    # -- from state to state ------------------------------------------------------------------------------------------

    async def _is_ready(self, record: RunRecord, fact: AbortFact | None) -> bool:
        """Have the run's program and state in memory, read from its record where another process began it."""
        if record.program is not None and record.state is not None:
            return True
        found = await self._parts.definitions.again(record.run, record.status.flow)
        if isinstance(found, Undefined):
            self._end(record, Phase.FAILED, found.reason, found.message)
            return False
        try:
            document = await self._parts.keeping.opened(record)
        except (VaultError, LostError) as error:
            reason = Reason.FORBIDDEN if isinstance(error, VaultError) else Reason.STATE_LOST
            self._end(record, Phase.FAILED, reason, str(error))
            return False
        except StorageError as error:
            self._cannot_read(record, fact, error)
            return False
        record.program = found.program
        record.state = FlowState.from_json(document)
        record.starts = {start.visit: start for start in standing(found.program, record.state)}
        record.inherited = set(record.starts)
        record.children = set()
        record.cancelled = self._parts.children.others(record)
        if record.status.reason == Reason.STORAGE_UNAVAILABLE:
            self._hold(record, *statuses.under_way(record, record.state))
        return True

    def _cannot_read(self, record: RunRecord, fact: AbortFact | None, error: StorageError) -> None:
        if fact is None:
            self._hold(record, record.status.phase, Reason.STORAGE_UNAVAILABLE, str(error))
            record.wake_at = record.retry_at
        elif not self._waits_for_children(record, fact):
            self._end(record, Phase.ABORTED, fact.reason, fact.message)

    async def _go_on(self, record: RunRecord, fact: AbortFact | None) -> None:
        program, state = record.program, record.state
        if program is None or state is None:
            return
        now, spec, status = self._parts.clock.now(), record.run.spec, record.status
        if fact is not None and self._waits_for_children(record, fact):
            return
        if fact is None and spec.suspend:
            since = status.suspended_at or now
            self._hold(record, status.phase, Reason.SUSPENDED, "spec.suspend holds the run back", suspended_at=since)
            return
        if status.suspended_at is not None:
            state = replace(state, deadline=state.deadline + (now - status.suspended_at))
            record.status = status.model_copy(update={"suspended_at": None})
            record.at_once = True
        happened: list[Event] = [Canceled(fact.message)] if fact is not None else []
        happened += record.happened
        record.happened = []
        decision = machine.step(program, state, happened, now)
        if record.at_once or _must_be_written(state, decision):
            decision = self._within_limits(program, state, decision)
        self._take(record, decision, fact)
        if fact is None:
            await self._signal(record, program, decision.state)

    def _within_limits(self, program: FlowProgram, before: FlowState, decision: FlowDecision) -> FlowDecision:
        """Give the decision, or that the run fails where what it leads to is too large to be kept."""
        keeping = self._parts.keeping
        if statuses.size(public(decision.state.to_json())) <= keeping.limit:
            return decision
        return machine.step(program, before, [Overflowed(keeping.overflow)], self._parts.clock.now())

    def _take(self, record: RunRecord, decision: FlowDecision, fact: AbortFact | None) -> None:
        """Take over a decision; what must be on record before its effects is written at once."""
        now, before = self._parts.clock.now(), record.state
        if before is not None and decision.state == before and not decision.effects and decision.outcome is None:
            record.wake_at = decision.wake_at
            return
        record.state, record.decision, record.abort = decision.state, decision, fact
        record.undrawn += decision.entries
        acting = {frame.acting for frame in decision.state.root.everywhere() if frame.acting is not None}
        started = {start.visit: start for start in _starts(decision)}
        known = {**record.starts, **started}
        if decision.outcome is None:  # else they end because the run has ended
            stopped = {one.visit for one in decision.effects if isinstance(one, CancelAction)}
            record.cancelled |= {visit for visit in stopped if visit not in known or not known[visit].inline}
        record.starts = {visit: start for visit, start in known.items() if visit in acting}
        record.children &= acting
        record.at_once |= before is None or _must_be_written(before, decision)
        if record.flush_at is None:
            record.flush_at = now + self._parts.status_delay
        record.wake_at = decision.wake_at

    def _draw(self, record: RunRecord) -> None:
        """Put what was decided since into the status."""
        decision, record.decision = record.decision, None
        if decision is None:
            return
        tenure, claim = self._parts.leases.tenure(record.shard), record.status.claim
        now, me = self._parts.clock.now(), self._parts.identity
        if tenure is not None and (claim is None or (claim.holder, claim.epoch) != (me, tenure.epoch)):
            claim = Claim(holder=me, epoch=tenure.epoch, at=now)
            record.status = record.status.model_copy(update={"claim": claim})
        entries, record.undrawn = record.undrawn, []
        record.unlogged += entries
        shown, record.kept = split(decision.state.to_json()) if decision.outcome is None else (None, [])
        statuses.advanced(record, decision, shown, entries, now)

    async def _signal(self, record: RunRecord, program: FlowProgram, state: FlowState) -> None:
        """Hand a new signal to what is paused, before that is on record: to hand it over again changes nothing."""
        signal = record.run.spec.signal
        if signal is None or state.status != "INACTIVE" or (mark := fingerprint(signal)) == record.status.signalled:
            return
        to = addressees(signal, program, state)
        if not to.visits and not to.refused:
            return
        await asyncio.gather(*(self._parts.children.signal(record, visit, signal) for visit in to.visits))
        record.asides.append(told(signal, to))
        record.status = record.status.model_copy(update={"signalled": mark})
        statuses.changed(record, *statuses.under_way(record, state), now=self._parts.clock.now())
        record.at_once = True

    def _waits_for_children(self, record: RunRecord, fact: AbortFact) -> bool:
        """Let the actions of an aborted run end first, within a bound; by whom they are aborted is their own affair."""
        now = self._parts.clock.now()
        if not self._parts.tree.has_live_descendants(record.uid):
            return False
        if record.abandon_at is None:
            record.abandon_at = now + self._parts.cancel_grace
        if now >= record.abandon_at:
            return False
        self._hold(record, record.status.phase, Reason.ABORTING, fact.message)
        record.wake_at = record.abandon_at
        return True

    # -- what is written, and what follows ----------------------------------------------------------------------------

    def _hold(self, record: RunRecord, phase: Phase, reason: str, message: str, **fields: Any) -> None:
        self._draw(record)
        before = record.status
        statuses.changed(record, phase, reason, message, self._parts.clock.now(), **fields)
        record.at_once |= record.status is not before

    def _end(self, record: RunRecord, phase: Phase, reason: Reason, message: str) -> None:
        """End a run that no state has decided about."""
        statuses.ended(record, phase, reason, message, self._parts.clock.now())
        record.at_once = True

    async def _land(self, record: RunRecord) -> None:
        if record.at_once:
            record.at_once, record.flush_at = False, None
            self._draw(record)
            landed = await self._parts.keeping.write(record)
            if landed is Landed.GONE:
                self._parts.vanished(record)
                return
            if landed is Landed.OVERTAKEN:
                self._overtaken(record)
                return
            self._parts.stored(record)
            if landed is Landed.DELAYED:  # and nothing may come of what is not on record
                self._remind(record)
                return
        if record.status is record.stored:
            for found in record.unlogged:
                self._parts.journal.run_logged(record, found)
            record.unlogged = []
        if record.settled:
            self._parts.ended(record)
            return
        if record.status.started_at is not None:
            await self._carry_out(record)
        if record.gone:
            self._parts.vanished(record)
            return
        self._remind(record)

    def _overtaken(self, record: RunRecord) -> None:
        record.forget()
        if record.settled:
            self._parts.ended(record)
        else:
            record.again = True

    async def _carry_out(self, record: RunRecord) -> None:
        """Have every action under way exist, and those end that nobody waits for any more."""
        if self._parts.tree.abort_fact(record.uid) is not None or not self._may_act(record):
            return
        if not record.run.spec.suspend:
            await self._parts.carrying.start(record)
        await self._parts.carrying.stop(record)

    def _may_act(self, record: RunRecord) -> bool:
        if self.is_owned(record) and self._parts.leases.may_start(record.shard):
            return True
        self._wake(record, self._parts.clock.now() + _LEASE_PAUSE)
        return False

    def _wake(self, record: RunRecord, at: datetime) -> None:
        record.wake_at = at
        self._remind(record)

    def _remind(self, record: RunRecord) -> None:
        self._parts.agenda.set(record.uid, record.next_look)


def _starts(decision: FlowDecision) -> list[StartAction]:
    return [effect for effect in decision.effects if isinstance(effect, StartAction)]


def _must_be_written(before: FlowState, decision: FlowDecision) -> bool:
    """Say whether what follows from a decision may only be done when it is on record; calls are simply made again."""
    made = any(not start.inline for start in _starts(decision))
    return made or decision.outcome is not None or before.status != decision.state.status
