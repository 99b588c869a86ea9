"""The reconciler of flow runs: collects events, lets ``flows.machine`` decide, and carries out the decision.

A turn collects the events, lets the machine decide, writes the status, and only then creates or stops actions. The
visit names each action, so a turn that a crash interrupted is repeated: nothing is lost, and nothing is started twice.
At most one turn of a run is active.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Claim
from taskaction.control.flow_runs import statuses
from taskaction.control.flow_runs.definitions import DefinitionProblem
from taskaction.control.flow_runs.documents import NO_STATE
from taskaction.control.flow_runs.files import StateLostError
from taskaction.control.flow_runs.parts import RunReconcilerParts
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.signals import find_targets, to_event
from taskaction.control.flow_runs.steps import Step
from taskaction.control.flow_runs.translation import StoredEnd
from taskaction.control.flow_runs.vault import VaultError
from taskaction.control.objects.writer import WriteResult
from taskaction.flows import machine
from taskaction.flows.effects import Canceled, Event
from taskaction.flows.program import FlowProgram
from taskaction.flows.scope import RunContext
from taskaction.flows.state import FlowState, Frame
from taskaction.lifecycle.signals import fingerprint, is_fingerprint_of
from taskaction.lifecycle.state import AbortFact, Parent
from taskaction.plugin.evaluation import BudgetExceededError
from taskaction.plugin.storage import StorageError

_LEASE_PAUSE = timedelta(seconds=0.5)
_ERROR_PAUSE = timedelta(seconds=30)
"""Pause of a run after an unexpected error in its turn."""
_UNREADABLE: Mapping[type[Exception], Reason] = {
    VaultError: Reason.FORBIDDEN,
    StateLostError: Reason.STATE_LOST,
    BudgetExceededError: Reason.BUDGET_EXCEEDED,
}
"""Reasons of runs whose recorded state cannot be read."""
_PARENTLESS = {
    Parent.MISSING: (Reason.PARENT_NOT_FOUND, "spec.parentRef: parent not found"),
    Parent.FINISHED: (Reason.PARENT_FINISHED, "spec.parentRef: the parent has already finished"),
}


class RunReconciler:
    """Reconciler of ActionFlowRuns."""

    def __init__(self, parts: RunReconcilerParts) -> None:
        self._parts = parts

    # -- requests and timers ------------------------------------------------------------------------------------------

    def reconcile(self, uid: str) -> None:
        """Start a turn of a run, or another one after the active turn."""
        record = self._parts.table.get(uid)
        if record is None:
            return
        if record.must_be_placed:  # a write has read a newer object, e.g. with an abort
            record.place(record.shard)
            self._parts.family.place(record)
        record.request_turn()
        if not record.busy and self.is_owned(record):
            record.begin_turn()
            self._parts.background.start(self._reconcile_all(record), name=f"run {uid}")

    def on_due(self, uid: str) -> None:
        """Handle a due entry of the agenda: write a delayed status, and reconcile."""
        record = self._parts.table.get(uid)
        if record is not None:
            record.take_due_flush(self._parts.clock.now())
            self._parts.requests.reconcile(record)

    def is_owned(self, record: RunRecord) -> bool:
        """Whether this process owns the run."""
        return self._parts.tenures.owns(record.shard)

    def is_at_rest(self, record: RunRecord) -> bool:
        """Whether a run has no active turn and no unwritten status; write the latter at once."""
        idle = not record.busy and record.flushing is None
        # What cannot be written is decided again by the next owner.
        written = record.is_gone or record.is_refused or record.is_write_delayed
        if idle and not written and not record.is_written:
            record.require_write()
            record.begin_turn()
            self._parts.background.start(self._flush(record), name=f"flush {record.uid}")
            return False
        return idle

    async def _flush(self, record: RunRecord) -> None:
        try:
            await self._commit(record)
        finally:
            record.end_turn()

    async def _reconcile_all(self, record: RunRecord) -> None:
        try:
            while record.requested and self._parts.table.get(record.uid) is record and self.is_owned(record):
                record.take_request()
                await self._reconcile(record)
        except Exception:
            self._wake_at(record, self._parts.clock.now() + _ERROR_PAUSE)
            raise
        finally:
            record.end_turn()

    async def _reconcile(self, record: RunRecord) -> None:
        if (claim := record.status.claim) is not None:
            self._parts.tenures.on_claim_seen(record.shard, claim.epoch)
        if not self._parts.tenures.may_start(record.shard):
            self._wake_at(record, self._parts.clock.now() + _LEASE_PAUSE)
            return
        fact = self._parts.tree.abort_fact(record.uid)
        if record.was_refused and not record.is_refused:
            record.require_write()  # the object has changed since, and may have room
        elif not record.status.phase.is_terminal:
            if record.status.started_at is None:
                await self._begin(record, fact)
            elif await self._load(record, fact):
                await self._step(record, fact)
        elif fact is not None and record.storage_wait.retry_at is not None:  # nobody needs its output any more
            record.drop_unwritten()
            self._end(record, Phase.ABORTED, fact.reason, fact.message)
        elif (denial := self._parts.persistence.find_denial(record)) is not None:
            record.drop_unwritten()
            self._end(record, Phase.FAILED, Reason.OUTPUT_TOO_LARGE, denial)
        await self._commit(record)

    # -- before the first state ---------------------------------------------------------------------------------------

    async def _begin(self, record: RunRecord, fact: AbortFact | None) -> None:
        spec = record.run.spec
        if fact is not None:
            self._end(record, Phase.ABORTED, fact.reason, fact.message)
        elif record.parent is Parent.LOOKED_UP:
            return  # the lookup requests another turn
        elif record.parent is Parent.FOUND:
            await self._adopt(record)
        elif (parentless := _PARENTLESS.get(record.parent)) is not None:
            self._end(record, Phase.FAILED, *parentless)
        elif spec.suspend:
            await self._hold(record, Phase.QUEUED, Reason.SUSPENDED, "spec.suspend is true")
        else:
            await self._start(record)

    async def _start(self, record: RunRecord) -> None:
        found = await self._parts.definitions.load_current(record.run)
        if isinstance(found, DefinitionProblem):
            if found.final:
                self._end(record, Phase.FAILED, found.reason, found.message)
            else:
                await self._hold(record, Phase.WAITING_FOR_RESOURCES, found.reason, found.message)
            return
        if self._parts.tree.abort_fact(record.uid) is not None or record.run.spec.suspend:
            record.request_turn()  # set while the definition was read
            return
        now, run = self._parts.clock.now(), record.run
        context = RunContext(
            flow_id=found.version.uid or record.uid,
            run_id=record.uid,
            flow_name=found.version.name or record.name,
            run_name=record.name,
            namespace=record.namespace,
        )
        record.start_program(found.program)
        state = machine.initial_state(found.program, record.uid, run.spec.input or {}, context.to_json(), now)
        total = run.spec.timeouts.total if run.spec.timeouts is not None else None
        if total is not None:
            state = replace(state, deadline=min(state.deadline, now + total))
        record.update_status(started_at=now, flow=found.version)
        step = await self._parts.steps.step(record, found.program, state, ())
        before = replace(step.decision.state, status="ACTIVE", root=Frame(at=found.program.start_at, data={}))
        self._accept(record, await self._parts.steps.fit(record, found.program, before, step), None)
        record.require_write()  # the definition must be recorded before any effect of it

    async def _adopt(self, record: RunRecord) -> None:
        if record.adopter is None:
            return
        await self._parts.editor.add_owner(record, record.adopter)
        if not record.is_gone:
            self._parts.requests.reconcile(record)

    # -- from state to state ------------------------------------------------------------------------------------------

    async def _load(self, record: RunRecord, fact: AbortFact | None) -> bool:
        """Whether program and state of the run are in memory; read them if another process started it."""
        if record.program is not None and record.state is not None:
            return True
        found = await self._parts.definitions.load_recorded(record.run, record.status.flow)
        if isinstance(found, DefinitionProblem):
            self._end(record, Phase.FAILED, found.reason, found.message)
            return False
        try:
            document = await self._parts.persistence.read_state(record)
            loaded = await self._parts.steps.load(record, found.program, document)
        except (VaultError, StateLostError, BudgetExceededError) as error:
            self._end(record, Phase.FAILED, _UNREADABLE[type(error)], str(error))
            return False
        except StorageError as error:
            await self._on_storage_error(record, fact, error)
            return False
        abandoned = self._parts.children.live_visits(record) - {start.visit for start in loaded.starts}
        record.load_state(found.program, loaded, abandoned)
        if record.status.reason == Reason.STORAGE_UNAVAILABLE:
            await self._hold(record, *statuses.summarize_running(record, loaded.state))
        return True

    async def _on_storage_error(self, record: RunRecord, fact: AbortFact | None, error: StorageError) -> None:
        if fact is None:
            await self._hold(record, record.status.phase, Reason.STORAGE_UNAVAILABLE, str(error))
            record.wake(record.storage_wait.retry_at)
        elif not await self._waits_for_children(record, fact):
            self._end(record, Phase.ABORTED, fact.reason, fact.message)

    async def _step(self, record: RunRecord, fact: AbortFact | None) -> None:
        program, state = record.program, record.state
        if program is None or state is None:
            return
        now, spec, status = self._parts.clock.now(), record.run.spec, record.status
        if fact is not None and await self._waits_for_children(record, fact):
            return
        if fact is None and spec.suspend:
            since = status.suspended_at or now
            await self._hold(record, status.phase, Reason.SUSPENDED, "spec.suspend is true", suspended_at=since)
            return
        if fact is None and (at := self._parts.steps.next_step_at(record.namespace)) is not None:
            record.wake(at)
            return
        if status.suspended_at is not None:
            state = replace(state, deadline=state.deadline + record.resume(now))
        events = await self._take_events(record, fact)
        if events is None:
            return
        step = await self._parts.steps.step(record, program, state, events)
        if record.write_now or step.requires_write(state):
            step = await self._parts.steps.fit(record, program, state, step)
        self._accept(record, step, fact)
        if fact is None:
            await self._deliver_signal(record, program, step.decision.state)

    async def _take_events(self, record: RunRecord, fact: AbortFact | None) -> list[Event] | None:
        """Return the events of a turn; None while outputs of actions cannot be read from the storage."""
        taken = record.take_events()
        if fact is not None:
            return [Canceled(fact.message), *(one for one in taken if not isinstance(one, StoredEnd))]
        try:
            return await self._parts.persistence.read_outputs(record, taken)
        except StorageError as error:
            record.return_events(taken)
            await self._on_storage_error(record, fact, error)
            return None

    def _accept(self, record: RunRecord, step: Step, fact: AbortFact | None) -> None:
        """Accept a decision; schedule a write at once if its effects require a durable status."""
        now, before, decision = self._parts.clock.now(), record.state, step.decision
        if before is not None and decision.state == before and not decision.effects and decision.outcome is None:
            record.wake(decision.wake_at)
            return
        record.accept(decision, step.document, fact)
        record.require_write(required=before is None or step.requires_write(before))
        record.flush_by(now + self._parts.status_delay)
        record.wake(decision.wake_at)

    async def _render_status(self, record: RunRecord) -> None:
        """Put the accepted decision into the status."""
        while record.decision is not None and record.document is None:
            state = record.decision.state
            written = await self._parts.steps.write_down(record, state)
            if record.state is state:  # otherwise another process has written meanwhile
                record.keep_document(written if record.decision.outcome is None else NO_STATE)
        document, taken = record.document, record.take_decision()
        if taken is None or document is None:
            return
        decision, entries = taken
        tenure, claim = self._parts.tenures.tenure(record.shard), record.status.claim
        now, me = self._parts.clock.now(), self._parts.identity
        if tenure is not None and (claim is None or (claim.holder, claim.epoch) != (me, tenure.epoch)):
            claim = Claim(holder=me, epoch=tenure.epoch, at=now)
            record.update_status(claim=claim)
        record.set_private_parts(document.private)
        statuses.apply_decision(record, decision, self._parts.persistence.to_shown(document), entries, now)

    async def _deliver_signal(self, record: RunRecord, program: FlowProgram, state: FlowState) -> None:
        """Deliver a new signal to paused actions, before that is recorded: a repeated delivery changes nothing."""
        signal = record.run.spec.signal
        if signal is None or state.status != "INACTIVE" or is_fingerprint_of(signal, record.status.signalled):
            return
        to = find_targets(signal, program, state)
        if not to.visits and not to.refusal:
            return
        await asyncio.gather(*(self._parts.children.signal(record, visit, signal) for visit in to.visits))
        record.events.post_when_stored(to_event(signal, to))
        record.update_status(signalled=fingerprint(signal))
        statuses.set_condition(record, *statuses.summarize_running(record, state), now=self._parts.clock.now())
        record.require_write()

    async def _waits_for_children(self, record: RunRecord, fact: AbortFact) -> bool:
        """Whether an aborted run still waits for its actions, within a deadline; they abort by themselves."""
        now = self._parts.clock.now()
        if not self._parts.tree.has_live_descendants(record.uid):
            return False
        until = record.wait_for_children_until(now + self._parts.cancel_grace)
        if now >= until:
            return False
        await self._hold(record, record.status.phase, Reason.ABORTING, fact.message)
        record.wake(until)
        return True

    # -- writes and effects -------------------------------------------------------------------------------------------

    async def _hold(self, record: RunRecord, phase: Phase, reason: str, message: str, **fields: Any) -> None:
        await self._render_status(record)
        before = record.status
        statuses.set_condition(record, phase, reason, message, self._parts.clock.now(), **fields)
        record.require_write(required=record.status is not before)

    def _end(self, record: RunRecord, phase: Phase, reason: Reason, message: str) -> None:
        """End a run without a decision of a state."""
        statuses.set_finished(record, phase, reason, message, self._parts.clock.now())
        record.require_write()

    async def _commit(self, record: RunRecord) -> None:
        if record.begin_commit() and not await self._write(record):
            return
        if record.was_refused:
            return  # nothing more can be recorded, so nothing is started
        if record.status is record.stored:
            await self._parts.log.write(record)
        if record.is_finished:
            await self._parts.editor.remove_finalizer(record)  # a run needs none, but users can add it
            self._parts.teardown.on_finished(record)
            return
        if record.status.started_at is not None:
            await self._run_effects(record)
        if record.is_gone:
            self._parts.teardown.on_deleted(record)
            return
        self._schedule(record)

    async def _write(self, record: RunRecord) -> bool:
        """Write the status; return whether its effects may follow."""
        await self._render_status(record)
        match result := await self._parts.persistence.write(record):
            case WriteResult.GONE:
                self._parts.teardown.on_deleted(record)
            case WriteResult.OVERTAKEN:
                self._on_overtaken(record)
            case WriteResult.REFUSED:
                record.stop_calls()
            case WriteResult.STORED | WriteResult.DELAYED:
                self._parts.teardown.on_status_stored(record)
                self._schedule(record)
        return result is WriteResult.STORED

    def _on_overtaken(self, record: RunRecord) -> None:
        record.reset()
        if record.is_finished:
            self._parts.teardown.on_finished(record)
        else:
            record.request_turn()

    async def _run_effects(self, record: RunRecord) -> None:
        """Create the actions of the state that do not exist, and stop those that it no longer needs."""
        if self._parts.tree.abort_fact(record.uid) is not None or not self._may_act(record):
            return
        if not record.run.spec.suspend:
            before = record.hold
            await self._parts.effect_runner.start_actions(record, self._parts.clock.now())
            if record.hold is not before or (record.hold is None and record.status.reason == Reason.QUOTA_EXCEEDED):
                await self._show_quota(record)
        await self._parts.effect_runner.stop_actions(record)

    async def _show_quota(self, record: RunRecord) -> None:
        """Show that a ResourceQuota refuses actions, or does so no more; the status is written with the next change."""
        if record.state is None or record.is_gone:
            return
        await self._render_status(record)
        statuses.set_condition(record, *statuses.summarize_running(record, record.state), now=self._parts.clock.now())
        if record.status is not record.stored:
            record.flush_by(self._parts.clock.now() + self._parts.status_delay)

    def _may_act(self, record: RunRecord) -> bool:
        if self.is_owned(record) and self._parts.tenures.may_start(record.shard):
            return True
        self._wake_at(record, self._parts.clock.now() + _LEASE_PAUSE)
        return False

    def _wake_at(self, record: RunRecord, at: datetime) -> None:
        record.wake(at)
        self._schedule(record)

    def _schedule(self, record: RunRecord) -> None:
        self._parts.agenda.set(record.uid, record.next_due)
