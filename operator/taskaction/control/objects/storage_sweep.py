"""Removal of stored files that no object needs: what a crash, or a deletion that no operator saw, left behind.

A file is removed only if it has a name that the operator or the inbox gives, and only if the API server, asked after
the file was found, has no object for it:

- A file of an action or run exists only after its object, whose uid never returns. A folder must be without an object
  in two sweeps, so that another operator that shares the storage has time to leave its mark, which it does at its
  start. A folder that the status of a restored object names stays, too.
- The bytes of a webhook request exist before their event. So those that were received today or yesterday stay. Those
  that an earlier release stored, whose address says no day, must be without an event in two sweeps.

A crash at any point leaves files for the next sweep, and nothing else.
"""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from pydantic import ValidationError

from taskaction.api.action_event import ActionEvent
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import ACTION_EVENTS, ACTION_FLOW_RUNS, TASK_ACTIONS, Body, Cluster
from taskaction.control.objects.owned import RecordLookup
from taskaction.control.objects.storage_marks import SharedFolderError, StorageMarks
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock
from taskaction.plugin.event_content import EventKey, address_of, event_name_of, folder_of, former_address_of
from taskaction.plugin.storage import OBJECT_UID, ProjectStorage, StorageError, object_folder
from taskaction.plugin.stored_outputs import is_output_file

MOST_REMOVED = 1000
"""Maximum number of files that one sweep removes; the next one continues."""
_KEY = "storage"
"""Assigns the sweep to a shard, so that one replica does it."""
_SOON_SECONDS = 60.0
_LEASE_SECONDS = 1.0
_MARK_RETRY = Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.0)
_KEPT = timedelta(days=1)
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


class SweepRecorder(Protocol):
    """Recorder of what sweeps do."""

    def on_files_removed(self, kind: str, namespace: str, count: int) -> None:
        """Record that files were removed; ``kind`` is ``object`` or ``webhook``."""

    def on_storage_shared(self, error: SharedFolderError | None) -> None:
        """Record whether several operators share the storage, so that nothing is removed."""

    def on_task_failed(self, task: str, error: BaseException) -> None:
        """Record that a sweep failed; the next one tries again."""


