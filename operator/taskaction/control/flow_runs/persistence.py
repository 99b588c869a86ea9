"""Writes the statuses of runs, and before each what it only names: private data, and what is too large for the object.

What a status names is there whenever the status is. Where the storage does not answer, the status stays as it was, says
why, and is written later; what was decided meanwhile is in memory, and a next owner decides it again.
"""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from taskaction.api.action_flow_run import ActionFlowRunStatus
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.control.flow_runs import statuses
from taskaction.control.flow_runs.files import RunFiles
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.vault import Vault, VaultError
from taskaction.control.objects.background import Background
from taskaction.control.objects.writer import Landed, StatusWriter
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock
from taskaction.core.constants import FLOW_STATE_LIMIT_BYTES
from taskaction.plugin.storage import StorageError

_RETRY = Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.5)
_STATE = "state"

T = TypeVar("T")


class _OvertakenError(Exception):
    """Another owner has written while something was kept for a status of this one."""


class Keeping:
    """Writes statuses, and gives states back."""

    def __init__(
        self,
        *,
        vault: Vault,
        files: RunFiles,
        writer: StatusWriter[RunRecord],
        clock: Clock,
        luck: Callable[[], float],
        background: Background,
    ) -> None:
        self._vault = vault
        self._files = files
        self._writer = writer
        self._clock = clock
        self._luck = luck
        self._background = background

    @property
    def limit(self) -> int:
        """How many bytes the state of a run may have."""
        return self._files.limit

    @property
    def overflow(self) -> str:
        """What is said of a state that has more."""
        return self._files.overflow

    async def write(self, record: RunRecord) -> Landed:
        """Write the record's status, and before it what it names; ``DELAYED`` says that the record is to wait."""
        try:
            await self._hide(record)
            await self._store(record)
        except StorageError as error:
            return await self._put_off(record, error)
        except _OvertakenError:
            return Landed.OVERTAKEN
        if record.state is not None:  # else it is still to be read
            record.setbacks, record.retry_at = 0, None
        before = record.stored
        landed = await self._writer.flush(record)
        if landed is Landed.STORED:
            self._clean(record, before)
        return landed

    async def opened(self, record: RunRecord) -> Any:
        """Give the state of a run, whole again.

        Raises:
            VaultError: the run's account may not read the private part.
            LostError: the state is gone from the storage.
            StorageError: the storage does not answer; ``record.retry_at`` is when it is asked again.
        """
        status = record.status
        document, address, mark = status.state, status.state_uri, status.private_state
        if address is not None:
            document = (await self._asked(record, lambda: self._files.read(record, address)))[_STATE]
        return document if mark is None else await self._vault.opened(record, mark, document)

    async def _hide(self, record: RunRecord) -> None:
        """Have what nobody may see in its Secret before the status names that."""
        kept, record.kept = record.kept, None
        if kept is None:
            return
        status = record.status
        try:
            mark = await self._vault.keep(record, kept) if kept else None
        except VaultError as error:
            statuses.ended(record, Phase.FAILED, Reason.FORBIDDEN, str(error), self._clock.now())
            status, mark = record.status, None
        if mark != status.private_state:
            _replace(record, status, private_state=mark)

    async def _store(self, record: RunRecord) -> None:
        """Have what is too large in its file before the status names that."""
        if not self._files.has_room:
            return
        status = record.status
        if _is_too_large(status.state, record.stored.state):
            # two states that are alike are two files: the first must not go when the second has come
            content = {_STATE: status.state, "follows": record.version}
            address = await self._asked(record, lambda: self._files.write(record, content))
            status = _replace(record, status, state=None, state_uri=address)
        if _is_too_large(status.output, record.stored.output):
            output = status.output
            address = await self._asked(record, lambda: self._files.write(record, output))
            _replace(record, status, output=None, output_uri=address)

    async def _asked(self, record: RunRecord, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Ask the storage, less and less often as long as it does not answer; raises ``StorageError``."""
        if record.retry_at is not None and self._clock.now() < record.retry_at:
            raise StorageError(record.setback)
        try:
            found = await work()
        except StorageError as error:
            record.setback, record.setbacks = str(error), record.setbacks + 1
            pause = _RETRY.delay(record.setbacks, self._luck())
            record.retry_at = self._clock.now() + timedelta(seconds=pause)
            raise
        record.setbacks, record.retry_at = 0, None
        return found

    async def _put_off(self, record: RunRecord, error: StorageError) -> Landed:
        """Say why nothing happens, in the status that is on record, and keep the one that is to come."""
        wanted, known = record.status, record.stored
        if wanted is known:  # another owner has written meanwhile
            return Landed.OVERTAKEN
        if known.claim != wanted.claim:
            known = known.model_copy(update={"claim": wanted.claim})
        record.status = known
        reason = Reason.STORAGE_UNAVAILABLE
        statuses.changed(record, known.phase, reason, str(error), self._clock.now())
        landed = await self._writer.flush(record)
        if landed is not Landed.STORED or record.settled:
            return landed
        record.status = wanted
        record.at_once, record.flush_at = True, record.retry_at
        return Landed.DELAYED

    def _clean(self, record: RunRecord, before: ActionFlowRunStatus) -> None:
        """Remove what no status names any more; what a crash leaves over goes with the run."""
        now = record.stored
        if before.private_state is not None and before.private_state != now.private_state:
            self._background.start(self._vault.forget(record, before.private_state), name=f"forget {record.uid}")
        if before.state_uri is not None and before.state_uri != now.state_uri:
            self._background.start(self._files.forget(before.state_uri), name=f"forget {record.uid}")


def _replace(record: RunRecord, known: ActionFlowRunStatus, **fields: Any) -> ActionFlowRunStatus:
    """Change the status that is to be written; raises ``_OvertakenError`` where it is another one by now."""
    if record.status is not known:
        raise _OvertakenError
    record.status = known.model_copy(update=fields)
    return record.status


def _is_too_large(value: Any, stored: Any) -> bool:
    return value is not None and value is not stored and statuses.size(value) > FLOW_STATE_LIMIT_BYTES
