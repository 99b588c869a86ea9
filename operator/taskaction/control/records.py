"""What this process knows of each live action; plain state, changed only by the reconciler and the status writer."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from taskaction.api.provider import ProviderDefaults
from taskaction.api.task_action import Signal, TaskAction, TaskActionSpec, TaskActionStatus
from taskaction.lifecycle.policy import Policy
from taskaction.lifecycle.state import Activity, Parent

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
    adopter: TaskAction | None = None
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
    def settled(self) -> bool:
        """True when the API server has the terminal status."""
        return self.stored.phase.terminal

    def is_overtaken(self, server: TaskActionStatus) -> bool:
        """Say whether another owner has written: the server's claim is neither the known one nor the one to come."""
        return server.claim not in {self.stored.claim, self.status.claim}

    @property
    def next_look(self) -> datetime | None:
        """When somebody must look at it again, None when nothing is due by itself."""
        return min((at for at in (self.wake_at, self.poll_at, self.flush_at) if at is not None), default=None)


@dataclass(slots=True)
class Table:
    """The live actions by uid and by name.

    Finished ones leave the table, but their uids stay in ``finished`` for a while, by the time they were put there:
    an older notification that is still on its way must not bring them back to life.
    """

    records: dict[str, Record] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        """Give how many live actions are known."""
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        """Go through the live actions, safe against changes meanwhile."""
        return iter(list(self.records.values()))

    def get(self, uid: str) -> Record | None:
        """Give the live action with this uid."""
        return self.records.get(uid)

    def named(self, namespace: str, name: str) -> Record | None:
        """Give the live action of this name."""
        uid = self.names.get((namespace, name))
        return self.records.get(uid) if uid is not None else None

    def add(self, record: Record) -> None:
        """Take in a live action."""
        self.records[record.uid] = record
        self.names[record.namespace, record.name] = record.uid

    def finish(self, record: Record, now: float) -> None:
        """Let go of an action that has ended, and forget those whose last notification must have come by ``now``."""
        self.drop(record)
        self.finished[record.uid] = now
        while (oldest := next(iter(self.finished))) and self.finished[oldest] < now - LATE_NOTICES:
            del self.finished[oldest]

    def drop(self, record: Record) -> None:
        """Let go of an action; a namesake that came after it stays."""
        self.records.pop(record.uid, None)
        if self.names.get((record.namespace, record.name)) == record.uid:
            del self.names[record.namespace, record.name]
