"""Effects of a run's state: creates or calls its actions, and stops those that it no longer needs."""

import asyncio
from collections.abc import Callable, Iterable

from taskaction.control.flow_runs.children import RunChildren
from taskaction.control.flow_runs.inline import InlineCalls
from taskaction.control.flow_runs.records import RunRecord
from taskaction.flows.effects import Event


class EffectRunner:
    """Idempotent runner of effects, which compares the wanted actions with the existing ones."""

    def __init__(
        self, *, children: RunChildren, inline: InlineCalls, happened: Callable[[RunRecord, Iterable[Event]], None]
    ) -> None:
        """Create a runner; ``happened`` is called with events about actions."""
        self._children = children
        self._inline = inline
        self._happened = happened

    async def start_actions(self, record: RunRecord) -> None:
        """Create or call every action of the state that does not exist."""
        new = [start for visit, start in record.starts.items() if visit not in record.children]
        record.children |= {start.visit for start in new}
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
            self._happened(record, said)

    async def stop_actions(self, record: RunRecord) -> None:
        """Stop the actions that the run no longer needs."""
        for visit in record.calls.keys() - record.starts.keys():
            record.calls[visit].stop()
        cancelled, record.cancelled = record.cancelled, set()
        await asyncio.gather(*(self._children.abort(record, visit) for visit in cancelled))
