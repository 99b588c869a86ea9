"""Deletes finished actions when their time has come, and frees those that a crash left with the finalizer.

Finished objects are not in memory: they are found by paged lists, and only those that expire soon are remembered.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import ValidationError

from taskaction.api.enums import TERMINAL_PHASES
from taskaction.api.task_action import TaskAction
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Cluster
from taskaction.control.background import Background
from taskaction.control.gather import parent_link
from taskaction.control.listing import task_actions
from taskaction.control.objects import ObjectEditor
from taskaction.control.records import Record, Table
from taskaction.control.tree import Tree
from taskaction.core.clock import Clock
from taskaction.core.constants import FINALIZER, HELD_LABEL
from taskaction.execution.agenda import Agenda

REMEMBERED = timedelta(minutes=15)
"""Actions that expire within this time are remembered; later ones are found again by the list."""

_AGAIN = timedelta(seconds=30)
_FIRST_SCAN = 60.0
_FREE_RETRY = 5.0


class Judge(Protocol):
    """Says of a finished object whether this process answers for it, and when it expires."""

    def __call__(self, action: TaskAction) -> datetime | None:
        """Give when ``action`` expires, None where another process owns it."""


class Expiry:
    """Keeps the time of finished actions."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        editor: ObjectEditor,
        background: Background,
        table: Table,
        tree: Tree,
        judge: Judge,
        namespaces: Sequence[str] = (),
    ) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._clock = clock
        self._editor = editor
        self._background = background
        self._table = table
        self._tree = tree
        self._judge = judge
        self._remembered: dict[str, tuple[str, str, str | None]] = {}
        self._agenda = Agenda(clock, self._due)
        self._taken_over = asyncio.Event()

    def note(self, record: Record, at: datetime) -> None:
        """Take note that an action has finished and expires ``at``."""
        self._remember(record.action, at)

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
            if held and self._judge(action) is not None and self._table.get(action.metadata.uid) is None:
                await self._editor.release(
                    Record(
                        action=action,
                        status=action.status,
                        stored=action.status,
                        version=action.metadata.resource_version,
                        first_version=0,
                    )
                )

    async def _finished(self, *, field_selector: str = "", label_selector: str = "") -> AsyncIterator[TaskAction]:
        bodies = task_actions(
            self._cluster, self._namespaces, field_selector=field_selector, label_selector=label_selector
        )
        async for body in bodies:
            try:
                yield TaskAction.from_body(body)
            except ValidationError:
                continue  # an object of an older schema is left for people to delete

    def _remember(self, action: TaskAction, at: datetime) -> None:
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
        parent_lives = parent is not None and self._table.get(parent) is not None
        return parent_lives or self._tree.has_live_descendants(uid)

    async def _delete(self, name: str, namespace: str, uid: str) -> None:
        await self._editor.delete(name, namespace, uid)
