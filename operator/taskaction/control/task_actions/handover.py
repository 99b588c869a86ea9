"""Brings the actions of a shard to rest before another process gets them; it moves no Lease and decides nothing."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from taskaction.control.objects.records import Record, Table
from taskaction.control.task_actions.observe import Binding, Gatherer
from taskaction.control.task_actions.reconciler import Engine
from taskaction.control.task_actions.teardown import Departures
from taskaction.core.clock import Clock
from taskaction.lifecycle.state import Activity

_UNDER_WAY = frozenset({Activity.CALLING, Activity.CANCELLING})


class Handover:
    """Lets calls under way end and has what is known written; what goes on outside is left to the next owner."""

    def __init__(
        self, *, clock: Clock, table: Table, gatherer: Gatherer, engine: Engine, departures: Departures
    ) -> None:
        self._clock = clock
        self._table = table
        self._gatherer = gatherer
        self._engine = engine
        self._departures = departures
        self._restless: dict[int, list[Record]] = {}

    def begin(self, shard: int) -> None:
        """Let nothing new start in a shard; its calls may end."""
        records = [record for record in self._table if record.shard == shard]
        for record in records:
            if record.activity not in _UNDER_WAY:
                self._departures.left_to_others(record)
        self._restless[shard] = [record for record in records if self._is_restless(record)]

    def is_over(self, shard: int) -> bool:
        """Say whether nothing of a shard is under way or unwritten; what is unwritten is written at once."""
        restless = [record for record in self._restless.get(shard, ()) if self._is_restless(record)]
        self._restless[shard] = restless
        for record in restless:
            if record.activity not in _UNDER_WAY and record.flushing is None:
                record.flush_at = self._clock.now()
                self._engine.due(record.uid)
        return not restless

    def loads(self) -> Mapping[int, int]:
        """Give how many calls are under way in each shard."""
        return Counter(record.shard for record in self._table if record.activity in _UNDER_WAY)

    async def interrupt(self, seconds: float) -> None:
        """Cancel the calls that are still under way, because the process ends.

        An attempt of an executor that is not idempotent is recorded as interrupted, unless it succeeded after all. Any
        other is left as it stands: the next owner makes the call again. What does not obey within ``seconds`` is left
        too: the next owner waits before it touches such an attempt.
        """
        records = [record for record in self._table if record.call is not None and record.activity is Activity.CALLING]
        calls = [record.call for record in records if record.call is not None]
        for record, call in zip(records, calls, strict=True):
            record.activity, record.cancelling = Activity.CANCELLING, True
            call.cancel()
        if calls:
            await asyncio.wait(calls, timeout=seconds)
        ended = [record for record, call in zip(records, calls, strict=True) if call.done()]
        await asyncio.gather(*(self._interrupted(record) for record in ended))

    async def _interrupted(self, record: Record) -> None:
        while record.call is not None:  # noqa: ASYNC110 - a step or two of the loop, until its turn has been told
            await asyncio.sleep(0)
        record.cancelling = False
        if record.activity is not Activity.CANCELLING:
            return
        bound = self._gatherer.binding(record.action)
        if isinstance(bound, Binding) and bound.executor.IDEMPOTENT:
            record.activity = Activity.IDLE
        else:
            await self._engine.stopped(record)

    def _is_restless(self, record: Record) -> bool:
        if record.gone or self._table.get(record.uid) is not record:
            return False
        return record.activity in _UNDER_WAY or record.flushing is not None or record.status is not record.stored
