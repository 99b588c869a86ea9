"""Marks of operators in the storage, by which they notice that several of them share a folder."""

import orjson

from taskaction.cluster.gateway import LEASES, Cluster
from taskaction.control.sharding.lease_bodies import shard_name
from taskaction.core.errors import TaskActionError
from taskaction.plugin.event_content import folder_of
from taskaction.plugin.storage import OBJECT_UID, ProjectStorage, object_folder

_FOLDER = ".operators/"
"""Where the marks are; no namespace has such a name."""
_FORMER = "former-release"
"""Stands for operators of releases that leave no mark; an administrator who knows that there are none removes it."""


class SharedFolderError(TaskActionError):
    """Operators of several clusters or namespaces may use one folder, so none of them knows whose a file is."""


class StorageMarks:
    """Writer of this operator's mark, and reader of those of others.

    A mark is named by the uid of the Lease that all replicas of an operator share. So it stays the same over restarts
    and upgrades, and two operators never have the same.

    An operator leaves its mark before its first file. So files in a folder without a mark are of a former release,
    perhaps of another cluster that still uses them, and a second mark says so.
    """

    def __init__(self, cluster: Cluster, storage: ProjectStorage, namespace: str) -> None:
        """Create marks for the operator whose Leases are in ``namespace``."""
        self._cluster = cluster
        self._storage = storage
        self._namespace = namespace
        self._folder = f"{storage.folder}{_FOLDER}"
        self._had_unmarked_files: bool | None = None

    async def leave(self) -> bool:
        """Leave this operator's mark; return False while there is no Lease yet to name it by.

        The first call looks for files of former releases, so it must come before this process writes any.

        Raises:
            StorageError: the storage does not respond.
            ClusterError: the API server does not respond.
        """
        marks = await self._find_marks()
        if self._had_unmarked_files is None:
            self._had_unmarked_files = not marks and await self._has_files()
        own = await self._find_own()
        if own is None:
            return False
        if own not in marks:
            content = orjson.dumps({"namespace": self._namespace})
            for name in (_FORMER, own) if self._had_unmarked_files else (own,):
                await self._storage.write(f"{self._folder}{name}", content)
        return True

    async def check_alone(self) -> bool:
        """Return whether this operator's mark is there, and nobody else's; leave it if it is missing.

        Raises:
            SharedFolderError: another operator has left a mark, or may use the folder without one.
            StorageError: the storage does not respond.
            ClusterError: the API server does not respond.
        """
        own = await self._find_own()
        if own is None:
            return False
        marks = await self._find_marks()
        if own not in marks:
            await self.leave()
        others = sorted(marks - {own, _FORMER})
        if others:
            raise SharedFolderError(
                f"TASKACTION_STORAGE: other operators use {self._storage.folder}, too, so files that no object needs "
                "stay there; give each operator a folder of its own, or remove the marks of those that are gone from "
                f"{self._folder}: {', '.join(others)}"
            )
        if _FORMER in marks:
            raise SharedFolderError(
                f"TASKACTION_STORAGE: {self._storage.folder} has files of a release that left no mark, perhaps of "
                "another operator, so files that no object needs stay there; if no other operator uses the folder, "
                f"remove {self._folder}{_FORMER}"
            )
        return own in marks

    async def _find_own(self) -> str | None:
        lease = await self._cluster.get(LEASES, shard_name(0), self._namespace)
        return None if lease is None else str(lease["metadata"]["uid"])

    async def _find_marks(self) -> set[str]:
        return {mark.rpartition("/")[2] for mark in await self._storage.files(self._folder)}

    async def _has_files(self) -> bool:
        """Whether there are folders of objects, or of bodies of webhooks."""
        top = self._storage.folder
        for namespace in await self._storage.folders(top):
            for name in await self._storage.folders(f"{top}{namespace}/"):
                is_webhooks = object_folder(top, namespace, name) == folder_of(top, namespace)
                if is_webhooks or OBJECT_UID.fullmatch(name):
                    return True
        return False
