"""Deletion of finished actions and runs at their time to live, and removal of finalizers that a crash left behind.

An object is deleted only when the history has it. One that must be held is found again by the next scan.

Finished objects are not in memory. Paged lists find them, and only those that expire soon are remembered.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, Protocol, TypeVar, cast

from pydantic import ValidationError

from taskaction.api.enums import TERMINAL_PHASES, ParentKind
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Cluster
from taskaction.control.objects.background import Background
from taskaction.control.objects.history import ExpiredObject, History
from taskaction.control.objects.listing import list_objects
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.owned import (
    RESOURCES,
    OwnedObject,
    OwnedRecord,
    RecordLookup,
    find_linked,
    parent_link,
    parse_object,
)
from taskaction.control.objects.scheduled import ScheduledTime, find_scheduled_time
from taskaction.control.objects.tree import OwnerTree, ParentLink
from taskaction.core.clock import Clock
from taskaction.core.constants import FINALIZER, HELD_LABEL
from taskaction.execution.agenda import Agenda, FailureHandler
from taskaction.plugin.storage import StorageError

REMEMBERED = timedelta(minutes=15)
"""Objects that expire within this time are remembered; a later scan finds the others again."""

_AGAIN = timedelta(seconds=30)
_FIRST_SCAN = 60.0
_TURN_SECONDS = 0.01
_FREE_RETRY = 5.0
_COMPARED = 100
"""Number of finished objects that are compared with the history, and are in memory, at the same time."""


O_contra = TypeVar("O_contra", bound=OwnedObject, contravariant=True)
O = TypeVar("O", bound=OwnedObject)  # noqa: E741 - an object
R = TypeVar("R", bound=OwnedRecord)


class ExpiryTime(Protocol[O_contra]):
    """Function that returns when a finished object expires."""

    def __call__(self, found: O_contra, /) -> datetime | None:
        """Return when the object expires; None if another process owns it."""


class ObjectFiles(Protocol[O_contra]):
    """Files of objects in the storage, which nothing but the operator removes."""

    def are_named(self, found: O_contra, /) -> bool:
        """Whether the status of a finished object names a file."""

    def may_exist(self, found: O_contra, /) -> bool:
        """Whether a finished object may have files, perhaps such as no status names."""

    async def clear(self, namespace: str, uid: str) -> None:
        """Delete all files of a deleted object; raise ``StorageError``."""


class _Remembered(NamedTuple):
    """Finished object that expires soon."""

    name: str
    namespace: str
    parent: ParentLink | None
    scheduled: ScheduledTime | None
    may_have_files: bool
    expires: datetime


class ExpiryCollector(Generic[O, R]):
    """Collector of the finished objects of one kind."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        kind: ParentKind,
        editor: ObjectEditor[R],
        background: Background,
        members: RecordLookup,
        tree: OwnerTree,
        expires_at: ExpiryTime[O],
        to_record: Callable[[O], R],
        files: ObjectFiles[O],
        is_recorded: Callable[[str, datetime], bool],
        history: History,
        namespaces: Sequence[str] = (),
    ) -> None:
        """Create a collector.

        ``to_record`` returns the record of a finished object that must be edited, ``is_recorded`` whether the status of
        a schedule, by its uid, has a nominal time.
        """
        self._cluster = cluster
        self._namespaces = namespaces
        self._clock = clock
        self._editor = editor
        self._background = background
        self._kind = kind
        self._members = members
        self._to_record = to_record
        self._files = files
        self._is_recorded = is_recorded
        self._history = history
        self._with_files: dict[str, tuple[str, str]] = {}
        self._tree = tree
        self._expires_at = expires_at
        self._remembered: dict[str, _Remembered] = {}
        self._agenda: Agenda[str] = Agenda(clock)
        self._taken_over = asyncio.Event()

    def schedule(self, found: O, at: datetime) -> None:
        """Remember that a finished object expires ``at``, and which files are its own."""
        self._remember(found, at)
        self._remember_files(found)

    async def run_agenda(self, failed: FailureHandler) -> None:
        """Delete remembered objects when they expire, until cancelled; ``failed`` gets what one of them raises."""
        await self._agenda.run(self._on_due, failed)

    def on_shard_acquired(self) -> None:
        """Request a cleanup of the finalizers that a former owner of a shard left behind."""
        self._taken_over.set()

    async def run_scans(self, interval: float, failed: Callable[[str, BaseException], None]) -> None:
        """Scan the finished objects every ``interval`` seconds until cancelled; the first scan follows the startup."""
        while True:
            await self._clock.sleep(min(interval, _FIRST_SCAN))
            try:
                await self.scan()
            except ClusterError as error:
                failed("scan finished objects", error)
            await self._clock.sleep(max(0.0, interval - _FIRST_SCAN))

    async def run_finalizer_cleanup(self, failed: Callable[[str, BaseException], None]) -> None:
        """Remove stale finalizers after each acquired shard, until cancelled."""
        while True:
            await self._taken_over.wait()
            self._taken_over.clear()
            try:
                await self.remove_stale_finalizers()
            except ClusterError as error:
                failed("remove stale finalizers", error)
                await self._clock.sleep(_FREE_RETRY)
                self._taken_over.set()

    async def scan(self) -> None:
        """List all finished objects page by page: record them, and remember those that expire soon.

        Remove the files of deleted ones.
        """
        suspects = dict(self._with_files)
        finished: list[O] = []
        for phase in sorted(TERMINAL_PHASES):
            async for action in self._list_finished(field_selector=f"status.phase={phase}"):
                await self._remove_finalizer(action)  # anybody who may edit the object can have added it since its end
                suspects.pop(action.metadata.uid, None)
                expires = self._expires_at(action)
                if expires is not None:
                    self._remember(action, expires)
                    self._remember_files(action)
                    finished.append(action)
                if len(finished) >= _COMPARED:
                    await self._history.compare(self._kind, finished)
                    finished.clear()
        await self._history.compare(self._kind, finished)
        for uid, (name, namespace) in suspects.items():
            await self._clear_if_deleted(uid, name, namespace)

    async def remove_stale_finalizers(self) -> None:
        """Remove the finalizer from finished objects whose owner stopped between the last status and the removal."""
        async for action in self._list_finished(label_selector=f"{HELD_LABEL}=true"):
            await self._remove_finalizer(action)

    async def _remove_finalizer(self, action: O) -> None:
        """Remove the finalizer from a finished object that this process owns and no longer has in memory."""
        held = FINALIZER in action.metadata.finalizers and action.status.phase.is_terminal
        if held and self._expires_at(action) is not None and self._members.get(action.metadata.uid) is None:
            await self._editor.remove_finalizer(self._to_record(action))

    async def _list_finished(self, *, field_selector: str = "", label_selector: str = "") -> AsyncIterator[O]:
        bodies = list_objects(
            self._cluster,
            RESOURCES[self._kind],
            self._namespaces,
            field_selector=field_selector,
            label_selector=label_selector,
        )
        begun = self._clock.monotonic()
        async for body in bodies:
            if self._clock.monotonic() - begun > _TURN_SECONDS:  # a page can be a hundred large objects
                await asyncio.sleep(0)
                begun = self._clock.monotonic()
            try:
                yield cast("O", parse_object(self._kind, body))
            except ValidationError:
                continue  # an object of an older schema: a user must delete it

    def _remember(self, action: O, at: datetime) -> None:
        if at - self._clock.now() <= REMEMBERED:
            metadata, parent = action.metadata, parent_link(action)
            may_have_files = self._files.may_exist(action)
            self._remembered[metadata.uid] = _Remembered(
                metadata.name, metadata.namespace, parent, find_scheduled_time(action), may_have_files, at
            )
            self._agenda.set(metadata.uid, at)

    def _remember_files(self, action: O) -> None:
        if self._files.are_named(action):
            self._with_files[action.metadata.uid] = (action.metadata.name, action.metadata.namespace)

    def _on_due(self, uid: str) -> None:
        found = self._remembered[uid]
        if self._is_needed(uid, found):
            self._agenda.set(uid, self._clock.now() + _AGAIN)
            return
        del self._remembered[uid]
        self._background.start(self._delete(found, uid), name=f"expire {uid}")

    def _is_needed(self, uid: str, found: _Remembered) -> bool:
        """Whether a live parent may still read the object, a schedule counts on it, or live children would be deleted.

        The tree cannot name the parent: it forgets a finished action that has no live children.
        """
        if found.scheduled is not None and not self._is_recorded(*found.scheduled):
            return True
        parent_lives = found.parent is not None and find_linked(self._members, found.parent) is not None
        return parent_lives or self._tree.has_live_descendants(uid)

    async def _delete(self, found: _Remembered, uid: str) -> None:
        if not await self._history.may_delete(
            ExpiredObject(self._kind, found.namespace, found.name, uid, found.expires)
        ):
            return
        await self._editor.delete(RESOURCES[self._kind], found.name, found.namespace, uid)
        if found.may_have_files:
            self._with_files[uid] = (found.name, found.namespace)  # the next scan repeats what fails now
            await self._clear(uid, found.namespace)

    async def _clear_if_deleted(self, uid: str, name: str, namespace: str) -> None:
        body = await self._cluster.get(RESOURCES[self._kind], name, namespace)
        if body is not None and body["metadata"]["uid"] == uid:
            return
        with suppress(StorageError):  # the next scan tries again
            await self._clear(uid, namespace)

    async def _clear(self, uid: str, namespace: str) -> None:
        await self._files.clear(namespace, uid)
        self._with_files.pop(uid, None)
