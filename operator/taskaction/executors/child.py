"""Base of the executors whose action is one object of the cluster: created once, followed, and deleted on abort.

The name of the object follows from the action's uid and attempt, so every process finds what another one created.
"""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from taskaction.api.enums import Phase
from taskaction.api.task_action import Progress
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import Body, Resource
from taskaction.core.clock import Clock
from taskaction.core.constants import ATTEMPT_LABEL, ORIGIN_ANNOTATION, UID_LABEL
from taskaction.executors.acting import Actor, QuotaExceededError
from taskaction.executors.causes import CauseReader
from taskaction.executors.verdicts import deletion_failure
from taskaction.lifecycle.outcomes import Outcome, Pending
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.origin import origin_problem, owner_problem
from taskaction.plugin.toolbox import Followed, Toolbox

_LONGEST_LOOK = 60.0
_GONE_LOOK = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """Object of an attempt.

    Attributes:
        body: the object to create.
        patience: how long to wait while a quota or the cluster leaves no room for it.
        image_patience: how long to wait for an image that cannot be pulled, within ``patience``.
    """

    resource: Resource
    body: Body
    patience: timedelta
    image_patience: timedelta = timedelta.max

    @property
    def name(self) -> str:
        """The name of the object."""
        return str(self.body["metadata"]["name"])

    @property
    def title(self) -> str:
        """Kind and name, for messages."""
        return f"{self.resource.kind} {self.name!r}"

    @property
    def namespace(self) -> str:
        """The namespace of the object; empty for a cluster-scoped one."""
        return str(self.body["metadata"].get("namespace", ""))


class ChildExecutor(AbstractExecutor):
    """Executor that carries an object from creation to end; subclasses define ``child`` and ``judge``."""

    IDEMPOTENT = True
    PROPAGATION: ClassVar[str] = "Background"

    def __init__(self, actor: Actor, followed: Followed, clock: Clock) -> None:
        self.actor = actor
        self.followed = followed
        self.causes = CauseReader(actor, clock)
        self._clock = clock

    @classmethod
    def build(cls, toolbox: Toolbox) -> "ChildExecutor":
        """Create the executor with the cluster, to act for accounts, and the operator's watch."""
        return cls(Actor(toolbox.cluster, toolbox.closed_namespaces, toolbox.clock), toolbox.followed, toolbox.clock)

    @abstractmethod
    async def child(self, run: Run) -> Child:
        """Return the object of an attempt, the same for every call."""

    @abstractmethod
    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Return the outcome by the present state of the object."""

    async def prepare_child(self, run: Run, child: Child) -> Child:  # noqa: ARG002 - for overriders
        """Complete the object just before its creation, if that requires more than its name."""
        return child

    async def execute(self, run: Run) -> Outcome:
        """Create the object, or find the one that an earlier call created."""
        try:
            return await self._create(run, await self.child(run))
        except UnavailableError as error:
            return self._unreachable(run, error)

    async def poll(self, run: Run) -> Outcome:
        """Read the object from the watch if it has just changed, otherwise from the API server."""
        try:
            child = await self.child(run)
            body = self.take_change(run, child) or await self.actor.get(
                child.resource, child.name, child.namespace, run
            )
            if body is not None and is_own(child, body, run):
                return await self._judge_or_discard(run, child, body)
            return (
                deletion_failure(child.resource.kind, child.title)
                if run.external_id is not None
                else await self._create(run, child)
            )
        except UnavailableError as error:
            return self._unreachable(run, error)

    def take_change(self, run: Run, child: Child) -> Body | None:
        """Return the object, without its ``spec``, if the watch has just seen it change."""
        return self.followed.take_change(child.resource, run.uid, child.name)

    async def _create(self, run: Run, child: Child) -> Outcome:
        child = await self.prepare_child(run, child)
        try:
            body = await self.actor.create(child.resource, child.body, run)
        except QuotaExceededError as error:
            if run.now - run.started_at >= child.patience:
                raise
            return Pending(
                poll_after=self.next_poll_delay(run), message=str(error), phase=Phase.INITIALIZING, waits=True
            )
        return await self._judge_or_discard(run, child, body)

    def _unreachable(self, run: Run, error: UnavailableError) -> Pending:
        return Pending(poll_after=self.next_poll_delay(run), message=f"waiting for the API server: {error}", phase=None)

    async def _judge_or_discard(self, run: Run, child: Child, body: Body) -> Outcome:
        if body["metadata"]["labels"].get(ATTEMPT_LABEL) == str(run.attempt):
            return await self.judge(run, child, body)
        await self.discard(run, child)
        message = f"waiting until {child.title} of an earlier attempt is deleted"
        return Pending(poll_after=self.next_poll_delay(run), message=message, phase=Phase.INITIALIZING, waits=True)

    async def cancel(self, run: Run) -> None:
        """Delete the object, and wait until it and its dependents are gone."""
        child = await self.child(run)
        uid = await self.discard(run, child)
        while uid is not None:
            body = await self.actor.get(child.resource, child.name, child.namespace, run)
            if body is None or body["metadata"]["uid"] != uid:
                return
            await self._clock.sleep(_GONE_LOOK)

    async def recover(self, run: Run) -> str | None:
        """Return the name of the object if an earlier call has created it."""
        child = await self.child(run)
        body = await self.actor.get(child.resource, child.name, child.namespace, run)
        return child.name if body is not None and is_own(child, body, run) else None

    async def discard(self, run: Run, child: Child) -> str | None:
        """Delete the object if it belongs to this action; return its uid, or None if there was none."""
        body = await self.actor.get(child.resource, child.name, child.namespace, run)
        if body is None or not is_own(child, body, run):
            return None
        uid = str(body["metadata"]["uid"])
        await self.actor.delete(child.resource, child.name, child.namespace, run, uid=uid, propagation=self.PROPAGATION)
        return uid

    def continue_polling(
        self,
        child: Child,
        *,
        problem: str = "",
        note: str = "",
        progress: Progress | None = None,
        within: timedelta | None = None,
    ) -> Pending:
        """Return the outcome of a poll that finds the work unfinished.

        ``problem`` is what keeps it from running, ``note`` what people should know while it runs, ``within`` the time
        until the next poll at the latest. The watch reports changes, so the next poll is only for changes that the
        watch may have missed.
        """
        return Pending(
            poll_after=min(_LONGEST_LOOK, max(within.total_seconds(), 0.0) if within is not None else _LONGEST_LOOK),
            external_id=child.name,
            message=problem or note or child.title,
            progress=progress,
            phase=Phase.INITIALIZING if problem else Phase.RUNNING,
        )

    @staticmethod
    def next_poll_delay(run: Run) -> float:
        """Return the seconds until the next poll: they grow with the time since the start of the attempt."""
        return min(max((run.now - run.started_at).total_seconds(), 1.0), _LONGEST_LOOK)


def is_own(child: Child, body: Body, run: Run) -> bool:
    """Whether an object was created for this action: by its label and owner, and by its origin if it must have one."""
    metadata, wanted = body["metadata"], child.body["metadata"].get("annotations") or {}
    if (metadata.get("labels") or {}).get(UID_LABEL) != run.uid or owner_problem(child.body, body) is not None:
        return False
    return ORIGIN_ANNOTATION not in wanted or origin_problem(child.body, body) is None
