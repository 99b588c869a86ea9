"""Stopping an attempt: the call under way is cancelled, the executor is told, within a bound; it records nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from taskaction.control.objects.background import Background
from taskaction.control.objects.records import Record
from taskaction.control.task_actions.calls import Caller
from taskaction.control.task_actions.journal import Journal
from taskaction.control.task_actions.observe import Binding, Gatherer
from taskaction.core.clock import Clock
from taskaction.lifecycle.state import Activity, Owner

_RETRY = 1.0


class Canceller:
    """Tells executors to stop, all at once and each until it confirms or its bound has passed."""

    def __init__(
        self,
        *,
        clock: Clock,
        background: Background,
        gatherer: Gatherer,
        caller: Caller,
        journal: Journal,
        identity: str,
        stopped: Callable[[Record], Awaitable[None]],
    ) -> None:
        """``stopped`` is called when the executor has confirmed, or was given up."""
        self._clock = clock
        self._background = background
        self._gatherer = gatherer
        self._caller = caller
        self._journal = journal
        self._identity = identity
        self._stopped = stopped

    def cancel(self, record: Record, bound: datetime) -> None:
        """Begin to stop what the action has going; once is enough."""
        if record.cancelling:
            return
        record.activity, record.cancelling = Activity.CANCELLING, True
        record.poll_at = None
        self._background.start(self._stop(record, bound), name=f"cancel {record.uid}")

    async def _stop(self, record: Record, bound: datetime) -> None:
        telling = asyncio.create_task(self._tell(record), name=f"tell {record.uid}")
        seconds = max((bound - self._clock.now()).total_seconds(), 0.0)
        patience = asyncio.create_task(self._clock.sleep(seconds), name=f"patience {record.uid}")
        await asyncio.wait({telling, patience}, return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            self._journal.abandoned(record)
        for task in (telling, patience):
            task.cancel()
        await asyncio.gather(telling, patience, return_exceptions=True)
        record.cancelling = False
        await self._stopped(record)

    async def _tell(self, record: Record) -> None:
        if record.call is not None:
            record.call.cancel()
            await asyncio.wait({record.call})
        bound = self._gatherer.binding(record.action)
        if not isinstance(bound, Binding):
            return
        while True:
            observed = self._gatherer.observed(record, self._owner(record))
            try:
                await self._caller.cancel(record, bound, observed)
            except Exception as error:  # noqa: BLE001 - an executor may raise anything; the bound ends the tries
                self._journal.failed(f"cancel {record.uid}", error)
                await self._clock.sleep(_RETRY)
            else:
                return

    def _owner(self, record: Record) -> Owner:
        """Give the claim that the attempt runs under, also where the object is gone and nobody owns it any more."""
        claim = record.status.claim
        return Owner(holder=self._identity, epoch=claim.epoch if claim is not None else 0)
