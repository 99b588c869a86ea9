"""Effects of a run's state: creates or calls its actions, and stops those that it no longer needs."""

import asyncio

from taskaction.control.flow_runs.children import RunChildren
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

    async def start_actions(self, record: RunRecord) -> None:
        """Create or call every action of the state that does not exist."""
        new = record.take_missing_starts()
        for start in new:
            if start.inline:
                self._inline.begin(record, start)
        ensured = (
            self._children.ensure(record, start, made_here=start.visit not in record.inherited)
            for start in new
            if not start.inline
        )
        said = [event for event in await asyncio.gather(*ensured) if event is not None]
        if said:
            record.add_events(said)
            self._requests.reconcile(record)

    async def stop_actions(self, record: RunRecord) -> None:
        """Stop the actions that the run no longer needs."""
        for visit in record.calls.keys() - record.starts.keys():
            record.calls[visit].stop()
        await asyncio.gather(*(self._children.abort(record, visit) for visit in record.take_cancelled()))
