"""Large data of runs as files in one folder; reads and writes, and decides nothing.

A file is named by a hash of its content, is in a folder of its run, and is never changed. A status names only files
that exist, and a crash in between leaves a file that no status names.
"""

import asyncio
from typing import Any

import orjson

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.control.flow_runs.records import RunRecord
from taskaction.core.constants import FLOW_STATE_LIMIT_BYTES, FLOW_STORED_LIMIT_BYTES
from taskaction.plugin.storage import STORAGE_SETTING, ProjectStorage, StorageError, fingerprint, object_folder

_READ_LIMIT = 2 * FLOW_STORED_LIMIT_BYTES
"""More than the operator ever writes, but small enough for its memory."""


class StateLostError(Exception):
    """The data that a status names is missing or changed; the message says which."""


class RunFiles:
    """Files of all runs."""

    def __init__(self, storage: ProjectStorage) -> None:
        self._storage = storage

    @property
    def has_storage(self) -> bool:
        """Whether data can be stored outside of the object."""
        return self._storage.is_configured

    @property
    def limit(self) -> int:
        """Maximum size of the state of a run in bytes."""
        return FLOW_STORED_LIMIT_BYTES if self.has_storage else FLOW_STATE_LIMIT_BYTES

    @property
    def remedy(self) -> str:
        """What a user can do about a state that exceeds the limit."""
        more = "" if self.has_storage else f", or set {STORAGE_SETTING} to a folder"
        return f"keep less data in it{more}"

    async def write(self, record: RunRecord, value: Any) -> str:
        """Write a file of a run; return its address. Raise ``StorageError``."""
        content = orjson.dumps(value)
        folder = self._folder_of(record.namespace, record.uid)
        name = f"{await asyncio.to_thread(fingerprint, content)}.json"
        try:
            await self._storage.write(f"{folder}{name}", content)
        except StorageError as error:  # the next try writes another file, and must have the same message
            raise type(error)(str(error).replace(name, "")) from error
        return f"{folder}{name}"

    async def read(self, record: RunRecord, address: str) -> bytes:
        """Return the content of a file of a run.

        Raises:
            StorageError: the storage does not respond, refuses, or is not the configured one.
            StateLostError: the file is missing, or its content changed.
        """
        folder = self._folder_of(record.namespace, record.uid)
        if not self.has_storage or not address.startswith(self._storage.folder):
            raise StorageError(
                f"status.stateUri: {address} is not in the folder of {STORAGE_SETTING}; restore the former setting"
            )
        if not address.startswith(folder):  # the status was restored under another uid, or forged
            raise StateLostError(f"status.stateUri: {address} is not a file of this run; the run cannot continue")
        content = await self._storage.read(address, _READ_LIMIT)
        if content is None:
            raise StateLostError(f"status.stateUri: {address} not found; the run cannot continue")
        if address != f"{folder}{await asyncio.to_thread(fingerprint, content)}.json":
            raise StateLostError(f"status.stateUri: the content of {address} was changed; the run cannot continue")
        return content

    async def forget(self, address: str) -> None:
        """Delete a file that no status names any more; raise ``StorageError``."""
        await self._storage.remove(address)

    def are_named(self, run: ActionFlowRun) -> bool:
        """Whether the status of a finished run names a file."""
        return self.has_storage and run.status.output_uri is not None

    def may_exist(self, run: ActionFlowRun) -> bool:  # noqa: ARG002 - a crash may have left files of any run
        """Whether a run may have files."""
        return self.has_storage

    async def clear(self, namespace: str, uid: str) -> None:
        """Delete all files of a deleted run; raise ``StorageError``."""
        if self.has_storage:
            await self._storage.remove(self._folder_of(namespace, uid))

    def _folder_of(self, namespace: str, uid: str) -> str:
        return object_folder(self._storage.folder, namespace, uid)
