"""Marks of operators in the storage, by which they notice that several of them share a folder."""

import orjson

from taskaction.cluster.gateway import LEASES, Cluster
from taskaction.control.sharding.lease_bodies import shard_name
from taskaction.core.errors import TaskActionError
from taskaction.plugin.storage import ProjectStorage

_FOLDER = ".operators/"
"""Where the marks are; no namespace has such a name."""


class SharedFolderError(TaskActionError):
    """Operators of several clusters or namespaces use one folder, so none of them knows whose a file is."""


class StorageMarks:
    """Writer of this operator's mark, and reader of those of others.

    A mark is named by the uid of the Lease that all replicas of an operator share. So it stays the same over restarts
    and upgrades, and two operators never have the same.
    """

    def __init__(self, cluster: Cluster, storage: ProjectStorage, namespace: str) -> None:
        """Create marks for the operator whose Leases are in ``namespace``."""
        self._cluster = cluster
        self._storage = storage
        self._namespace = namespace

    async def check_alone(self) -> bool:
        """Leave this operator's mark; return whether it was there, and nobody else's.

        Raises:
            SharedFolderError: another operator has left a mark.
            StorageError: the storage does not respond.
            ClusterError: the API server does not respond.
        """
        lease = await self._cluster.get(LEASES, shard_name(0), self._namespace)
        if lease is None:
            return False
        folder = f"{self._storage.folder}{_FOLDER}"
        own = str(lease["metadata"]["uid"])
        marks = {mark.rpartition("/")[2] for mark in await self._storage.files(folder)}
        if own not in marks:
            await self._storage.write(f"{folder}{own}", orjson.dumps({"namespace": self._namespace}))
        others = sorted(marks - {own})
        if others:
            raise SharedFolderError(
                f"TASKACTION_STORAGE: other operators use {self._storage.folder}, too, so files that no object needs "
                "stay there; give each operator a folder of its own, or remove the marks of those that are gone from "
                f"{folder}: {', '.join(others)}"
            )
        return own in marks
