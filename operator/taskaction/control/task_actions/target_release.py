"""Tells executors that the end of an action is durable, so that targets may forget it; best effort, writes nothing."""

import asyncio

from taskaction.control.objects.background import Background
from taskaction.control.objects.records import Record
from taskaction.control.task_actions.calls import Caller
from taskaction.control.task_actions.journal import Journal
from taskaction.control.task_actions.observe import Binding, Gatherer
from taskaction.lifecycle.state import Owner

_PATIENCE = 60.0
"""Seconds for one release; a target forgets by itself what it was not told to."""


class Releaser:
    """Releases what the last attempt of a finished action left at its target."""

    def __init__(
        self, *, background: Background, gatherer: Gatherer, caller: Caller, journal: Journal, identity: str
    ) -> None:
        self._background = background
        self._gatherer = gatherer
        self._caller = caller
        self._journal = journal
        self._identity = identity

    def ended(self, record: Record) -> None:
        """Release what the action left, where its executor knows how; nobody waits for it."""
        if record.status.external_id is None or record.gone:
            return
        bound = self._gatherer.binding(record.action)
        if isinstance(bound, Binding) and bound.executor.releases:
            self._background.start(self._release(record, bound), name=f"release {record.uid}")

    async def _release(self, record: Record, bound: Binding) -> None:
        claim = record.status.claim
        owner = Owner(holder=self._identity, epoch=claim.epoch if claim is not None else 0)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._caller.release(record, bound, self._gatherer.observed(record, owner))
        except Exception as error:  # noqa: BLE001 - an executor may raise anything, and the action has ended
            self._journal.failed(f"release {record.uid}", error)
