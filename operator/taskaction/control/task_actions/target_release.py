"""Release of targets: tells executors that the end of an action is durable; best effort, writes nothing."""

import asyncio

from taskaction.control.objects.background import Background
from taskaction.control.objects.records import ActionRecord
from taskaction.control.task_actions.calls import ExecutorCaller
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding
from taskaction.control.task_actions.owners import ActionOwners
from taskaction.lifecycle.statuses import has_whole_result

_PATIENCE = 60.0
"""Timeout of one release in seconds; targets also clean up by themselves."""


class TargetReleaser:
    """Release of what the last attempt of a finished action left at its target."""

    def __init__(
        self,
        *,
        background: Background,
        observer: ActionObserver,
        owners: ActionOwners,
        caller: ExecutorCaller,
        journal: ActionRecorder,
    ) -> None:
        self._background = background
        self._observer = observer
        self._owners = owners
        self._caller = caller
        self._journal = journal

    def on_action_finished(self, record: ActionRecord) -> None:
        """Release the target in the background, if the executor supports it."""
        if record.status.external_id is None or record.is_gone or not has_whole_result(record.status):
            return  # the target has the only copy of a result that the status does not have
        bound = self._observer.bind_executor(record.action)
        if isinstance(bound, ExecutorBinding) and bound.executor.releases:
            self._background.start(self._release(record, bound), name=f"release {record.uid}")

    async def _release(self, record: ActionRecord, bound: ExecutorBinding) -> None:
        owner = self._owners.of_attempt(record)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._caller.release(record, bound, self._observer.observe_action(record, owner))
        except Exception as error:  # noqa: BLE001 - an executor may raise anything, and the action has ended
            self._journal.on_task_failed(f"release {record.uid}", error)
