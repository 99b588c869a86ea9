"""Cancellation of attempts: cancels the running call and then the executor, within a deadline; records nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from taskaction.control.objects.background import Background
from taskaction.control.objects.records import ActionRecord
from taskaction.control.task_actions.calls import ExecutorCaller
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding
from taskaction.core.clock import Clock
from taskaction.lifecycle.state import Activity, Owner

_RETRY = 1.0


class Canceller:
    """Concurrent cancels, each until the executor confirms or its deadline passes."""

    def __init__(
        self,
        *,
        clock: Clock,
        background: Background,
        gatherer: ActionObserver,
        caller: ExecutorCaller,
        journal: ActionRecorder,
        identity: str,
        stopped: Callable[[ActionRecord], Awaitable[None]],
    ) -> None:
        """Create a canceller; ``stopped`` is called after the executor has confirmed or the deadline has passed."""
        self._clock = clock
        self._background = background
        self._gatherer = gatherer
        self._caller = caller
        self._journal = journal
        self._identity = identity
        self._stopped = stopped

    def cancel(self, record: ActionRecord, bound: datetime) -> None:
        """Start to cancel the attempt of an action, unless that has started."""
        if record.cancelling:
            return
        record.activity, record.cancelling = Activity.CANCELLING, True
        record.poll_at = None
        self._background.start(self._stop(record, bound), name=f"cancel {record.uid}")

    async def _stop(self, record: ActionRecord, bound: datetime) -> None:
        telling = asyncio.create_task(self._cancel_executor(record), name=f"tell {record.uid}")
        seconds = max((bound - self._clock.now()).total_seconds(), 0.0)
        patience = asyncio.create_task(self._clock.sleep(seconds), name=f"patience {record.uid}")
        await asyncio.wait({telling, patience}, return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            self._journal.on_cancel_abandoned(record)
        for task in (telling, patience):
            task.cancel()
        await asyncio.gather(telling, patience, return_exceptions=True)
        record.cancelling = False
        await self._stopped(record)

    async def _cancel_executor(self, record: ActionRecord) -> None:
        if record.call is not None:
            record.call.cancel()
            await asyncio.wait({record.call})
        bound = self._gatherer.bind_executor(record.action)
        if not isinstance(bound, ExecutorBinding):
            return
        while True:
            observed = self._gatherer.observe_action(record, self._owner(record))
            try:
                await self._caller.cancel(record, bound, observed)
            except Exception as error:  # noqa: BLE001 - an executor may raise anything; the deadline ends the retries
                self._journal.on_task_failed(f"cancel {record.uid}", error)
                await self._clock.sleep(_RETRY)
            else:
                return

    def _owner(self, record: ActionRecord) -> Owner:
        """Return the claim of the attempt, even if the object was deleted and has no owner any more."""
        claim = record.status.claim
        return Owner(holder=self._identity, epoch=claim.epoch if claim is not None else 0)
