"""What actions and runs of flows have in common as objects that one replica owns: their tree, their status, their end.

What is theirs alone is in the records of each kind; nothing here decides anything.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.enums import ParentKind
from taskaction.api.task_action import TaskAction
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body, Resource
from taskaction.control.objects.tree import ParentLink
from taskaction.core.constants import GROUP, PARENT_ANNOTATION
from taskaction.lifecycle.state import Parent

Owned = TaskAction | ActionFlowRun

RESOURCES: dict[ParentKind, Resource] = {
    ParentKind.TASK_ACTION: TASK_ACTIONS,
    ParentKind.ACTION_FLOW_RUN: ACTION_FLOW_RUNS,
}
_READERS: dict[ParentKind, Callable[[Body], Owned]] = {
    ParentKind.TASK_ACTION: TaskAction.from_body,
    ParentKind.ACTION_FLOW_RUN: ActionFlowRun.from_body,
}


class OwnedRecord(Protocol):
    """What this process knows of one live object.

    Attributes:
        status: what the status is to be; ``stored`` is what the API server is known to have.
        version: the resourceVersion that the next write of the status must find.
        parent: how it stands to its parent; ``adopter`` is the one that is to become its owner.
        gone: the object does not exist any more; nothing may be written.
        flushing: set while a status write is under way, done with how it landed when it has ended.
    """

    status: Any
    stored: Any
    version: str
    parent: Parent
    adopter: Owned | None
    gone: bool
    flushing: asyncio.Future[object] | None

    @property
    def uid(self) -> str:
        """The object's uid, which names it here."""

    @property
    def namespace(self) -> str:
        """The object's namespace."""

    @property
    def name(self) -> str:
        """The object's name."""

    @property
    def owned(self) -> Owned:
        """The object as last seen."""

    @property
    def kind(self) -> ParentKind:
        """Of which kind it is."""

    @property
    def settled(self) -> bool:
        """True when the API server has the terminal status."""

    @property
    def about(self) -> dict[str, object]:
        """What logs call it."""

    def take(self, body: Body) -> Any:
        """Take over the object as the API server has it, its status not; give that status."""

    def is_overtaken(self, server: Any) -> bool:
        """Say whether another owner has written the status."""

    def refused(self, message: str, now: datetime) -> Any:
        """Give the status with which it ends because the API server takes no other."""


class Members(Protocol):
    """The live objects of both kinds."""

    def get(self, uid: str) -> OwnedRecord | None:
        """Give the one with this uid."""

    def named(self, kind: ParentKind, namespace: str, name: str) -> OwnedRecord | None:
        """Give the one of this name."""


def read(kind: ParentKind, body: Body) -> Owned:
    """Read an object; raises ``pydantic.ValidationError``."""
    return _READERS[kind](body)


def kind_of(owned: Owned) -> ParentKind:
    """Give of which kind an object is."""
    return ParentKind.TASK_ACTION if isinstance(owned, TaskAction) else ParentKind.ACTION_FLOW_RUN


def parent_link(owned: Owned) -> ParentLink | None:
    """Give the parent by the ownerReferences, which is what Kubernetes itself goes by."""
    owners = [
        owner
        for owner in owned.metadata.owner_references
        if owner.kind in RESOURCES and owner.api_version.startswith(f"{GROUP}/")
    ]
    ref = owned.spec.parent_ref
    named = [owner for owner in owners if ref is not None and (owner.kind, owner.name) == (ref.kind, ref.name)]
    owner = next(iter((*named, *owners)), None)
    if owner is None:
        return None
    return ParentLink(uid=owner.uid, name=owner.name, kind=ParentKind(owner.kind))


def is_orphaned(owned: Owned) -> bool:
    """Say whether the object was adopted once and has been let go since, by ``--cascade=orphan``."""
    mark = adopted_mark(owned)
    return mark in owned.metadata.annotations.get(PARENT_ANNOTATION, "") and parent_link(owned) is None


def adopted_mark(owned: Owned) -> str:
    """Give what the annotation of an adopted object says of itself: a copy of it, as a restore makes, is another."""
    return f"child={owned.metadata.uid}"


def is_newer(known: str, seen: str) -> bool:
    """Say whether a resourceVersion tells more than the known one: own writes overtake their notifications."""
    if known.isdecimal() and seen.isdecimal():
        return int(seen) > int(known)
    return seen != known


def is_being_finished(record: OwnedRecord) -> bool:
    """Say whether this process is writing the object's end: that write's own end decides what follows."""
    return record.status.phase.terminal and record.flushing is not None
