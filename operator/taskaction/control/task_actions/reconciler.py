"""The reconciler of TaskActions: observes an action, lets ``lifecycle.machine`` decide, and carries out the decision.

Only the machine decides what happens next. Requests arrive as keys (``control.objects.requests``), so a decision is
never made in the middle of another one; ``turns`` has what workers do.
"""

from typing import assert_never

from taskaction.cluster.errors import InvalidError
from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.objects.background import Background
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests, provider_key
from taskaction.control.objects.tables import ActionTable
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.task_actions.cancelling import Canceller
from taskaction.control.task_actions.lease_waits import LeaseWaits
from taskaction.control.task_actions.observe import ActionObserver
from taskaction.control.task_actions.outcomes import refused_edit_failure
from taskaction.control.task_actions.owners import ActionOwners
from taskaction.control.task_actions.placing import ActionPlacer
from taskaction.control.task_actions.queueing import Queueing
from taskaction.control.task_actions.status_commit import StatusCommitter
from taskaction.control.task_actions.teardown import Teardown
from taskaction.control.task_actions.timers import ActionTimers
from taskaction.core.clock import Clock
from taskaction.lifecycle.decisions import (
    AddFinalizer,
    Adopt,
    Call,
    Cancel,
    Decision,
    Dequeue,
    Enqueue,
    ExpireAt,
    Park,
    PollAt,
    RecordEvent,
    RemoveFinalizer,
    WakeAt,
    Write,
)
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Outcome, names_work
from taskaction.lifecycle.state import Activity, CallEnded, CancelEnded, Event, Reconcile, Slot

_AT_ONCE = frozenset({Write.NOW, Write.FIRST})


