"""What actions and runs have in common as objects that one replica owns: parent, status, and end.

The records of each kind add what only that kind has. Nothing here decides anything.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.enums import ParentKind
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskAction
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body, Resource
from taskaction.cluster.write_slots import WriteRank
from taskaction.control.objects.tree import ParentLink
from taskaction.core.constants import GROUP, PARENT_ANNOTATION
from taskaction.lifecycle.state import Parent

OwnedObject = TaskAction | ActionFlowRun

RESOURCES: dict[ParentKind, Resource] = {
    ParentKind.TASK_ACTION: TASK_ACTIONS,
    ParentKind.ACTION_FLOW_RUN: ACTION_FLOW_RUNS,
}
_READERS: dict[ParentKind, Callable[[Body], OwnedObject]] = {
    ParentKind.TASK_ACTION: TaskAction.from_body,
    ParentKind.ACTION_FLOW_RUN: ActionFlowRun.from_body,
}


class DueTimers(NamedTuple):
    """Timers of a record whose time has come."""

    flush: bool
    poll: bool
    wake: bool


@dataclass(slots=True, eq=False, kw_only=True)
class OwnedRecord(ABC):
    """What this process knows about one live object, and the changes that objects of both kinds share.

    Only methods of a record change it, so that what belongs together changes together. All callers run in one event
    loop, so no change needs a lock.

    Attributes:
        uid: ``metadata.uid``, the key of all tables; ``namespace`` and ``name``: those of the object.
        status: the status to write; ``stored`` is the status that the API server is known to have.
        version: the resourceVersion that the next status write must match. It may only move to one whose status was
            compared; otherwise a write would replace the status of another owner.
        shard: the shard of the object; -1 until it is placed.
        placed: the object for which shard, parent and partition were last determined.
        parent: the state of the parent; ``adopter`` is the parent to add as an owner.
        is_gone: the object no longer exists; nothing may be written.
        wake_at: when to reconcile; ``flush_at``: when to write the status at the latest.
        flushing: set during a status write; completed with its result.
        refused_version: the resourceVersion at which the API server refused even the smallest status.
    """

    uid: str = field(init=False)
    namespace: str = field(init=False)
    name: str = field(init=False)
    status: Any
    stored: Any
    version: str
    shard: int = -1
    placed: OwnedObject | None = None
    parent: Parent = Parent.NONE
    adopter: OwnedObject | None = None
    is_gone: bool = False
    wake_at: datetime | None = None
    flush_at: datetime | None = None
    flushing: asyncio.Future[object] | None = None
    refused_version: str | None = None

    def __post_init__(self) -> None:
        """Keep what identifies the object: it never changes."""
        metadata = self.api_object.metadata
        self.uid, self.namespace, self.name = metadata.uid, metadata.namespace, metadata.name

    # -- facts --------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def api_object(self) -> OwnedObject:
        """The object as last read."""

    @property
    @abstractmethod
    def kind(self) -> ParentKind:
        """The kind of the object."""

    @property
    @abstractmethod
    def log_fields(self) -> dict[str, object]:
        """The keys by which logs identify the object."""

    @property
    @abstractmethod
    def next_due(self) -> datetime | None:
        """When to look at the record next; None if nothing is scheduled."""

    @property
    def is_complete(self) -> bool:
        """Whether the object in memory has all its fields, and no large one was dropped."""
        return True

    @abstractmethod
    def refused_status(self, reason: Reason, message: str, now: datetime) -> Any:
        """Return the status of an object that must fail because the API server refuses its status."""

    @abstractmethod
    def smallest_status(self, reason: Reason, now: datetime) -> Any:
        """Return the smallest status of an object that must fail because no other one fits into it."""

    @property
    def write_rank(self) -> WriteRank:
        """How urgent the next write of the status is among those of its namespace."""
        return WriteRank.AWAITED

    @property
    def is_finished(self) -> bool:
        """Whether the API server has the terminal status."""
        return bool(self.stored.phase.is_terminal)

    @property
    def is_being_finished(self) -> bool:
        """Whether this process is writing the terminal status; the end of that write decides what follows."""
        return self.status.phase.is_terminal and self.flushing is not None

    @property
    def must_be_placed(self) -> bool:
        """Whether the object changed since shard, parent and partition were determined."""
        return self.placed is not self.api_object

    @property
    def was_refused(self) -> bool:
        """Whether the API server refused even the smallest status, of this version of the object or an earlier one."""
        return self.refused_version is not None

    @property
    def is_refused(self) -> bool:
        """Whether no status fits into the object as it is: sending one again changes nothing."""
        return self.was_refused and self.refused_version == self.version

    def is_overtaken(self, server: Any) -> bool:
        """Whether another owner has written: the server has neither the known claim nor the claim to write."""
        return server.claim not in {self.stored.claim, self.status.claim}

    # -- changes ------------------------------------------------------------------------------------------------------

    def prepare_write(self) -> Any:
        """Return the status to write now."""
        return self.status

    @abstractmethod
    def update_object(self, body: Body) -> Any:
        """Replace the object by ``body``, and return the status in it; the record's status stays."""

    def accept_version(self) -> None:
        """Match the object as last read with the next status write: its status was compared."""
        self.version = self.api_object.metadata.resource_version

    def place(self, shard: int) -> None:
        """Set the shard of the object as it is now."""
        self.shard, self.placed = shard, self.api_object

    def set_parent(self, parent: Parent, adopter: OwnedObject | None = None) -> None:
        """Set the state of the parent; ``adopter`` is the parent that was found."""
        self.parent = parent
        if adopter is not None:
            self.adopter = adopter

    def set_status(self, status: Any) -> None:
        """Set the status to write."""
        self.status = status

    def update_status(self, **fields: Any) -> None:
        """Change fields of the status to write."""
        self.status = self.status.model_copy(update=fields)

    def replace_status(self, server: Any) -> None:
        """Replace the status by the one that another owner has written."""
        self.status = self.stored = server

    def refuse_status(self, reason: Reason, message: str, now: datetime) -> None:
        """Fail, because the API server refuses the status with ``message``."""
        self.status = self.refused_status(reason, message, now)

    def shrink_status(self, reason: Reason, now: datetime) -> None:
        """Fail with the smallest status."""
        self.status = self.smallest_status(reason, now)

    def give_up_write(self, status: Any) -> None:
        """Keep ``status`` in memory only, because no status fits into the object."""
        self.status, self.refused_version = status, self.version

    def mark_gone(self) -> None:
        """Record that the object no longer exists."""
        self.is_gone = True

    def begin_write(self) -> None:
        """Record that a status write begins."""
        self.flushing = asyncio.get_running_loop().create_future()

    def on_status_stored(self, status: Any, version: str | None = None) -> None:
        """Record that the API server has ``status``, at ``version`` if that is known."""
        self.stored, self.refused_version = status, None
        if version is not None:
            self.version = version

    def end_write(self, result: object) -> None:
        """Record that a status write has ended, and tell those who wait for it."""
        if self.flushing is not None:
            self.flushing.set_result(result)
            self.flushing = None

    def wake(self, at: datetime | None) -> None:
        """Set when to reconcile next."""
        self.wake_at = at

    def flush_by(self, at: datetime) -> None:
        """Write the status ``at`` the latest, or earlier if that is scheduled."""
        if self.flush_at is None:
            self.flush_at = at

    def cancel_flush(self) -> None:
        """Forget a delayed write, because the status is written now."""
        self.flush_at = None


