"""The engine of TaskActions: notifications in, decisions by ``lifecycle.step``, effects and one status write out.

Each of its parts does one thing (see the constructor); what happens next is decided only by the machine.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from taskaction.control.events.dispatcher import Deliveries
from taskaction.control.events.reports import reports_of
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import Family
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.records import Record, Table
from taskaction.control.objects.writer import Landed
from taskaction.control.providers.offers import Offers
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.task_actions.calls import Caller
from taskaction.control.task_actions.cancelling import Canceller
from taskaction.control.task_actions.journal import Journal
from taskaction.control.task_actions.observe import Binding, Gatherer, provider_key
from taskaction.control.task_actions.queueing import Line
from taskaction.control.task_actions.status_commit import Landing
from taskaction.control.task_actions.teardown import Departures
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.decisions import (
    Adopt,
    Call,
    Cancel,
    Decision,
    Enqueue,
    ExpireAt,
    Hold,
    Park,
    PollAt,
    Release,
    Tell,
    WakeAt,
    Withdraw,
    Write,
)
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded
from taskaction.lifecycle.state import Activity, Ended, Event, Look, Observed, Owner, Slot, Stopped, Told

_UNDER_WAY = frozenset({Activity.CALLING, Activity.CANCELLING})
_LEASE_PAUSE = 0.5
_BINDING_PAUSE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the engine is made of."""

    table: Table
    clock: Clock
    gatherer: Gatherer
    family: Family
    offers: Offers
    leases: ShardLeases
    manager: ExecutionManager
    caller: Caller
    editor: ObjectEditor[Record]
    agenda: Agenda[str]
    background: Background
    canceller: Canceller
    departures: Departures
    line: Line
    landing: Landing
    deliveries: Deliveries
    journal: Journal
    identity: str
    status_delay: timedelta


