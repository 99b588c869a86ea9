"""Outputs of actions that do not fit into their objects: writes and removes their files in the storage of the project.

``plugin.stored_outputs`` reads them. A file is named by the object's namespace and uid, the number of the attempt and a
hash of the content. So no text of a user is part of an address, a repeated write changes nothing, and a late write of a
former owner replaces nothing. A status names only files that exist.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from taskaction.api.enums import ParentKind
from taskaction.api.task_action import TaskAction
from taskaction.control.objects.owned import parent_link
from taskaction.core.constants import FLOW_STATE_LIMIT_BYTES, FLOW_STORED_LIMIT_BYTES
from taskaction.lifecycle.outcomes import OutputReference
from taskaction.plugin.storage import STORAGE_SETTING, ProjectStorage, fingerprint, object_folder
from taskaction.plugin.stored_outputs import ALGORITHM

_OWN_LIMIT = "TASKACTION_MAX_OUTPUT_BYTES"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLimit:
    """Maximum size of an output in bytes, and what a user can do about a larger one."""

    size: int
    remedy: str


class OutputStore:
    """Store of outputs."""

    def __init__(self, storage: ProjectStorage, *, max_bytes: int) -> None:
        """Create a store; ``max_bytes`` is the maximum size of an output within the object of an action."""
        self._storage = storage
        self._max_bytes = max_bytes

    def limit(self, *, of_run: bool) -> OutputLimit:
        """Return the limit of an action's output; ``of_run`` is whether a run of a flow started the action."""
        if self._storage.is_configured:
            return OutputLimit(size=FLOW_STORED_LIMIT_BYTES, remedy="return a part of it")
        remedy = f"return a part of it, or set {STORAGE_SETTING} to a folder"
        if not of_run:
            remedy = f"return a part of it, set {STORAGE_SETTING} to a folder, or raise {_OWN_LIMIT}"
        return OutputLimit(size=self._inline_bytes(of_run=of_run), remedy=remedy)

    def overflow(self, output: Any, *, of_run: bool) -> bytes | None:
        """Return an output as JSON if it must be stored; None if it fits into the object, or nothing is configured."""
        if output is None or not self._storage.is_configured:
            return None
        content = orjson.dumps(output)
        return content if len(content) > self._inline_bytes(of_run=of_run) else None

    async def write(self, namespace: str, uid: str, attempt: int, content: bytes) -> OutputReference:
        """Store the output of an attempt; raise ``StorageError``."""
        digest = fingerprint(content)
        address = f"{self._folder_of(namespace, uid)}{attempt}-{digest}.json"
        await self._storage.write(address, content)
        return OutputReference(size=len(content), uri=address, digest=f"{ALGORITHM}{digest}")

    def are_named(self, action: TaskAction) -> bool:
        """Whether the status of an action names a file of this store."""
        return self._storage.is_configured and action.status.output_digest is not None

    def may_exist(self, action: TaskAction) -> bool:
        """Whether an action may have files: an attempt that was followed by another one may have left some."""
        return self.are_named(action) or (self._storage.is_configured and (action.status.attempt or 0) > 1)

    async def clear(self, namespace: str, uid: str) -> None:
        """Delete all outputs of a deleted action; raise ``StorageError``."""
        if self._storage.is_configured:
            await self._storage.remove(self._folder_of(namespace, uid))

    def _inline_bytes(self, *, of_run: bool) -> int:
        return max(self._max_bytes, FLOW_STATE_LIMIT_BYTES) if of_run else self._max_bytes

    def _folder_of(self, namespace: str, uid: str) -> str:
        return object_folder(self._storage.folder, namespace, uid)


def is_of_run(action: TaskAction) -> bool:
    """Whether a run of a flow started the action; its result becomes part of the state of the run."""
    link = parent_link(action)
    return link is not None and link.kind is ParentKind.ACTION_FLOW_RUN
