"""Cancellation of attempts: cancels the running call and then the executor, within a deadline; records nothing."""

import asyncio
from datetime import datetime

from taskaction.control.objects.records import ActionRecord
from taskaction.control.task_actions.calls import ExecutorCaller
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding
from taskaction.control.task_actions.owners import ActionOwners
from taskaction.core.clock import Clock

_RETRY = 1.0


class Canceller:
    """Canceller that tries until the executor confirms or the deadline passes."""

    def __init__(
        self,
        *,
        clock: Clock,
        observer: ActionObserver,
        owners: ActionOwners,
        caller: ExecutorCaller,
        journal: ActionRecorder,
    ) -> None:
        self._clock = clock
        self._observer = observer
        self._owners = owners
        self._caller = caller
        self._journal = journal

    async def cancel(self, record: ActionRecord, bound: datetime) -> None:
        """Cancel the attempt of a record in which the cancel has begun; return at ``bound`` at the latest."""
        telling = asyncio.create_task(self._cancel_executor(record), name=f"tell {record.uid}")
        seconds = max((bound - self._clock.now()).total_seconds(), 0.0)
        patience = asyncio.create_task(self._clock.sleep(seconds), name=f"patience {record.uid}")
        await asyncio.wait({telling, patience}, return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            self._journal.on_cancel_abandoned(record)
        for task in (telling, patience):
            task.cancel()
        await asyncio.gather(telling, patience, return_exceptions=True)
        record.end_cancel()

    async def _cancel_executor(self, record: ActionRecord) -> None:
        if record.call is not None:
            record.call.cancel()
            await asyncio.wait({record.call})
        bound = self._observer.bind_executor(record.action)
        if not isinstance(bound, ExecutorBinding):
            return
        while True:
            observed = self._observer.observe_action(record, self._owners.of_attempt(record))
            try:
                await self._caller.cancel(record, bound, observed)
            except Exception as error:  # noqa: BLE001 - an executor may raise anything; the deadline ends the retries
                self._journal.on_task_failed(f"cancel {record.uid}", error)
                await self._clock.sleep(_RETRY)
            else:
                return
