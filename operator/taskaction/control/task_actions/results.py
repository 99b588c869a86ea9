"""Keeping of results: an output that does not fit into its object is stored before anything follows from it."""

from collections.abc import Callable
from dataclasses import replace

from taskaction.control.objects.outputs import OutputStore, is_of_run
from taskaction.control.objects.records import ActionRecord
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.control.task_actions.observe import ActionObserver
from taskaction.control.task_actions.outcomes import denied_outcome
from taskaction.control.task_actions.owners import ActionOwners
from taskaction.control.task_actions.timers import ActionTimers
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock
from taskaction.lifecycle.attempts import storage_wait_status
from taskaction.lifecycle.outcomes import Failed, Outcome, Succeeded
from taskaction.plugin.storage import StorageDeniedError, StorageError

_RETRY = Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.5)
_DENIED_SECONDS = 600.0
"""How long the storage may refuse an output, one time after the other: time to correct rights that are being set up."""


class ResultKeeper:
    """Keeper of the outputs of attempts that have ended."""

    def __init__(
        self,
        *,
        store: OutputStore,
        clock: Clock,
        jitter: Callable[[], float],
        observer: ActionObserver,
        owners: ActionOwners,
        timers: ActionTimers,
        journal: ActionRecorder,
    ) -> None:
        """Create a keeper; ``jitter`` returns random numbers in [0, 1)."""
        self._store = store
        self._clock = clock
        self._jitter = jitter
        self._observer = observer
        self._owners = owners
        self._timers = timers
        self._journal = journal

    async def keep(self, record: ActionRecord, outcome: Outcome, on_delay: Callable[[], None]) -> Outcome:
        """Return the outcome of a call as it can be recorded: with the address of an output that is too large.

        While the storage does not take the output, the status says so, and the write is repeated until it succeeds or
        this task is cancelled; ``on_delay`` is called for every failure. Until then, nothing is released or
        acknowledged: the end of the attempt is not recorded. If the storage does not permit the write for ten minutes,
        the attempt fails as if there were no storage.
        """
        if not isinstance(outcome, Succeeded | Failed):
            return outcome
        content = self._store.overflow(outcome.output, of_run=is_of_run(record.action))
        if content is None:
            return outcome
        record.begin_storing()
        failures, not_denied_at = 0, self._clock.monotonic()
        try:
            while True:
                try:
                    at = await self._store.write(record.namespace, record.uid, record.status.attempt or 1, content)
                except StorageError as error:
                    failures += 1
                    self._journal.on_storage_failed(record, error)
                    now = self._clock.monotonic()
                    if not isinstance(error, StorageDeniedError):
                        not_denied_at = now
                    elif now - not_denied_at >= _DENIED_SECONDS:
                        return denied_outcome(outcome, len(content), error, record.status.external_id)
                    self._show(record, f"the output is not stored yet: {error}", outcome.external_id)
                    on_delay()
                    await self._clock.sleep(_RETRY.delay(failures, self._jitter()))
                else:
                    return replace(outcome, output=None, output_at=at)
        finally:
            record.end_storing()

    def _show(self, record: ActionRecord, message: str, external_id: str | None) -> None:
        owner = self._owners.current(record)
        if owner is None or not record.status.phase.is_started:
            return
        observed = self._observer.observe_action(record, owner)
        record.set_status(storage_wait_status(observed, message, external_id, self._clock.now()))
        self._timers.flush_later(record)
