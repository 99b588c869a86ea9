"""Common interface of the objects that one replica owns, actions and runs: parent, status, and end.

The records of each kind hold what only that kind has. Nothing here decides anything.
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

OwnedObject = TaskAction | ActionFlowRun

RESOURCES: dict[ParentKind, Resource] = {
    ParentKind.TASK_ACTION: TASK_ACTIONS,
    ParentKind.ACTION_FLOW_RUN: ACTION_FLOW_RUNS,
}
_READERS: dict[ParentKind, Callable[[Body], OwnedObject]] = {
    ParentKind.TASK_ACTION: TaskAction.from_body,
    ParentKind.ACTION_FLOW_RUN: ActionFlowRun.from_body,
}


class OwnedRecord(Protocol):
    """What this process knows about one live object.

    Attributes:
        status: the status to write; ``stored`` is the status that the API server is known to have.
        version: the resourceVersion that the next status write must match.
        parent: the state of the parent; ``adopter`` is the parent to add as an owner.
        is_gone: the object no longer exists; nothing may be written.
        flushing: set during a status write; completed with its result.
    """

    status: Any
    stored: Any
    version: str
    parent: Parent
    adopter: OwnedObject | None
    is_gone: bool
    flushing: asyncio.Future[object] | None

    @property
    def uid(self) -> str:
        """``metadata.uid`` of the object, the key of all tables."""

    @property
    def namespace(self) -> str:
        """``metadata.namespace`` of the object."""

    @property
    def name(self) -> str:
        """``metadata.name`` of the object."""

    @property
    def api_object(self) -> OwnedObject:
        """The object as last read."""

    @property
    def kind(self) -> ParentKind:
        """The kind of the object."""

    @property
    def is_finished(self) -> bool:
        """Whether the API server has the terminal status."""

    @property
    def log_fields(self) -> dict[str, object]:
        """The keys by which logs identify the object."""

    def update_object(self, body: Body) -> Any:
        """Replace the object by ``body``, and return the status in it; the record's status stays."""

    def is_overtaken(self, server: Any) -> bool:
        """Whether another owner has written the status."""

    def refused_status(self, message: str, now: datetime) -> Any:
        """Return the status of an object that must fail because the API server refuses its status."""


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


def is_being_finished(record: OwnedRecord) -> bool:
    """Whether this process is writing the terminal status; the end of that write decides what follows."""
    return record.status.phase.is_terminal and record.flushing is not None
