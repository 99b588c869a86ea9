"""Carries out what a run's state asks for: its actions exist or are called, and those that it gave up are stopped."""

import asyncio
from collections.abc import Callable, Iterable

from taskaction.control.flow_runs.children import Children
from taskaction.control.flow_runs.inline import InlineCalls
from taskaction.control.flow_runs.records import RunRecord
from taskaction.flows.effects import Event


class Carrying:
    """Compares what is under way with what is there; to do it twice changes nothing."""

    def __init__(
        self, *, children: Children, inline: InlineCalls, happened: Callable[[RunRecord, Iterable[Event]], None]
    ) -> None:
        """``happened`` is told how actions stand."""
        self._children = children
        self._inline = inline
        self._happened = happened

    async def start(self, record: RunRecord) -> None:
        """Have every action under way exist, or be called."""
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

    async def stop(self, record: RunRecord) -> None:
        """Have those end that nobody waits for any more."""
        for visit in record.calls.keys() - record.starts.keys():
            record.calls[visit].stop()
        cancelled, record.cancelled = record.cancelled, set()
        await asyncio.gather(*(self._children.abort(record, visit) for visit in cancelled))
