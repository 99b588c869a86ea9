"""Persistence of runs: writes statuses, and before each the data that it refers to: private and large values.

Data to which a status refers exists whenever the status does. If the storage does not respond, or a ResourceQuota
leaves no room for a Secret, the status stays as it is, says why, and is written later. What was decided meanwhile is in
memory, and a next owner decides it again.
"""

from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, TypeVar

import orjson

from taskaction.api.action_flow_run import ActionFlowRunStatus
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.cluster.errors import QuotaReachedError
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.control.flow_runs import statuses
from taskaction.control.flow_runs.documents import PrivateParts, StateDocument
from taskaction.control.flow_runs.files import RunFiles
from taskaction.control.flow_runs.holds import QUOTA_PAUSE, QuotaHold
from taskaction.control.flow_runs.journal import RunRecorder
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.translation import RunEvent, StoredEnd, lost_output, to_action_ended
from taskaction.control.flow_runs.vault import PrivateDataVault, VaultError
from taskaction.control.objects.background import Background
from taskaction.control.objects.writer import StatusWriter, WriteResult
from taskaction.core.clock import Clock
from taskaction.core.constants import FLOW_STATE_LIMIT_BYTES
from taskaction.flows.effects import ActionEnded, DataLimitExceeded, Event
from taskaction.plugin.storage import StorageError
from taskaction.plugin.stored_outputs import OutputLostError, StoredOutput, StoredOutputs

_STATE = "state"

T = TypeVar("T")


class _StatusReplacedError(Exception):
    """Another owner has written while data for a status of this one was stored."""


class _NoRoomError(Exception):
    """A ResourceQuota leaves no room for the Secret with private parts."""

    def __init__(self, hold: QuotaHold) -> None:
        super().__init__(hold.problem)
        self.hold = hold


