"""Effects of a run's state: creates or calls its actions, and stops those that it no longer needs."""

import asyncio
from datetime import datetime

from taskaction.control.flow_runs.children import RunChildren
from taskaction.control.flow_runs.holds import QUOTA_PAUSE, QuotaHold
from taskaction.control.flow_runs.inline import InlineCalls
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.objects.requests import Requests


class EffectRunner:
    """Idempotent runner of effects, which compares the wanted actions with the existing ones."""

    def __init__(self, *, children: RunChildren, inline: InlineCalls, requests: Requests) -> None:
        """Create a runner; it requests a turn of a run for what it finds out about its actions."""
        self._children = children
        self._inline = inline
        self._requests = requests

    async def start_actions(self, record: RunRecord, now: datetime) -> None:
        """Create or call every action of the state that does not exist; retry later what a quota leaves no room for."""
        new = record.take_missing_starts()
        for start in new:
            if start.inline and record.starts.get(start.visit) is start and not record.is_gone:
                self._inline.begin(record, start)
                await asyncio.sleep(0)  # each validates parameters; the run may be given up meanwhile
        made = [start for start in new if not start.inline]
        if not made:
            return
        ensured = await self._children.ensure_all(record, made)
        hold = QuotaHold(now + QUOTA_PAUSE, ensured.problem) if ensured.problem else None
        record.hold_starts(ensured.held, hold)
        if ensured.events:
            record.add_events(ensured.events)
            self._requests.reconcile(record)

    async def stop_actions(self, record: RunRecord) -> None:
        """Stop the actions that the run no longer needs."""
        for visit in record.calls.keys() - record.starts.keys():
            record.calls[visit].stop()
        await asyncio.gather(*(self._children.abort(record, visit) for visit in record.take_cancelled()))
