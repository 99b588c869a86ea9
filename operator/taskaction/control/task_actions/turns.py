"""Turns of workers: start or poll an action, and record the outcome.

The machine decides in each turn again what is to be done: much may have happened since the action was queued.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from taskaction.api.task_action import Claim
from taskaction.cluster.errors import InvalidError
from taskaction.control.events.contents import ContentReader
from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.events.reports import parse_reports
from taskaction.control.objects.background import Background
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.tables import ActionTable
from taskaction.control.objects.writer import WriteResult
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.control.task_actions.calls import ExecutorCaller
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.control.task_actions.lease_waits import LeaseWaits
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding
from taskaction.control.task_actions.outcomes import refused_edit_failure
from taskaction.control.task_actions.owners import ActionOwners
from taskaction.control.task_actions.reconciler import Reconciler
from taskaction.control.task_actions.results import ResultKeeper
from taskaction.control.task_actions.status_commit import StatusCommitter
from taskaction.control.task_actions.teardown import Teardown
from taskaction.control.task_actions.timers import ActionTimers
from taskaction.core.clock import Clock
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.decisions import AddFinalizer, Call, Decision, Write
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded
from taskaction.lifecycle.state import Activity, CallEnded, Observed, ReportReceived, Slot
from taskaction.plugin.base import Delivery

_BINDING_PAUSE = 10.0
"""Seconds until an action is looked at again for which nothing could be called."""
_LEASE_PAUSE = 0.5
"""Seconds between two checks whether the Lease has been renewed for a claimed attempt."""


class _Attempt(NamedTuple):
    """Attempt that a call is made for; its outcome counts only while the action has this attempt."""

    number: int | None
    claim: Claim | None


class ActionTurns:
    """Turns of workers for actions."""

    def __init__(
        self,
        *,
        table: ActionTable,
        clock: Clock,
        observer: ActionObserver,
        owners: ActionOwners,
        tenures: ShardTenures,
        waits: LeaseWaits,
        manager: ExecutionManager,
        caller: ExecutorCaller,
        editor: ObjectEditor[ActionRecord],
        timers: ActionTimers,
        teardown: Teardown,
        committer: StatusCommitter,
        dispatcher: EventDispatcher,
        contents: ContentReader,
        reconciler: Reconciler,
        results: ResultKeeper,
        background: Background,
        journal: ActionRecorder,
    ) -> None:
        self._table = table
        self._clock = clock
        self._observer = observer
        self._owners = owners
        self._tenures = tenures
        self._waits = waits
        self._manager = manager
        self._caller = caller
        self._editor = editor
        self._timers = timers
        self._teardown = teardown
        self._committer = committer
        self._dispatcher = dispatcher
        self._contents = contents
        self._reconciler = reconciler
        self._results = results
        self._background = background
        self._journal = journal

    async def process(self, uid: str) -> None:
        """Start or poll an action in a worker, and record the outcome."""
        record = self._table.get(uid)
        if record is None:
            self._manager.forget(uid)
            return
        if record.cancelling:
            return  # the end of the cancel decides what follows
        queued_at = record.leave_queue()
        if queued_at is not None:
            self._journal.on_queue_left(record, self._clock.monotonic() - queued_at)
        decision = await self._decide(record)
        if decision is None:
            return
        call = self._reconciler.apply(record, decision)
        if call is None:
            await self._committer.commit(record, decision)
        else:
            await self._make_call(record, call, decision)

    async def _decide(self, record: ActionRecord) -> Decision | None:
        """Return the decision for a worker's turn; None if there is nothing to do, or not yet."""
        if self._waits.must_wait(record):
            return None
        if record.status.phase.is_started and (reports := self._dispatcher.take_reports(record)):
            self._dispatcher.mark_consumed(record)
            return self._reconciler.decide(record, ReportReceived(parse_reports(reports)))
        limited = await self._check_quota(record)
        if limited is None and (parked_at := record.pass_quota()) is not None:
            self._journal.on_quota_passed(record, self._clock.monotonic() - parked_at)
        if self._waits.must_wait(record):
            return None  # the quota check may have taken long
        return self._reconciler.decide(record, Slot() if limited is None else CallEnded(limited))

    async def _check_quota(self, record: ActionRecord) -> Limited | Failed | None:
        """Check the target's quota before an attempt is opened; a limited action returns its worker."""
        owner = self._owners.current(record)
        bound = self._observer.bind_executor(record.action)
        if owner is None or not isinstance(bound, ExecutorBinding) or record.status.phase.is_started:
            return None
        if not bound.executor.limits_itself:
            return None
        return await self._caller.check_quota(record, bound, self._observer.observe_action(record, owner))

    async def _make_call(self, record: ActionRecord, call: Call, decision: Decision) -> None:
        outcome = await self._prepare_and_call(record, call, decision)
        if outcome is not None:
            await self._reconciler.conclude(record, outcome)
        elif record.call is None and record.activity is Activity.CALLING and self._table.get(record.uid) is record:
            # Nothing was called: the shard was lost, or the provider is not available.
            record.give_up_attempt(record.taken_over_at or self._clock.now())
            self._timers.wake_after(record, _BINDING_PAUSE)

    async def _prepare_and_call(self, record: ActionRecord, call: Call, decision: Decision) -> Outcome | None:
        """Call the executor, after a write of the claim if required; return None if there is no outcome to record."""
        record.begin_call()
        if AddFinalizer() in decision.effects and (failure := await self._add_finalizer(record)) is not None:
            return failure
        must_claim = decision.write is Write.FIRST and not record.is_finished
        if must_claim:
            if await self._committer.write_status(record) is not WriteResult.STORED:
                return None
            record.rule_out_lost_call()  # a former owner would have had to record its claim of the attempt
        if record.must_be_placed:  # the write has read a newer object, e.g. with an abort
            self._reconciler.reconcile(record.uid)
        if record.is_gone:
            self._teardown.on_deleted(record)
        owner = self._owners.current(record)
        bound = self._observer.bind_executor(record.action)
        if owner is None or not isinstance(bound, ExecutorBinding) or not _may_be_called(record):
            return None
        observed = self._observer.observe_action(record, owner)
        return await self._call_executor(record, bound, observed, poll=call.poll)

    async def _admit_call(self, record: ActionRecord, *, poll: bool) -> bool:
        """Wait for the Lease, and for a token of the rate limit; return False if the shard is lost."""
        while self._tenures.holds(record.shard):
            if not self._tenures.may_start(record.shard):
                await self._clock.sleep(_LEASE_PAUSE)
                continue
            if not poll:
                await self._manager.take_token(record.uid)
            if self._tenures.may_start(record.shard):
                return True
        return False

    async def _add_finalizer(self, record: ActionRecord) -> Failed | None:
        """Add the finalizer; return why the action cannot start without it."""
        try:
            await self._editor.add_finalizer(record)
        except InvalidError as error:
            return refused_edit_failure(error)
        record.rule_out_lost_call()  # a call would have been made after this
        if record.is_finished:  # aborted meanwhile, by a decision that saw no finalizer to remove
            await self._editor.remove_finalizer(record)
        return None

    async def _call_executor(
        self, record: ActionRecord, bound: ExecutorBinding, observed: Observed, *, poll: bool
    ) -> Outcome | None:
        record.hand_over_signal()
        attempt = _Attempt(record.status.attempt, record.status.claim)
        if not poll:
            self._journal.on_attempt_started(record, bound.executor.ACTION_NAME)
        delayed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        deliveries = self._dispatcher.take_deliveries(record) if poll else ()
        work = partial(self._deliver_and_call, record, bound, observed, deliveries, poll=poll)
        keeping = self._keep_result(record, bound.executor.ACTION_NAME, work, delayed)
        call = asyncio.create_task(keeping, name=f"call {record.uid}")
        record.start_call(call)
        ends: tuple[asyncio.Future[Any], ...] = (call, delayed)
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the turn was cancelled: the process stops
            record.end_call()
            call.cancel()
            raise
        if call.done():
            return self._take_outcome(record, call, attempt)
        # The storage is away: the worker is free for others, and the action keeps its places.
        if self._table.get(record.uid) is record:
            self._manager.hold(self._observer.to_queued_run(record))
        self._background.start(self._conclude_later(record, call, attempt), name=f"store {record.uid}")
        return None

    async def _keep_result(
        self,
        record: ActionRecord,
        executor: str,
        work: Callable[[], Awaitable[Outcome | None]],
        delayed: asyncio.Future[None],
    ) -> Outcome | None:
        """Return the outcome of a call with its output stored; resolve ``delayed`` if the storage does not take it."""
        started = self._clock.monotonic()
        outcome = await work()
        if outcome is None:
            return None
        self._journal.on_call_ended(record, executor, outcome, self._clock.monotonic() - started)
        return await self._results.keep(record, outcome, partial(_resolve, delayed))

    async def _conclude_later(
        self, record: ActionRecord, call: asyncio.Task[Outcome | None], attempt: _Attempt
    ) -> None:
        await asyncio.wait({call})
        outcome = self._take_outcome(record, call, attempt)
        if outcome is not None:
            await self._reconciler.conclude(record, outcome)

    @staticmethod
    def _take_outcome(record: ActionRecord, call: asyncio.Task[Outcome | None], attempt: _Attempt) -> Outcome | None:
        """Return the outcome of a call that has ended; None if nothing of it is to be recorded."""
        record.end_call()
        if call.cancelled():
            return None
        outcome = call.result()
        if outcome is None:
            return None
        if record.activity is Activity.CANCELLING and not isinstance(outcome, Succeeded):
            if isinstance(outcome, Pending | Paused) and outcome.external_id is not None:
                # The external work has started meanwhile: the executor's cancel needs its ID.
                record.update_status(external_id=outcome.external_id)
            return None  # the cancel decides what is recorded
        if _Attempt(record.status.attempt, record.status.claim) != attempt or not record.status.phase.is_started:
            return None  # the attempt was given up, or another owner has taken it over
        return outcome

    async def _deliver_and_call(
        self,
        record: ActionRecord,
        bound: ExecutorBinding,
        observed: Observed,
        deliveries: tuple[Delivery, ...],
        *,
        poll: bool,
    ) -> Outcome | None:
        complete = await self._contents.complete(record, deliveries) if deliveries else ()
        admit = partial(self._admit_call, record, poll=poll)
        return await self._caller.call(record, bound, observed, poll=poll, admit=admit, deliveries=complete)


def _may_be_called(record: ActionRecord) -> bool:
    return record.activity is Activity.CALLING and not record.is_gone and not record.is_finished


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