class RunPersistence:
    """Writer of statuses and reader of states."""

    def __init__(
        self,
        *,
        vault: PrivateDataVault,
        files: RunFiles,
        outputs: StoredOutputs,
        writer: StatusWriter[RunRecord],
        clock: Clock,
        jitter: Callable[[], float],
        background: Background,
        recorder: RunRecorder,
    ) -> None:
        self._vault = vault
        self._files = files
        self._outputs = outputs
        self._writer = writer
        self._clock = clock
        self._jitter = jitter
        self._background = background
        self._recorder = recorder

    def to_shown(self, document: StateDocument) -> Any:
        """Return a state for a status: its value, or its text if it is so large that it goes to a file."""
        is_large = self._files.has_storage and len(document.content) > FLOW_STATE_LIMIT_BYTES
        return orjson.Fragment(document.content) if is_large else orjson.loads(document.content)

    def find_denial(self, record: RunRecord) -> str | None:
        """Return why data of a run will not be stored: the storage has refused it for too long; None otherwise."""
        return record.storage_wait.find_denial(self._clock.now())

    async def write(self, record: RunRecord) -> WriteResult:
        """Write the data to which the status refers, then the status; ``DELAYED`` means that the record must wait."""
        try:
            await self._store_private_parts(record)
            await self._store_large_values(record)
        except StorageError as error:
            wait = record.storage_wait.after_refused_write(error, self._clock.now())
            record.wait_for_storage(wait)
            return await self._delay_write(record, Reason.STORAGE_UNAVAILABLE, str(error), wait.retry_at)
        except _NoRoomError as error:
            return await self._delay_write(record, Reason.QUOTA_EXCEEDED, str(error), error.hold.until)
        except _StatusReplacedError:
            return WriteResult.OVERTAKEN
        waits = record.state is None or record.status.reason == Reason.STORAGE_UNAVAILABLE  # for something to be read
        if not waits:
            record.clear_storage_errors()
        before = record.stored
        result = await self._writer.flush(record)
        if result is WriteResult.STORED:
            self._delete_replaced(record, before)
        return result

    async def read_state(self, record: RunRecord) -> StateDocument:
        """Return the stored form of the state of a run.

        Raises:
            VaultError: the run's account may not read the private part.
            LostError: the state is missing in the storage.
            StorageError: the storage does not respond; ``record.storage_wait`` says when to retry.
        """
        status = record.status
        address, mark = status.state_uri, status.private_state
        content = orjson.dumps(status.state)
        if address is not None:
            content = await self._call_storage(record, lambda: self._files.read(record, address))
        private = await self._vault.read_state(record, mark) if mark is not None else []
        return StateDocument(content=content, private=private, member=_STATE if address is not None else None)

    async def read_outputs(self, record: RunRecord, events: Iterable[RunEvent]) -> list[Event]:
        """Return events with the outputs of actions that are in the storage, or those that end the run without them.

        Raises:
            StorageError: the storage does not respond; ``record.storage_wait`` says when to retry.
        """
        if (denial := self.find_denial(record)) is not None:
            return [DataLimitExceeded(denial)]
        try:
            return [await self._read_output(record, one) if isinstance(one, StoredEnd) else one for one in events]
        except StorageError:
            if record.state is None or self._clock.now() < record.state.deadline:
                raise
            return []  # its time is over, as the machine will find

    async def _read_output(self, record: RunRecord, end: StoredEnd) -> ActionEnded:
        metadata, status = end.action.metadata, end.action.status
        claim = StoredOutput(
            kind=TASK_ACTIONS.kind,
            namespace=metadata.namespace,
            uid=metadata.uid,
            uri=status.output_uri or "",
            digest=status.output_digest,
        )
        try:
            output = await self._call_storage(record, lambda: self._outputs.read(claim))
        except OutputLostError as error:
            return lost_output(end.visit, end.action, str(error))
        whole = end.action.model_copy(update={"status": status.model_copy(update={"output": output})})
        return to_action_ended(end.visit, whole)

    async def _store_private_parts(self, record: RunRecord) -> None:
        """Store the private parts in a Secret before the status refers to it; raise ``_NoRoomError``."""
        kept = record.take_private_parts()
        if kept is None:
            return
        status = record.status
        try:
            mark = await self._store_private_state(record, kept) if kept else None
        except VaultError as error:
            statuses.set_finished(record, Phase.FAILED, Reason.FORBIDDEN, str(error), self._clock.now())
            status, mark = record.status, None
        record.end_private_hold()
        if mark != status.private_state:
            _replace(record, status, private_state=mark)

    async def _store_private_state(self, record: RunRecord, kept: PrivateParts) -> str:
        """Return the fingerprint of the stored parts; raise ``_NoRoomError`` with pauses while a quota refuses them."""
        hold = record.private_hold
        if hold is None:
            try:
                return await self._vault.store_state(record, kept)
            except QuotaReachedError as error:
                hold = QuotaHold(self._clock.now() + QUOTA_PAUSE, f"private data cannot be stored: {error}")
        record.hold_private_parts(kept, hold)
        raise _NoRoomError(hold)

    async def _store_large_values(self, record: RunRecord) -> None:
        """Store large values in files before the status refers to them."""
        if not self._files.has_storage:
            return
        status = record.status
        if _is_too_large(status.state, record.stored.state):
            # equal states get separate files, so that the removal of the first does not remove the second
            content = {_STATE: status.state, "follows": record.version}
            address = await self._call_storage(record, lambda: self._files.write(record, content))
            status = _replace(record, status, state=None, state_uri=address)
        if _is_too_large(status.output, record.stored.output):
            output = status.output
            address = await self._call_storage(record, lambda: self._files.write(record, output))
            _replace(record, status, output=None, output_uri=address)

    async def _call_storage(self, record: RunRecord, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Call the storage with increasing pauses while it does not respond; raise ``StorageError``."""
        wait = record.storage_wait
        if not wait.is_over(self._clock.now()):
            raise wait.error
        try:
            found = await work()
        except StorageError as error:
            record.wait_for_storage(wait.after_error(error, self._clock.now(), self._jitter()))
            self._recorder.on_storage_failed(record, error)
            raise
        record.clear_storage_errors()
        return found

    async def _delay_write(
        self, record: RunRecord, reason: Reason, problem: str, until: datetime | None
    ) -> WriteResult:
        """Report the problem in the recorded status, and keep the new status for later."""
        wanted, known = record.status, record.stored
        if wanted is known:  # another owner wrote meanwhile
            return WriteResult.OVERTAKEN
        if known.claim != wanted.claim:
            known = known.model_copy(update={"claim": wanted.claim})
        record.set_status(known)
        statuses.set_condition(record, known.phase, reason, problem, self._clock.now())
        result = await self._writer.flush(record)
        if result is not WriteResult.STORED or record.is_finished:
            return result
        record.delay_write(wanted, until)
        return WriteResult.DELAYED

    def _delete_replaced(self, record: RunRecord, before: ActionFlowRunStatus) -> None:
        """Delete data that no status refers to any more; data left by a crash is deleted with the run."""
        now = record.stored
        if before.private_state is not None and before.private_state != now.private_state:
            self._background.start(self._vault.delete_state(record, before.private_state), name=f"forget {record.uid}")
        if before.state_uri is not None and before.state_uri != now.state_uri:
            self._background.start(self._files.forget(before.state_uri), name=f"forget {record.uid}")


def _replace(record: RunRecord, known: ActionFlowRunStatus, **fields: Any) -> ActionFlowRunStatus:
    """Change the status to write; raise ``_OvertakenError`` if it was replaced meanwhile."""
    if record.status is not known:
        raise _StatusReplacedError
    record.update_status(**fields)
    return record.status


def _is_too_large(value: Any, stored: Any) -> bool:
    return value is not None and value is not stored and statuses.json_size(value) > FLOW_STATE_LIMIT_BYTES
