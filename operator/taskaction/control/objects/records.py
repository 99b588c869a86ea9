"""What this process knows of each live action; plain state, changed only by the reconciler and the status writer."""

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
from taskaction.control.objects.owned import Owned, OwnedRecord
from taskaction.lifecycle.policy import Policy
from taskaction.lifecycle.state import Activity, Parent
from taskaction.lifecycle.statuses import Change, changed, closed, error_info

LATE_NOTICES = 300.0
"""How many seconds a notification may be on its way."""


@dataclass(slots=True, eq=False)
class Record:
    """One live action.

    Attributes:
        action: the object as last seen; its ``status`` is not used, see below.
        status: what the status is to be; ``stored`` is what the API server is known to have.
        version: the resourceVersion that the next write of the status must find. It may only move on to one whose
            status was compared: else a write would find its way past another owner's.
        first_version: the resourceVersion when first seen, a tie-breaker of partition order.
        taken_at: when this process first saw the action as its own while another claim stood.
        checked_with: what the parameters were last checked by, with ``problem`` as the result.
        policy: the policy, with what it was made of.
        polled_signal: the signal that the executor was last polled with.
        partition_asked: the executor has said in which partition the action is, if in any.
        limit_errors: how often in a row the executor could not say whether its target's limit is reached.
        adopter: the parent that is to become the owner.
        gone: the object does not exist any more; nothing may be written.
        fresh: it was created while this process owned its shard, so that it may still be refused.
        crowded: it waits outside of a full queue.
        queued_at: when it came to stand in line for a worker, by the monotonic clock.
        parked_at: when it was parked first for a quota that has not let it through yet, by the same.
        limited_until: when the rate of its provider is expected to let it start.
        woken: something that the action created has changed during a call.
        flushing: set while a status write is under way, done with how it landed when it has ended.
    """

    action: TaskAction
    status: TaskActionStatus
    stored: TaskActionStatus
    version: str
    first_version: int
    shard: int = -1
    activity: Activity = Activity.IDLE
    parent: Parent = Parent.NONE
    adopter: Owned | None = None
    taken_at: datetime | None = None
    polled_signal: Signal | None = None
    partition_asked: bool = False
    limit_errors: int = 0
    parameters_hash: str | None = None
    policy: tuple[TaskActionSpec, ProviderDefaults | None, Policy] | None = None
    checked_with: object | None = None
    problem: str | None = None
    gone: bool = False
    wake_at: datetime | None = None
    poll_at: datetime | None = None
    flush_at: datetime | None = None
    call: asyncio.Task[object] | None = None
    cancelling: bool = False
    woken: bool = False
    fresh: bool = False
    crowded: bool = False
    queued_at: float | None = None
    parked_at: float | None = None
    limited_until: datetime | None = None
    flushing: asyncio.Future[object] | None = None

    @property
    def uid(self) -> str:
        """The object's uid, which names it here."""
        return self.action.metadata.uid

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return self.action.metadata.namespace

    @property
    def name(self) -> str:
        """The object's name."""
        return self.action.metadata.name

    @property
    def owned(self) -> TaskAction:
        """The object, by the name that it has for runs, too."""
        return self.action

    @property
    def kind(self) -> ParentKind:
        """Of which kind it is."""
        return ParentKind.TASK_ACTION

    @property
    def settled(self) -> bool:
        """True when the API server has the terminal status."""
        return self.stored.phase.terminal

    @property
    def about(self) -> dict[str, object]:
        """What logs call it."""
        return {"namespace": self.namespace, "name": self.name, "uid": self.uid, "attempt": self.status.attempt}

    def take(self, body: Body) -> TaskActionStatus:
        """Take over the object as the API server has it, its status not; give that status."""
        self.action = TaskAction.from_body(body)
        return self.action.status

    def refused(self, message: str, now: datetime) -> TaskActionStatus:
        """Give the status with which it fails because the API server takes no other."""
        text = f"the API server refused the status: {message}"
        error = error_info(Reason.SYSTEM_ERROR, ErrorKind.SYSTEM, text)
        change = Change(
            phase=Phase.FAILED,
            reason=Reason.SYSTEM_ERROR,
            message=text,
            now=now,
            generation=self.action.metadata.generation,
        )
        return changed(self.stored, change, **closed(self.stored, Phase.FAILED, error, now), finished_at=now)

    def is_overtaken(self, server: TaskActionStatus) -> bool:
        """Say whether another owner has written: the server's claim is neither the known one nor the one to come."""
        return server.claim not in {self.stored.claim, self.status.claim}

    @property
    def next_look(self) -> datetime | None:
        """When somebody must look at it again, None when nothing is due by itself."""
        return min((at for at in (self.wake_at, self.poll_at, self.flush_at) if at is not None), default=None)


R = TypeVar("R", bound=OwnedRecord)


@dataclass(slots=True)
class Records(Generic[R]):
    """The live objects of a kind by uid and by name.

    Finished ones leave it, but their uids stay in ``finished`` for a while, by the time they were put there: an older
    notification that is still on its way must not bring them back to life.
    """

    records: dict[str, R] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        """Give how many are known."""
        return len(self.records)

    def __iter__(self) -> Iterator[R]:
        """Go through them, safe against changes meanwhile."""
        return iter(list(self.records.values()))

    def get(self, uid: str) -> R | None:
        """Give the one with this uid."""
        return self.records.get(uid)

    def named(self, namespace: str, name: str) -> R | None:
        """Give the one of this name."""
        uid = self.names.get((namespace, name))
        return self.records.get(uid) if uid is not None else None

    def add(self, record: R) -> None:
        """Take one in."""
        self.records[record.uid] = record
        self.names[record.namespace, record.name] = record.uid

    def finish(self, record: R, now: float) -> None:
        """Let go of one that has ended, and forget those whose last notification must have come by ``now``."""
        self.drop(record)
        self.finished[record.uid] = now
        while (oldest := next(iter(self.finished))) and self.finished[oldest] < now - LATE_NOTICES:
            del self.finished[oldest]

    def drop(self, record: R) -> None:
        """Let go of one; a namesake that came after it stays."""
        self.records.pop(record.uid, None)
        if self.names.get((record.namespace, record.name)) == record.uid:
            del self.names[record.namespace, record.name]


class Table(Records[Record]):
    """The live actions."""

    __slots__ = ()
