"""What this process knows about each live action: mutable state without behavior.

The reconciler and its parts in ``task_actions`` change a record, and so do the parent tracker, the object editor and
the status writer in this package. All of them run in one event loop, so no change needs a lock. Only the status
writer sets ``stored`` after a write; ``version`` moves only together with a comparison of claims.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from taskaction.api.enums import ErrorKind, ParentKind, Phase
from taskaction.api.provider import ProviderDefaults
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Signal, TaskAction, TaskActionSpec, TaskActionStatus
from taskaction.cluster.gateway import Body
from taskaction.control.objects.owned import OwnedObject, OwnedRecord
from taskaction.lifecycle.policy import Policy
from taskaction.lifecycle.state import Activity, Blocker, Parent
from taskaction.lifecycle.statuses import Change, apply_change, close_attempt_fields, error_info

LATE_NOTICES = 300.0
"""Maximum age of a notification in seconds."""


@dataclass(slots=True, eq=False)
class ActionRecord:
    """One live action.

    Attributes:
        action: the object as last read; use ``status`` below instead of its ``status``.
        status: the status to write; ``stored`` is the status that the API server is known to have.
        version: the resourceVersion that the next status write must match. It may only move to one whose status was
            compared; otherwise a write would replace the status of another owner.
        first_version: the resourceVersion when first read, a tie-breaker of the order in a partition.
        taken_over_at: when this process first saw the action as its own while another claim was in the status.
        validated_with: what last validated the parameters; ``parameters_blocker`` is the result, unless
            ``is_validating``.
        policy: the effective policy, with the values that it was computed from.
        polled_signal: the signal that the executor last received.
        partition_asked: the executor has returned the partition of the action, if it has one.
        limit_errors: number of consecutive quota checks in which the executor raised an error.
        adopter: the parent to add as an owner.
        is_gone: the object no longer exists; nothing may be written.
        may_be_refused: created while this process owned its shard, so that a full queue may still refuse it.
        queue_full: it waits outside a full queue.
        queued_at: when it entered the queue, by the monotonic clock.
        parked_at: when it was first parked for a quota that has not let it pass yet, by the monotonic clock.
        limited_until: when the rate limit of its provider is expected to let it start.
        poll_again: an object of the action changed during a call; poll again.
        flushing: set during a status write; completed with its result.
    """

    action: TaskAction
    status: TaskActionStatus
    stored: TaskActionStatus
    version: str
    first_version: int
    shard: int = -1
    activity: Activity = Activity.IDLE
    parent: Parent = Parent.NONE
    adopter: OwnedObject | None = None
    taken_over_at: datetime | None = None
    polled_signal: Signal | None = None
    partition_asked: bool = False
    limit_errors: int = 0
    parameters_hash: str | None = None
    policy: tuple[TaskActionSpec, ProviderDefaults | None, Policy] | None = None
    validated_with: object | None = None
    parameters_blocker: Blocker | None = None
    is_validating: bool = False
    is_gone: bool = False
    wake_at: datetime | None = None
    poll_at: datetime | None = None
    flush_at: datetime | None = None
    call: asyncio.Task[object] | None = None
    cancelling: bool = False
    poll_again: bool = False
    may_be_refused: bool = False
    queue_full: bool = False
    queued_at: float | None = None
    parked_at: float | None = None
    limited_until: datetime | None = None
    flushing: asyncio.Future[object] | None = None

    @property
    def uid(self) -> str:
        """``metadata.uid`` of the object, the key of all tables."""
        return self.action.metadata.uid

    @property
    def namespace(self) -> str:
        """``metadata.namespace`` of the object."""
        return self.action.metadata.namespace

    @property
    def name(self) -> str:
        """``metadata.name`` of the object."""
        return self.action.metadata.name

    @property
    def api_object(self) -> TaskAction:
        """The object, by the name that records of runs use too."""
        return self.action

    @property
    def kind(self) -> ParentKind:
        """The kind of the object."""
        return ParentKind.TASK_ACTION

    @property
    def is_finished(self) -> bool:
        """Whether the API server has the terminal status."""
        return self.stored.phase.is_terminal

    @property
    def log_fields(self) -> dict[str, object]:
        """The keys by which logs identify the object."""
        return {"namespace": self.namespace, "name": self.name, "uid": self.uid, "attempt": self.status.attempt}

    def update_object(self, body: Body) -> TaskActionStatus:
        """Replace the object by ``body``, and return the status in it; the record's status stays."""
        self.action = TaskAction.from_body(body)
        return self.action.status

    def refused_status(self, message: str, now: datetime) -> TaskActionStatus:
        """Return the status of an action that must fail because the API server refuses its status."""
        text = f"the API server refused the status: {message}"
        error = error_info(Reason.SYSTEM_ERROR, ErrorKind.SYSTEM, text)
        change = Change(
            phase=Phase.FAILED,
            reason=Reason.SYSTEM_ERROR,
            message=text,
            now=now,
            generation=self.action.metadata.generation,
        )
        return apply_change(
            self.stored, change, **close_attempt_fields(self.stored, Phase.FAILED, error, now), finished_at=now
        )

    def is_overtaken(self, server: TaskActionStatus) -> bool:
        """Whether another owner has written: the server has neither the known claim nor the claim to write."""
        return server.claim not in {self.stored.claim, self.status.claim}

    @property
    def next_due(self) -> datetime | None:
        """When to reconcile the record next; None if nothing is scheduled."""
        return min((at for at in (self.wake_at, self.poll_at, self.flush_at) if at is not None), default=None)


R = TypeVar("R", bound=OwnedRecord)


@dataclass(slots=True)
class RecordTable(Generic[R]):
    """The live objects of one kind by uid and by name.

    Finished objects leave the table. Their uids stay in ``finished`` for a while, in the order of their ends, so that a
    late notification does not add them again.
    """

    records: dict[str, R] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of live objects."""
        return len(self.records)

    def __iter__(self) -> Iterator[R]:
        """Iterate over a copy, so that the table may change meanwhile."""
        return iter(list(self.records.values()))

    def get(self, uid: str) -> R | None:
        """Return the record with this uid."""
        return self.records.get(uid)

    def get_by_name(self, namespace: str, name: str) -> R | None:
        """Return the record with this name."""
        uid = self.names.get((namespace, name))
        return self.records.get(uid) if uid is not None else None

    def add(self, record: R) -> None:
        """Add a record."""
        self.records[record.uid] = record
        self.names[record.namespace, record.name] = record.uid

    def finish(self, record: R, now: float) -> None:
        """Remove a finished object, and forget older ones whose last notification has arrived by ``now``."""
        self.drop(record)
        self.finished[record.uid] = now
        while (oldest := next(iter(self.finished))) and self.finished[oldest] < now - LATE_NOTICES:
            del self.finished[oldest]

    def drop(self, record: R) -> None:
        """Remove a record; a newer object of the same name stays."""
        self.records.pop(record.uid, None)
        if self.names.get((record.namespace, record.name)) == record.uid:
            del self.names[record.namespace, record.name]


class ActionTable(RecordTable[ActionRecord]):
    """The live actions."""

    __slots__ = ()