class RecordLookup(Protocol):
    """The live objects of both kinds."""

    def get(self, uid: str) -> OwnedRecord | None:
        """Return the record with this uid."""

    def get_by_name(self, kind: ParentKind, namespace: str, name: str) -> OwnedRecord | None:
        """Return the record with this name."""


def parse_object(kind: ParentKind, body: Body) -> OwnedObject:
    """Parse an object; raise ``pydantic.ValidationError`` if it is invalid."""
    return _READERS[kind](body)


def kind_of(owned: OwnedObject) -> ParentKind:
    """Return the kind of an object."""
    return ParentKind.TASK_ACTION if isinstance(owned, TaskAction) else ParentKind.ACTION_FLOW_RUN


def parent_link(owned: OwnedObject) -> ParentLink | None:
    """Return the parent by ``metadata.ownerReferences``, which the Kubernetes garbage collector uses too."""
    references = owned.metadata.owner_references
    if not references:
        return None
    owners = [owner for owner in references if owner.kind in RESOURCES and owner.api_version.startswith(f"{GROUP}/")]
    ref = owned.spec.parent_ref
    named = [owner for owner in owners if ref is not None and (owner.kind, owner.name) == (ref.kind, ref.name)]
    owner = next(iter((*named, *owners)), None)
    if owner is None:
        return None
    return ParentLink(uid=owner.uid, name=owner.name, kind=ParentKind(owner.kind), namespace=owned.metadata.namespace)


def link_to(owned: OwnedObject) -> ParentLink:
    """Return the link by which children of an object name it."""
    metadata = owned.metadata
    return ParentLink(uid=metadata.uid, name=metadata.name, kind=kind_of(owned), namespace=metadata.namespace)


def find_linked(members: "RecordLookup", link: ParentLink) -> OwnedRecord | None:
    """Return the live object that a link names; an object of this uid elsewhere is not meant."""
    found = members.get(link.uid)
    return found if found is not None and link_to(found.api_object) == link else None


def is_orphaned(owned: OwnedObject) -> bool:
    """Whether the object had an owner and lost it, by ``--cascade=orphan``."""
    mark = adoption_mark(owned)
    return mark in owned.metadata.annotations.get(PARENT_ANNOTATION, "") and parent_link(owned) is None


def adoption_mark(owned: OwnedObject) -> str:
    """Return the adoption mark of an object; a restored copy has another uid and so another mark."""
    return f"child={owned.metadata.uid}"


def is_newer(known: str, seen: str) -> bool:
    """Whether a resourceVersion is newer than the known one; own writes arrive before their notifications."""
    if known.isdecimal() and seen.isdecimal():
        return int(seen) > int(known)
    return seen != known


def version_number(version: str) -> int:
    """Return a resourceVersion as a number, by which versions are ordered; 0 if it is none."""
    return int(version) if version.isdecimal() else 0
