"""Edits of the object of an action or run: finalizer, ownerReference, deletion; decides nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from taskaction.cluster.errors import ConflictError, NotFoundError
from taskaction.cluster.gateway import Body, Cluster, Resource
from taskaction.cluster.write_slots import WriteRank, WriteSlots
from taskaction.control.objects.owned import RESOURCES, OwnedObject, OwnedRecord, adoption_mark, kind_of
from taskaction.control.objects.requests import Requests
from taskaction.core.constants import FINALIZER, HELD_LABEL, PARENT_ANNOTATION

Operations = list[dict[str, Any]]
T = TypeVar("T")
R = TypeVar("R", bound=OwnedRecord)


class RetryingCall(Protocol):
    """Function that repeats a call until it succeeds or fails permanently."""

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``call``; raise every ``ClusterError`` that a retry cannot help."""


class PersistentWrites:
    """Writes that are repeated until they succeed or fail permanently; none keeps its slot during a pause."""

    def __init__(self, persistently: RetryingCall, slots: WriteSlots) -> None:
        self._persistently = persistently
        self._slots = slots

    async def run(self, namespace: str, rank: WriteRank, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a call, each try of which waits for a slot; raise what a retry cannot help."""
        return await self._persistently(lambda: self._slots.run(namespace, rank, call))


class ObjectEditor(Generic[R]):
    """Editor of objects by JSON patches that test the resourceVersion, since others may edit the same list."""

    def __init__(self, cluster: Cluster, persistently: RetryingCall, requests: Requests, slots: WriteSlots) -> None:
        """Create an editor; it requests reconciliation of every object that it reads and the watch may not show."""
        self._cluster = cluster
        self._requests = requests
        self._persistently = persistently
        self._writes = PersistentWrites(persistently, slots)

    async def add_finalizer(self, record: R) -> None:
        """Add the finalizer."""
        await self._edit(record, _add_finalizer_operations)

    async def remove_finalizer(self, record: R) -> None:
        """Remove the finalizer; this may complete the deletion of the object."""
        await self._edit(record, _remove_finalizer_operations)

    async def add_owner(self, record: R, parent: OwnedObject) -> None:
        """Add ``parent`` to ``metadata.ownerReferences``, without ``controller`` and ``blockOwnerDeletion``."""
        owner = {
            "apiVersion": RESOURCES[kind_of(parent)].api_version,
            "kind": RESOURCES[kind_of(parent)].kind,
            "name": parent.metadata.name,
            "uid": parent.metadata.uid,
        }
        await self._edit(record, lambda action: _add_owner_operations(action, owner))

    async def delete(self, resource: Resource, name: str, namespace: str, uid: str) -> bool:
        """Delete a finished object; return False if it no longer exists."""
        return await self._writes.run(
            namespace, WriteRank.NEWS, lambda: self._cluster.delete(resource, name, namespace, uid=uid)
        )

    async def _edit(self, record: R, operations: Callable[[OwnedObject], Operations]) -> None:
        version = record.version
        while not record.is_gone:
            wanted = operations(record.api_object)
            if not wanted:
                return
            try:
                body = await self._patch(record, version, wanted)
            except NotFoundError:
                record.mark_gone()
            except ConflictError:
                await self._refresh(record)
                version = record.api_object.metadata.resource_version
            else:
                _update_record(record, body)
                return

    async def _patch(self, record: R, version: str, wanted: Operations) -> Body:
        test: Sequence[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "test", "path": "/metadata/uid", "value": record.uid},
        ]
        return await self._writes.run(
            record.namespace,
            WriteRank.AWAITED,
            lambda: self._cluster.patch(RESOURCES[record.kind], record.name, record.namespace, [*test, *wanted]),
        )

    async def _refresh(self, record: R) -> None:
        body = await self._persistently(
            lambda: self._cluster.get(RESOURCES[record.kind], record.name, record.namespace)
        )
        if body is None or body["metadata"]["uid"] != record.uid:
            record.mark_gone()
        else:
            _update_record(record, body)
            self._requests.reconcile(record)


def _update_record(record: OwnedRecord, body: Body) -> None:
    """Copy metadata and spec of the object into the record; keep the status that this process knows.

    If another owner has written the status, the API server must refuse the next status write: the record keeps its
    old resourceVersion.
    """
    if not record.is_overtaken(record.update_object(body)):
        record.accept_version()


def _add_finalizer_operations(action: OwnedObject) -> Operations:
    finalizers = action.metadata.finalizers
    if FINALIZER in finalizers:
        return []
    add: dict[str, Any] = {"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER}
    if not finalizers:
        add = {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}
    return [add, _set_key_operation(action.metadata.labels, "labels", HELD_LABEL, "true")]


def _remove_finalizer_operations(action: OwnedObject) -> Operations:
    finalizers = action.metadata.finalizers
    if FINALIZER not in finalizers:
        return []
    operations = [{"op": "remove", "path": f"/metadata/finalizers/{finalizers.index(FINALIZER)}"}]
    if HELD_LABEL in action.metadata.labels:
        operations.append({"op": "remove", "path": f"/metadata/labels/{_escape_pointer(HELD_LABEL)}"})
    return operations


def _add_owner_operations(action: OwnedObject, owner: dict[str, Any]) -> Operations:
    if any(known.uid == owner["uid"] for known in action.metadata.owner_references):
        return []
    reference: dict[str, Any] = {"op": "add", "path": "/metadata/ownerReferences/-", "value": owner}
    if not action.metadata.owner_references:
        reference = {"op": "add", "path": "/metadata/ownerReferences", "value": [owner]}
    return [
        reference,
        _set_key_operation(
            action.metadata.annotations, "annotations", PARENT_ANNOTATION, f"{owner['uid']},{adoption_mark(action)}"
        ),
    ]


def _set_key_operation(present: Mapping[str, str], field: str, key: str, value: str) -> dict[str, Any]:
    if not present:
        return {"op": "add", "path": f"/metadata/{field}", "value": {key: value}}
    return {"op": "add", "path": f"/metadata/{field}/{_escape_pointer(key)}", "value": value}


def _escape_pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
