"""Deletes finished actions and runs when their time has come, and frees what a crash left with the finalizer.

Finished objects are not in memory: they are found by paged lists, and only those that expire soon are remembered.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar, cast

from pydantic import ValidationError

from taskaction.api.enums import TERMINAL_PHASES, ParentKind
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Cluster
from taskaction.control.objects.background import Background
from taskaction.control.objects.listing import objects
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.owned import RESOURCES, Members, Owned, OwnedRecord, parent_link, read
from taskaction.control.objects.tree import Tree
from taskaction.core.clock import Clock
from taskaction.core.constants import FINALIZER, HELD_LABEL
from taskaction.execution.agenda import Agenda

REMEMBERED = timedelta(minutes=15)
"""Actions that expire within this time are remembered; later ones are found again by the list."""

_AGAIN = timedelta(seconds=30)
_FIRST_SCAN = 60.0
_FREE_RETRY = 5.0


O_contra = TypeVar("O_contra", bound=Owned, contravariant=True)
O = TypeVar("O", bound=Owned)  # noqa: E741 - an object
R = TypeVar("R", bound=OwnedRecord)


class Judge(Protocol[O_contra]):
    """Says of a finished object whether this process answers for it, and when it expires."""

    def __call__(self, found: O_contra, /) -> datetime | None:
        """Give when it expires, None where another process owns it."""


class Expiry(Generic[O, R]):
    """Keeps the time of the finished objects of one kind."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        kind: ParentKind,
        editor: ObjectEditor[R],
        background: Background,
        members: Members,
        tree: Tree,
        judge: Judge[O],
        recorded: Callable[[O], R],
        namespaces: Sequence[str] = (),
        deleted: Callable[[str, str], Awaitable[None]] | None = None,
    ) -> None:
        """``recorded`` gives the record of a finished object that is to be edited.

        ``deleted`` is told of every object that is gone now, by namespace and uid.
        """
        self._cluster = cluster
        self._namespaces = namespaces
        self._clock = clock
        self._editor = editor
        self._background = background
        self._kind = kind
        self._members = members
        self._recorded = recorded
        self._deleted = deleted
        self._tree = tree
        self._judge = judge
        self._remembered: dict[str, tuple[str, str, str | None]] = {}
        self._agenda = Agenda(clock, self._due)
        self._taken_over = asyncio.Event()

    def note(self, found: O, at: datetime) -> None:
        """Take note that an object has finished and expires ``at``."""
        self._remember(found, at)

    async def run_agenda(self) -> None:
        """Delete what is remembered when its time has come, until cancelled."""
        await self._agenda.run()

    def taken_over(self) -> None:
        """Take note that this process answers for more than before: what others left half done is its to finish."""
        self._taken_over.set()

    async def run_scans(self, interval: float, failed: Callable[[str, BaseException], None]) -> None:
        """Look through the finished objects every ``interval`` seconds until cancelled, not while starting up."""
        while True:
            await self._clock.sleep(min(interval, _FIRST_SCAN))
            try:
                await self.scan()
            except ClusterError as error:
                failed("look through finished actions", error)
            await self._clock.sleep(max(0.0, interval - _FIRST_SCAN))

    async def run_frees(self, failed: Callable[[str, BaseException], None]) -> None:
        """Free what others have left with the finalizer, after each take-over, until cancelled."""
        while True:
            await self._taken_over.wait()
            self._taken_over.clear()
            try:
                await self.free_finished()
            except ClusterError as error:
                failed("free finished actions", error)
                await self._clock.sleep(_FREE_RETRY)
                self._taken_over.set()

    async def scan(self) -> None:
        """Go through all finished objects, page by page, and remember those that expire soon."""
        for phase in sorted(TERMINAL_PHASES):
            async for action in self._finished(field_selector=f"status.phase={phase}"):
                expires = self._judge(action)
                if expires is not None:
                    self._remember(action, expires)

    async def free_finished(self) -> None:
        """Remove the finalizer from finished objects whose owner died between the last status and the removal."""
        async for action in self._finished(label_selector=f"{HELD_LABEL}=true"):
            held = FINALIZER in action.metadata.finalizers and action.status.phase.terminal
            if held and self._judge(action) is not None and self._members.get(action.metadata.uid) is None:
                await self._editor.release(self._recorded(action))

    async def _finished(self, *, field_selector: str = "", label_selector: str = "") -> AsyncIterator[O]:
        bodies = objects(
            self._cluster,
            RESOURCES[self._kind],
            self._namespaces,
            field_selector=field_selector,
            label_selector=label_selector,
        )
        async for body in bodies:
            try:
                yield cast("O", read(self._kind, body))
            except ValidationError:
                continue  # an object of an older schema is left for people to delete

    def _remember(self, action: O, at: datetime) -> None:
        if at - self._clock.now() <= REMEMBERED:
            metadata, parent = action.metadata, parent_link(action)
            self._remembered[metadata.uid] = (metadata.name, metadata.namespace, parent.uid if parent else None)
            self._agenda.set(metadata.uid, at)

    def _due(self, uid: str) -> None:
        name, namespace, parent = self._remembered[uid]
        if self._is_needed(uid, parent):
            self._agenda.set(uid, self._clock.now() + _AGAIN)
            return
        del self._remembered[uid]
        self._background.start(self._delete(name, namespace, uid), name=f"expire {uid}")

    def _is_needed(self, uid: str, parent: str | None) -> bool:
        """Say whether a live parent may still look at it, or its deletion would take live children along.

        The tree cannot name the parent: it has forgotten a finished action that has no live children.
        """
        parent_lives = parent is not None and self._members.get(parent) is not None
        return parent_lives or self._tree.has_live_descendants(uid)

    async def _delete(self, name: str, namespace: str, uid: str) -> None:
        await self._editor.delete(RESOURCES[self._kind], name, namespace, uid)
        if self._deleted is not None:
            await self._deleted(namespace, uid)
