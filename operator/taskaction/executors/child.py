"""Executors whose action is one object of the cluster: created once, followed, deleted on abort; judges nothing itself.

The object's name follows from the action's uid and attempt, so any process that calls again finds what was created.
"""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from taskaction.api.enums import ErrorKind, Phase, RetryClass
from taskaction.api.task_action import Progress
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import Body, Resource
from taskaction.core.clock import Clock
from taskaction.core.constants import ATTEMPT_LABEL, UID_LABEL
from taskaction.executors.acting import Actor, QuotaExceededError
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.toolbox import Followed, Toolbox

_LONGEST_LOOK = 60.0
_GONE_LOOK = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """The object of an attempt.

    Attributes:
        body: the object as it is created.
        patience: how long something that the cluster has no room for is waited for.
    """

    resource: Resource
    body: Body
    patience: timedelta

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return f"{self.resource.kind} {self.name!r}"

    @property
    def namespace(self) -> str:
        """Its namespace; empty for an object of the cluster."""
        return str(self.body["metadata"].get("namespace", ""))


class ChildExecutor(AbstractExecutor):
    """Carries the object of an attempt from its creation to its end; ``child`` and ``judge`` are the subclass's."""

    IDEMPOTENT = True
    PROPAGATION: ClassVar[str] = "Background"

    def __init__(self, actor: Actor, followed: Followed, clock: Clock) -> None:
        self.actor = actor
        self.followed = followed
        self._clock = clock

    @classmethod
    def build(cls, toolbox: Toolbox) -> "ChildExecutor":
        """Take the cluster, to act for accounts, and what the operator's watch sees."""
        return cls(Actor(toolbox.cluster, toolbox.closed_namespaces), toolbox.followed, toolbox.clock)

    @abstractmethod
    async def child(self, run: Run) -> Child:
        """Give the object of an attempt; the same for every call."""

    @abstractmethod
    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Say how the action stands, by the object as it is now."""

    async def prepared(self, run: Run, child: Child) -> Child:  # noqa: ARG002 - for overriders
        """Give the object as it is to be created, where that needs more than its name; asked for just before."""
        return child

    async def execute(self, run: Run) -> Outcome:
        """Create the object, or find it again."""
        try:
            return await self._create(run, await self.child(run))
        except UnavailableError as error:
            return self._unreachable(run, error)

    async def poll(self, run: Run) -> Outcome:
        """Look at the object: as the watch has just shown it, else as the API server has it."""
        try:
            child = await self.child(run)
            body = self.news(run, child) or await self.actor.get(child.resource, child.name, child.namespace, run)
            if body is not None and is_own(body, run):
                return await self._judged(run, child, body)
            return (
                gone(child.resource.kind, child.title)
                if run.external_id is not None
                else await self._create(run, child)
            )
        except UnavailableError as error:
            return self._unreachable(run, error)

    def news(self, run: Run, child: Child) -> Body | None:
        """Give the object where the watch has just shown it, less its ``spec``."""
        return self.followed.news(child.resource, run.uid, child.name)

    async def _create(self, run: Run, child: Child) -> Outcome:
        child = await self.prepared(run, child)
        try:
            body = await self.actor.create(child.resource, child.body, run)
        except QuotaExceededError as error:
            if run.now - run.started_at >= child.patience:
                raise
            return Pending(poll_after=self.next_look(run), message=str(error))
        return await self._judged(run, child, body)

    def _unreachable(self, run: Run, error: UnavailableError) -> Pending:
        return Pending(poll_after=self.next_look(run), message=f"waits for the API server: {error}")

    async def _judged(self, run: Run, child: Child, body: Body) -> Outcome:
        if body["metadata"]["labels"].get(ATTEMPT_LABEL) == str(run.attempt):
            return await self.judge(run, child, body)
        await self.discard(run, child)
        message = f"{child.title} of an earlier attempt has to go first"
        return Pending(poll_after=self.next_look(run), message=message)

    async def cancel(self, run: Run) -> None:
        """Delete the object, and wait until it is gone with everything below it."""
        child = await self.child(run)
        uid = await self.discard(run, child)
        while uid is not None:
            body = await self.actor.get(child.resource, child.name, child.namespace, run)
            if body is None or body["metadata"]["uid"] != uid:
                return
            await self._clock.sleep(_GONE_LOOK)

    async def discard(self, run: Run, child: Child) -> str | None:
        """Delete the object where it is this action's; give its uid, None where there was none."""
        body = await self.actor.get(child.resource, child.name, child.namespace, run)
        if body is None or not is_own(body, run):
            return None
        uid = str(body["metadata"]["uid"])
        await self.actor.delete(child.resource, child.name, child.namespace, run, uid=uid, propagation=self.PROPAGATION)
        return uid

    def goes_on(
        self, child: Child, *, problem: str = "", progress: Progress | None = None, within: timedelta | None = None
    ) -> Pending:
        """Give the outcome of a look that finds the work still going.

        ``problem`` is what keeps it from starting, ``within`` how long it may still be kept. The watch tells of
        changes: the next look is for what the watch may have missed.
        """
        return Pending(
            poll_after=min(_LONGEST_LOOK, max(within.total_seconds(), 0.0) if within is not None else _LONGEST_LOOK),
            external_id=child.name,
            message=problem or child.title,
            progress=progress,
            phase=Phase.INITIALIZING if problem else Phase.RUNNING,
        )

    @staticmethod
    def next_look(run: Run) -> float:
        """Give the seconds until another try: they grow with the time that has passed."""
        return min(max((run.now - run.started_at).total_seconds(), 1.0), _LONGEST_LOOK)


def is_own(body: Body, run: Run) -> bool:
    """Say whether an object was created for this action."""
    return bool((body["metadata"].get("labels") or {}).get(UID_LABEL) == run.uid)


def gone(kind: str, what: str) -> Failed:
    """Give the failure of an attempt that lost something to somebody who deleted it."""
    return Failed(
        code=f"{kind}Deleted",
        message=f"{what} was deleted before it had ended, and not by this action",
        kind=ErrorKind.SYSTEM,
        retry_class=RetryClass.SYSTEM,
    )


def created_at(body: Body) -> datetime:
    """Give when an object was created."""
    return datetime.fromisoformat(body["metadata"]["creationTimestamp"])