class StorageSweeper:
    """Sweeper of the project's storage."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        storage: ProjectStorage,
        marks: StorageMarks,
        members: RecordLookup,
        tenures: ShardTenures,
        recorder: SweepRecorder,
        namespaces: Sequence[str] = (),
    ) -> None:
        """Create a sweeper of the files of ``namespaces``; an empty sequence means all."""
        self._cluster = cluster
        self._clock = clock
        self._storage = storage
        self._marks = marks
        self._members = members
        self._tenures = tenures
        self._recorder = recorder
        self._namespaces = namespaces
        self._suspects: frozenset[str] = frozenset()

    async def run(self, interval: float) -> None:
        """Leave the mark, then sweep every ``interval`` seconds until cancelled; the first sweep follows the start."""
        await self._leave_mark()
        pause = min(interval, _SOON_SECONDS)
        while True:
            await self._clock.sleep(pause)
            pause = interval if await self.sweep() else min(interval, _SOON_SECONDS)

    async def sweep(self) -> bool:
        """Remove files that no object needs, unless another replica does; return whether the next sweep can wait."""
        suspects, self._suspects = self._suspects, frozenset()
        if not self._storage.is_configured:
            return True
        if not self._tenures.owns_key(_KEY):
            return False
        try:
            if not await self._marks.check_alone():
                return False
            namespaces = await self._storage.folders(self._storage.folder)
        except SharedFolderError as error:
            self._recorder.on_storage_shared(error)
            return True
        except (ClusterError, StorageError) as error:
            self._recorder.on_task_failed("sweep of the storage", error)
            return False
        self._recorder.on_storage_shared(None)
        self._suspects = await self._sweep_namespaces([name for name in namespaces if self._is_served(name)], suspects)
        return True

    async def _leave_mark(self) -> None:
        """Leave this operator's mark before its first file, so that other operators do not remove its files."""
        failures = 0
        while self._storage.is_configured:
            pause = _LEASE_SECONDS
            try:
                if await self._marks.leave():
                    return
            except (ClusterError, StorageError) as error:
                failures += 1
                pause = _MARK_RETRY.delay(failures, 0.0)
                self._recorder.on_task_failed("mark in the storage", error)
            await self._clock.sleep(pause)

    def _is_served(self, folder: str) -> bool:
        named = folder in self._namespaces if self._namespaces else _NAMESPACE.fullmatch(folder)
        return bool(named)

    async def _sweep_namespaces(self, namespaces: Sequence[str], suspects: frozenset[str]) -> frozenset[str]:
        """Remove what is unneeded; return what is without an object, of which only ``suspects`` are removed."""
        found, room = set[str](), MOST_REMOVED
        for namespace in namespaces:
            try:
                folders, contents = await self._find_folders(namespace), await self._find_former_contents(namespace)
                found |= folders | contents
                room -= await self._remove(room, "object", namespace, self._files_of(sorted(folders & suspects)))
                unneeded = self._find_contents(namespace, sorted(contents & suspects))
                room -= await self._remove(room, "webhook", namespace, unneeded)
            except (ClusterError, StorageError) as error:
                self._recorder.on_task_failed(f"sweep of the storage of namespace {namespace}", error)
        return frozenset(found)

    async def _remove(self, most: int, kind: str, namespace: str, addresses: AsyncIterator[str]) -> int:
        """Remove files, at most so many; return their number."""
        count = 0
        try:
            async for address in addresses:
                if count >= most:
                    break
                await self._storage.remove(address)
                count += not address.endswith("/")
        finally:
            if count:
                self._recorder.on_files_removed(kind, namespace, count)
        return count

    async def _find_folders(self, namespace: str) -> set[str]:
        """Return the folders of actions and runs that do not exist any more, and that no other one names."""
        folder = self._storage.folder
        names = await self._storage.folders(f"{folder}{namespace}/")
        unknown = {name for name in names if OBJECT_UID.fullmatch(name) and self._members.get(name) is None}
        if unknown:
            async for body in self._list_objects(namespace, metadata_only=True):
                unknown.discard(body["metadata"]["uid"])
        unknown = {uid for uid in unknown if await self._may_remove(object_folder(folder, namespace, uid))}
        if unknown:
            async for body in self._list_objects(namespace, metadata_only=False):
                unknown -= _named_uids(body)
        return {object_folder(folder, namespace, uid) for uid in unknown}

    async def _may_remove(self, folder: str) -> bool:
        """Whether anything in a folder has a name that the operator gives, or nothing is in it."""
        files = await self._storage.files(folder)
        return not files or any(_is_own(folder, address) for address in files)

    async def _list_objects(self, namespace: str, *, metadata_only: bool) -> AsyncIterator[Body]:
        for resource in TASK_ACTIONS, ACTION_FLOW_RUNS:
            async for body in self._cluster.list(resource, namespace, metadata_only=metadata_only):
                yield body

    async def _files_of(self, folders: Sequence[str]) -> AsyncIterator[str]:
        """Yield the files in folders, and each folder when nothing else is in it."""
        for folder in folders:
            others = False
            for address in await self._storage.files(folder):
                if _is_own(folder, address):
                    yield address
                else:
                    others = True
            if not others:
                yield folder

    async def _find_former_contents(self, namespace: str) -> set[str]:
        """Return the bytes of requests of which there is no event, stored by an earlier release."""
        folder = folder_of(self._storage.folder, namespace)
        addresses = [f"{folder}{name}" for name in await self._storage.direct_files(folder)]
        return {address for address in addresses if not await self._is_needed(namespace, address)}

    async def _find_contents(self, namespace: str, former: Sequence[str]) -> AsyncIterator[str]:
        """Yield the bytes of requests of which there is no event, and each folder of a day when nothing is in it."""
        for address in former:
            yield address
        folder = folder_of(self._storage.folder, namespace)
        for name in await self._storage.folders(folder):
            if not self._is_over(name):
                continue
            kept = False
            for address in await self._storage.files(f"{folder}{name}/"):
                if await self._is_needed(namespace, address):
                    kept = True
                else:
                    yield address
            if not kept:
                yield f"{folder}{name}/"

    def _is_over(self, day: str) -> bool:
        """Whether no event with bytes of a day can be created any more."""
        try:
            return date.fromisoformat(day) < self._clock.now().date() - _KEPT
        except ValueError:
            return False

    async def _is_needed(self, namespace: str, address: str) -> bool:
        """Whether a file is that of an event, or one that the inbox has not written."""
        name = event_name_of(address)
        if name is None:
            return True
        body = await self._cluster.get(ACTION_EVENTS, name, namespace)
        if body is None:
            return False
        try:
            event = ActionEvent.from_body(body)
        except ValidationError:
            return True
        received: datetime = event.spec.received_at or event.metadata.creation_timestamp
        sha256 = event.spec.content.sha256 if event.spec.content is not None else None
        key = EventKey(namespace, name, received)
        return address.endswith((address_of("/", key, sha256 or ""), former_address_of("/", key, sha256 or "")))


def _is_own(folder: str, address: str) -> bool:
    """Whether a file in the folder of an object has a name that the operator gives."""
    uid = folder.rstrip("/").rpartition("/")[2]
    return is_output_file(address.rpartition(f"/{uid}/")[2])


def _named_uids(body: Body) -> set[str]:
    """Return the uids in the addresses of a status: a restored object has another uid than its files."""
    status = body.get("status") or {}
    addresses = (status.get(field) or "" for field in ("outputUri", "stateUri"))
    return {found[0] for address in addresses for found in OBJECT_UID.finditer(address)}
