"""Handover of shards: brings the actions of a shard to rest before it moves; moves no Lease and decides nothing."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.tables import ActionTable
from taskaction.control.task_actions.owners import UNDER_WAY
from taskaction.control.task_actions.reconciler import Reconciler
from taskaction.control.task_actions.teardown import Teardown
from taskaction.core.clock import Clock
from taskaction.lifecycle.state import Activity, CancelEnded


class ShardHandover:
    """Wait for running calls and unwritten statuses; external work continues for the next owner."""

    def __init__(self, *, clock: Clock, table: ActionTable, reconciler: Reconciler, teardown: Teardown) -> None:
        self._clock = clock
        self._table = table
        self._reconciler = reconciler
        self._teardown = teardown
        self._restless: dict[int, list[ActionRecord]] = {}

    def begin(self, shard: int) -> None:
        """Start nothing new in a shard; its calls may end."""
        records = [record for record in self._table if record.shard == shard]
        for record in records:
            if record.activity not in UNDER_WAY:
                self._teardown.on_shard_released(record)
        self._restless[shard] = [record for record in records if self._is_busy(record)]

    def is_over(self, shard: int) -> bool:
        """Whether a shard has no running call and no unwritten status; write the latter at once."""
        restless = [record for record in self._restless.get(shard, ()) if self._is_busy(record)]
        self._restless[shard] = restless
        for record in restless:
            if record.activity not in UNDER_WAY and record.flushing is None:
                self._reconciler.flush(record)
        return not restless

    def end(self, shard: int) -> None:
        """Forget the actions of a shard that has moved, or that stays."""
        self._restless.pop(shard, None)

    def active_calls(self) -> Mapping[int, int]:
        """Return the number of running calls in each shard."""
        return Counter(record.shard for record in self._table if record.activity in UNDER_WAY)

    async def interrupt(self, seconds: float) -> None:
        """Cancel the calls that are still running, because the process ends.

        An attempt of an executor that is not idempotent is recorded as interrupted, unless it succeeded. Any other
        stays as it is: the next owner repeats the call. A call that ignores the cancel for ``seconds`` is left too: the
        next owner waits before it touches such an attempt.
        """
        records = [record for record in self._table if record.call is not None and record.activity is Activity.CALLING]
        calls = [record.call for record in records if record.call is not None]
        for record, call in zip(records, calls, strict=True):
            record.begin_cancel()
            call.cancel()
        if calls:
            await asyncio.wait(calls, timeout=seconds)
        ended = [record for record, call in zip(records, calls, strict=True) if call.done()]
        await asyncio.gather(*(self._record_interruption(record) for record in ended))

    async def _record_interruption(self, record: ActionRecord) -> None:
        while record.call is not None:  # noqa: ASYNC110 - one or two steps of the loop, until its turn has noticed
            await asyncio.sleep(0)
        record.end_cancel()
        if record.activity is not Activity.CANCELLING:
            return
        if record.traits is not None and record.traits.idempotent:
            record.rest()
        else:
            await self._reconciler.on_cancel_ended(record, CancelEnded())

    def _is_busy(self, record: ActionRecord) -> bool:
        if record.is_gone or self._table.get(record.uid) is not record:
            return False
        return (
            record.activity in UNDER_WAY
            or record.flushing is not None
            or not (record.status is record.stored or record.is_refused)
        )
