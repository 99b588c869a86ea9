"""Entries of runs in the operator's log, limited in number: a run that loops may not fill the log."""

import asyncio

from taskaction.control.flow_runs.journal import RunRecorder
from taskaction.control.flow_runs.records import RunRecord
from taskaction.core.clock import Clock
from taskaction.execution.limits import TokenBucket

RUN_LOG_RATE = TokenBucket(interval=1.0, burst=500)
"""Limit of the entries of one run; further ones are counted."""

_AT_ONCE = 50


class RunLog:
    """Log of the entries whose status is durable."""

    def __init__(self, journal: RunRecorder, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def write(self, record: RunRecord) -> None:
        """Log the entries of a run that are not logged yet, as far as its limit allows."""
        entries = record.take_log_entries()
        now = self._clock.now().timestamp()
        bucket = record.log_tokens or RUN_LOG_RATE
        shown = entries[: bucket.available_tokens(now)]
        for number, entry in enumerate(shown, 1):
            self._journal.on_run_log_entry(record, entry)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # to format each takes the time of a small action
        record.set_log_tokens(bucket.spend(now, len(shown)))
        if len(shown) < len(entries):
            self._journal.on_run_log_cut(record, len(entries) - len(shown))