class Reconciler:
    """Reconciler of TaskActions."""

    def __init__(
        self,
        *,
        table: ActionTable,
        clock: Clock,
        observer: ActionObserver,
        owners: ActionOwners,
        placer: ActionPlacer,
        offers: ProviderIntake,
        waits: LeaseWaits,
        editor: ObjectEditor[ActionRecord],
        timers: ActionTimers,
        background: Background,
        canceller: Canceller,
        teardown: Teardown,
        queueing: Queueing,
        committer: StatusCommitter,
        dispatcher: EventDispatcher,
        requests: Requests,
    ) -> None:
        self._table = table
        self._clock = clock
        self._observer = observer
        self._owners = owners
        self._placer = placer
        self._offers = offers
        self._waits = waits
        self._editor = editor
        self._timers = timers
        self._background = background
        self._canceller = canceller
        self._teardown = teardown
        self._queueing = queueing
        self._committer = committer
        self._dispatcher = dispatcher
        self._requests = requests

    # -- requests and timers ------------------------------------------------------------------------------------------

    def reconcile(self, uid: str) -> None:
        """Reconcile an action: decide what is due, and start it."""
        record = self._table.get(uid)
        if record is None:
            return
        if record.must_be_placed:  # a write has read a newer object, e.g. with an abort
            self._placer.place(record)
        if self._waits.must_wait(record):
            return
        if (failure := record.take_partition_failure()) is not None:
            self._background.start(self.conclude(record, failure), name=f"fail {uid}")
            return
        found = record.awaits_partition and self._queueing.is_partition_known(record)
        if found:
            self._placer.place_in_partition(record)
        decision = self.decide(record, Reconcile())
        if decision is None:
            return
        self.apply(record, decision)
        if decision.write in _AT_ONCE or record.is_finished or record.was_refused:
            self._background.start(self._committer.commit(record, decision), name=f"commit {uid}")
        if found and record.awaits_partition and not record.status.phase.is_terminal:
            self._queueing.submit_found(record)

    def poll(self, uid: str) -> None:
        """Poll an action at once, because an object that it created changed, or an event for it arrived."""
        record = self._table.get(uid)
        if record is None:
            return
        if record.activity is Activity.WAITING:
            self._queueing.enqueue(record)
            self._timers.update(record)
        # A running call may have read the state before the change.
        record.request_poll_again(wanted=record.activity is Activity.CALLING)

    def on_due(self, uid: str) -> None:
        """Handle a due timer: write a delayed status, poll, or reconcile."""
        record = self._table.get(uid)
        if record is None:
            return
        due = record.take_due(self._clock.now())
        if due.flush:
            self.flush(record)
        if due.poll:
            self._queueing.enqueue(record)
        if due.wake:
            self._requests.reconcile(record)
        self._timers.update(record)

    def flush(self, record: ActionRecord) -> None:
        """Write a status that was delayed."""
        self._background.start(self._committer.write_status(record), name=f"flush {record.uid}")

    # -- decisions ----------------------------------------------------------------------------------------------------

    def decide(self, record: ActionRecord, event: Event) -> Decision | None:
        """Return the decision about ``event``; None if this process must not decide."""
        owner = self._owners.current(record)
        if owner is None or record.is_gone or (isinstance(event, Reconcile | Slot) and self._is_unclear(record)):
            return None
        return step(self._observer.observe_action(record, owner), event, self._clock.now())

    def _is_unclear(self, record: ActionRecord) -> bool:
        """Whether a lookup of the provider is pending, or the action is read again: a decision would be wrong now."""
        key = provider_key(record.action)
        return (key is not None and self._offers.is_lookup_pending(key)) or self._observer.must_be_read(record)

    async def conclude(self, record: ActionRecord, outcome: Outcome) -> None:
        """Record the outcome of a call."""
        decision = self.decide(record, CallEnded(outcome))
        if decision is None:
            return
        record.rest()
        if names_work(outcome):
            record.rule_out_lost_call()
        self._dispatcher.mark_consumed(record)
        self.apply(record, decision)
        if decision.status.phase.is_started:
            record.wait_for_poll()
        await self._committer.commit(record, decision)

    async def on_cancel_ended(self, record: ActionRecord, ended: CancelEnded) -> None:
        """Record the end of a cancelled attempt, if the object and the attempt still exist."""
        if self._table.get(record.uid) is not record or record.status.phase.is_terminal:
            return
        if record.activity is not Activity.CANCELLING:
            return  # another owner took it over meanwhile
        decision = self.decide(record, ended)
        if decision is None:
            return
        record.rest()
        self.apply(record, decision)
        await self._committer.commit(record, decision)

    # -- effects ------------------------------------------------------------------------------------------------------

    def apply(self, record: ActionRecord, decision: Decision) -> Call | None:  # noqa: C901, PLR0912 - one case per effect
        """Accept a decision: set the status, run the effects that need no record first, and return the call to make."""
        record.accept(decision.status)
        if self._dispatcher.index_external_id(record):
            record.request_poll_again(wanted=True)
        call: Call | None = None
        for effect in decision.effects:
            match effect:
                case Call():
                    call = effect
                case Enqueue():
                    self._queueing.enqueue(record)
                case Dequeue():
                    self._queueing.withdraw(record)
                case Park(at=at, key=key):
                    self._queueing.park(record, at, key)
                case PollAt(at=at):
                    record.schedule_poll(at, self._clock.now())
                case WakeAt(at=at):
                    record.wake_by(at)
                case Cancel():
                    if record.begin_cancel():
                        self._background.start(self._cancel(record, effect), name=f"cancel {record.uid}")
                case Adopt():
                    self._background.start(self._adopt(record), name=f"adopt {record.uid}")
                case AddFinalizer() | RemoveFinalizer() | ExpireAt() | RecordEvent():
                    pass  # these run before or after the write: see ``turns`` and ``status_commit``
                case _:
                    assert_never(effect)
        if decision.write is Write.LATER:
            self._timers.flush_later(record)
        elif decision.write is not Write.NONE:
            record.cancel_flush()
        self._queueing.update_place(record)
        self._timers.update(record)
        return call

    async def _cancel(self, record: ActionRecord, wanted: Cancel) -> None:
        await self.on_cancel_ended(record, await self._canceller.cancel(record, wanted))

    async def _adopt(self, record: ActionRecord) -> None:
        if record.adopter is None:
            return
        try:
            await self._editor.add_owner(record, record.adopter)
        except InvalidError as error:
            await self.conclude(record, refused_edit_failure(error))
            return
        if record.is_gone:
            self._teardown.on_deleted(record)
        else:
            self._requests.reconcile(record)