class Engine:
    """Carries each action as far as it can go now."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    # -- looking ------------------------------------------------------------------------------------------------------

    def look(self, record: Record) -> None:
        """See what is to be done about an action, and start it."""
        if self._parts.leases.tenure(record.shard) is not None and self._must_wait(record):
            return
        decision = self._decided(record, Look())
        if decision is None:
            return
        self._apply(record, decision)
        if decision.write in {Write.NOW, Write.FIRST} or record.settled:
            self._parts.background.start(self._parts.landing.land(record, decision), name=f"land {record.uid}")

    def due(self, uid: str) -> None:
        """Serve the agenda: write what has waited long enough, poll, look again."""
        record = self._parts.table.get(uid)
        if record is None:
            return
        now = self._parts.clock.now()
        if record.flush_at is not None and record.flush_at <= now:
            record.flush_at = None
            self._parts.background.start(self._parts.landing.flush(record), name=f"flush {uid}")
        if record.poll_at is not None and record.poll_at <= now:
            record.poll_at = None
            self._parts.line.enqueue(record)
        if record.wake_at is not None and record.wake_at <= now:
            record.wake_at = None
            self.look(record)
        self._remind(record)

    def wake(self, uid: str) -> None:
        """Have an action polled at once: something that it created has changed, or an event has come for it."""
        record = self._parts.table.get(uid)
        if record is None:
            return
        if record.activity is Activity.WAITING:
            self._parts.line.enqueue(record)
            self._remind(record)
        record.woken = record.activity is Activity.CALLING  # what the call has read may be older than the change

    def is_at_work(self, record: Record) -> bool:
        """Say whether this process owns the action and gives out work."""
        return self._parts.manager.begun and self._parts.leases.tenure(record.shard) is not None

    def is_involved(self, record: Record) -> bool:
        """Say whether this process owns the action, or still has a call of it under way."""
        return record.activity.goes_on or self._parts.leases.tenure(record.shard) is not None

    def reported(self, record: Record) -> None:
        """Let what an executor reported be written before long."""
        if record.flush_at is None:
            record.flush_at = self._parts.clock.now() + self._parts.status_delay
            self._remind(record)

    def _decided(self, record: Record, event: Event) -> Decision | None:
        """Give what follows from ``event``; None where this process has no say."""
        owner = self._owner(record)
        if owner is None or record.gone or (isinstance(event, Look | Slot) and self._is_unclear(record)):
            return None
        return step(self._parts.gatherer.observed(record, owner), event, self._parts.clock.now())

    def _is_unclear(self, record: Record) -> bool:
        """Say whether the provider is being looked up: judging now would show a state that is not so."""
        key = provider_key(record.action)
        return key is not None and self._parts.offers.is_sought(key)

    def _owner(self, record: Record) -> Owner | None:
        """Give this process as the record's owner.

        An attempt that it has claimed stays its own when the shard is lost meanwhile: the result may still be written,
        as long as nobody has written another claim (design, section 5).
        """
        tenure = self._parts.leases.tenure(record.shard)
        if tenure is not None:
            return Owner(holder=self._parts.identity, epoch=tenure.epoch)
        claim, under_way = record.status.claim, record.activity in _UNDER_WAY
        if under_way and claim is not None and claim.holder == self._parts.identity:
            return Owner(holder=claim.holder, epoch=claim.epoch)
        return None

    # -- a worker's turn ----------------------------------------------------------------------------------------------

    async def process(self, uid: str) -> bool:
        """Take a worker's turn: start or poll the action, and record what came of it; say whether there was a call."""
        record = self._parts.table.get(uid)
        if record is None:
            self._parts.manager.forget(uid)
            return False
        if record.cancelling:
            return False  # its end decides what follows
        record.activity = Activity.IDLE
        if record.queued_at is not None:
            self._parts.journal.waited(record, self._parts.clock.monotonic() - record.queued_at)
            record.queued_at = None
        decision = await self._turn(record)
        if decision is None:
            return False
        call = self._apply(record, decision)
        if call is None:
            await self._parts.landing.land(record, decision)
            return False
        await self._carry(record, call, decision)
        return True

    async def _turn(self, record: Record) -> Decision | None:
        """Decide what a turn is good for; None where that is nothing, or nothing yet."""
        if self._must_wait(record):
            return None
        if record.status.phase.started and (reports := self._parts.deliveries.reports(record)):
            self._parts.deliveries.taken(record)
            return self._decided(record, Told(reports_of(reports)))
        limited = await self._limited(record)
        if limited is None and record.parked_at is not None:
            self._parts.journal.let_through(record, self._parts.clock.monotonic() - record.parked_at)
            record.parked_at = None
        if self._must_wait(record):
            return None  # to ask took its time
        return self._decided(record, Slot() if limited is None else Ended(limited))

    async def _carry(self, record: Record, call: Call, decision: Decision) -> None:
        outcome = await self._called(record, call, decision)
        if outcome is not None:
            await self._conclude(record, outcome)
        elif record.activity is Activity.CALLING and self._parts.table.get(record.uid) is record:
            # Nothing was called: the shard is lost, or the provider is gone for now.
            record.activity = Activity.IDLE
            record.taken_at = record.taken_at or self._parts.clock.now()
            self._postpone(record, _BINDING_PAUSE)

    async def _conclude(self, record: Record, outcome: Outcome) -> None:
        decision = self._decided(record, Ended(outcome))
        if decision is None:
            return
        record.activity = Activity.IDLE
        self._parts.deliveries.taken(record)
        self._apply(record, decision)
        if decision.status.phase.started and record.activity is Activity.IDLE:
            record.activity = Activity.WAITING
        await self._parts.landing.land(record, decision)

    async def _limited(self, record: Record) -> Limited | Failed | None:
        """Ask about the target's quota before an attempt is opened; a limited run gives its worker back."""
        owner = self._owner(record)
        bound = self._parts.gatherer.binding(record.action)
        if owner is None or not isinstance(bound, Binding) or record.status.phase.started:
            return None
        if not bound.executor.limits_itself:
            return None
        return await self._parts.caller.limited(record, bound, self._parts.gatherer.observed(record, owner))

    def _must_wait(self, record: Record) -> bool:
        """Say whether the lease is too old to go by: another process may own the action, and its record be theirs.

        What this process has under way itself is its own all the same.
        """
        if record.activity in _UNDER_WAY or self._parts.leases.may_start(record.shard):
            return False
        self._postpone(record, _LEASE_PAUSE)
        return True

    def _postpone(self, record: Record, seconds: float) -> None:
        """Come back when the lease is renewed, or the provider is there; nothing may start before."""
        record.wake_at = self._parts.clock.now() + timedelta(seconds=seconds)
        self._remind(record)

    async def _called(self, record: Record, call: Call, decision: Decision) -> Outcome | None:
        """Make the call, its record first where it must be; None where there is nothing to go on with."""
        record.activity = Activity.CALLING
        if Hold() in decision.effects:
            await self._parts.editor.hold(record)
            if record.settled:  # it was aborted meanwhile, and nobody saw a finalizer to take away
                await self._parts.editor.release(record)
                return None
        if decision.write is Write.FIRST and await self._parts.landing.flush(record) is not Landed.STORED:
            return None
        if record.gone:
            self._parts.departures.gone(record)
            return None
        owner = self._owner(record)
        bound = self._parts.gatherer.binding(record.action)
        if owner is None or not isinstance(bound, Binding) or record.activity is not Activity.CALLING:
            return None
        observed = self._parts.gatherer.observed(record, owner)
        while not self._parts.leases.may_start(record.shard):
            await self._parts.clock.sleep(_LEASE_PAUSE)
            if not self._parts.leases.holds(record.shard):
                return None
        return await self._outcome(record, bound, observed, poll=call.poll)

    async def _outcome(self, record: Record, bound: Binding, observed: Observed, *, poll: bool) -> Outcome | None:
        record.polled_signal, record.woken = record.action.spec.signal, False
        attempt, claim = record.status.attempt, record.status.claim
        started = self._parts.clock.monotonic()
        if not poll:
            self._parts.journal.begun(record, bound.executor.ACTION_NAME)
        deliveries = self._parts.deliveries.hand_over(record) if poll else ()
        work = self._parts.caller.call(record, bound, observed, poll=poll, deliveries=deliveries)
        record.call = asyncio.create_task(work, name=f"call {record.uid}")
        try:
            await asyncio.wait({record.call})
        finally:
            call, record.call = record.call, None
            if not call.done():
                call.cancel()  # the turn itself is cancelled: the process stops
        if call.cancelled():
            return None
        outcome = call.result()
        seconds = self._parts.clock.monotonic() - started
        self._parts.journal.called(record, bound.executor.ACTION_NAME, outcome, seconds)
        if record.activity is Activity.CANCELLING and not isinstance(outcome, Succeeded):
            if isinstance(outcome, Pending | Paused) and outcome.external_id is not None:
                # It has begun outside in the meantime: this is what the executor is about to be told to stop.
                record.status = record.status.model_copy(update={"external_id": outcome.external_id})
            return None  # the cancel decides what is recorded
        if (record.status.attempt, record.status.claim) != (attempt, claim) or not record.status.phase.started:
            return None  # the attempt was given up, or it is another owner's by now
        return outcome

    async def stopped(self, record: Record) -> None:
        """Record the end of an attempt that was told to stop, where there is still an object and an attempt."""
        if self._parts.table.get(record.uid) is not record or not record.status.phase.started:
            return
        if record.activity is not Activity.CANCELLING:
            return  # another owner has taken it over meanwhile
        decision = self._decided(record, Stopped())
        if decision is None:
            return
        record.activity = Activity.IDLE
        self._apply(record, decision)
        await self._parts.landing.land(record, decision)

    # -- effects and writes -------------------------------------------------------------------------------------------

    def _apply(self, record: Record, decision: Decision) -> Call | None:  # noqa: C901, PLR0912 - one case per effect
        """Take over a decision: its status, and the effects that need no record first; give the call to make."""
        record.status = decision.status
        record.wake_at = None
        record.woken |= self._parts.deliveries.know(record)
        call: Call | None = None
        withdrawn = False
        for effect in decision.effects:
            match effect:
                case Call():
                    call = effect
                case Enqueue():
                    self._parts.line.enqueue(record)
                case Withdraw():
                    record.activity = Activity.IDLE
                    withdrawn = True
                case Park(at=at, key=key):
                    self._parts.line.park(record, at, key)
                case PollAt(at=at):
                    record.poll_at = self._parts.clock.now() if record.woken else at
                    record.woken = False
                case WakeAt(at=at):
                    record.wake_at = at if record.wake_at is None else min(at, record.wake_at)
                case Cancel(bound=bound):
                    self._parts.canceller.cancel(record, bound)
                case Adopt():
                    self._parts.background.start(self._adopt(record), name=f"adopt {record.uid}")
                case Hold() | Release() | ExpireAt() | Tell():
                    pass  # each has its place around a write: see _called and _land
                case _:
                    assert_never(effect)
        if decision.write is Write.LATER:
            record.flush_at = record.flush_at or self._parts.clock.now() + self._parts.status_delay
        elif decision.write is not Write.NONE:
            record.flush_at = None
        self._parts.line.keep(record, withdrawn=withdrawn)
        self._remind(record)
        return call

    async def unpartitioned(self, record: Record, failure: Failed) -> None:
        """Fail an action whose executor could not say in which partition it is."""
        await self._conclude(record, failure)

    def observed(self, record: Record) -> Observed | None:
        """Give the facts of an action; None where it is not this process's."""
        owner = self._owner(record)
        return None if owner is None or record.gone else self._parts.gatherer.observed(record, owner)

    async def _adopt(self, record: Record) -> None:
        if record.adopter is None:
            return
        await self._parts.editor.adopt(record, record.adopter)
        if record.gone:
            self._parts.departures.gone(record)
            return
        self._parts.family.place(record)
        self.look(record)

    def _remind(self, record: Record) -> None:
        self._parts.agenda.set(record.uid, record.next_look)
