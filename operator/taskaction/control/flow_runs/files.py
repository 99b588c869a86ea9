"""What of a run is too large for its object, as files of one folder; reads and writes, and decides nothing.

A file is named by what is in it, lies in a folder of its run, and is never changed: a status names what was there
before, and a crash between both leaves a file over that nobody names.
"""

from typing import Any

import orjson

from taskaction.control.flow_runs.records import RunRecord
from taskaction.core.constants import FLOW_STATE_LIMIT_BYTES, FLOW_STORED_LIMIT_BYTES
from taskaction.plugin.storage import Storage, StorageError, fingerprint

_SETTING = "TASKACTION_FLOWS_STORAGE"
_READ_LIMIT = 2 * FLOW_STORED_LIMIT_BYTES
"""More than is ever written, and still no danger to the process."""


class LostError(Exception):
    """What a status names is not there any more, or is something else; says so."""


class RunFiles:
    """The files of all runs."""

    def __init__(self, folder: str | None) -> None:
        """Raises ``ConfigurationError`` where the folder's kind of storage cannot be reached for want of a package."""
        self._folder = folder
        self._storage = Storage((folder,) if folder is not None else ())

    @property
    def has_room(self) -> bool:
        """True where there is a folder at all."""
        return self._folder is not None

    @property
    def limit(self) -> int:
        """How many bytes the state of a run may have."""
        return FLOW_STORED_LIMIT_BYTES if self.has_room else FLOW_STATE_LIMIT_BYTES

    @property
    def overflow(self) -> str:
        """What is said of a state that has more."""
        more = "" if self.has_room else f", or have the operator keep more elsewhere: set {_SETTING} to a folder"
        return f"the state of the flow is larger than {self.limit} bytes: keep less in it{more}"

    async def write(self, record: RunRecord, value: Any) -> str:
        """Write a file of a run; give its address. Raises ``StorageError``."""
        content = orjson.dumps(value)
        folder, name = self._of(record.namespace, record.uid), f"{fingerprint(content)}.json"
        try:
            await self._storage.write(f"{folder}{name}", content)
        except StorageError as error:  # the next try is for another file, and is no news
            raise StorageError(str(error).replace(name, "")) from error
        return f"{folder}{name}"

    async def read(self, record: RunRecord, address: str) -> Any:
        """Give what was written to a file of a run.

        Raises:
            StorageError: the storage does not answer, refuses, or is not the one that is used now.
            LostError: the file is gone, or something else is in it.
        """
        folder = self._of(record.namespace, record.uid)
        if not self.has_room or not address.startswith(folder):
            raise StorageError(f"status.stateUri is {address}, where {_SETTING} does not lead: set it as it was")
        content = await self._storage.read(address, _READ_LIMIT)
        if content is None:
            raise LostError(f"status.stateUri: {address} is gone: the run cannot go on")
        if address != f"{folder}{fingerprint(content)}.json":
            raise LostError(f"status.stateUri: {address} is not what was written there: the run cannot go on")
        return orjson.loads(content)

    async def forget(self, address: str) -> None:
        """Remove a file that no status names any more; raises ``StorageError``."""
        await self._storage.remove(address)

    async def clear(self, namespace: str, uid: str) -> None:
        """Remove all files of a run that does not exist any more; raises ``StorageError``."""
        if self.has_room:
            await self._storage.remove(self._of(namespace, uid))

    def _of(self, namespace: str, uid: str) -> str:
        return f"{self._folder}{namespace}/{uid}/"
