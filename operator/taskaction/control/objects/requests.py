"""Requests of parts of the control layer to its reconcilers: keys in queues, served by one loop."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from taskaction.api.enums import ParentKind, ProviderKind
from taskaction.api.task_action import TaskAction
from taskaction.control.objects.tree import ParentLink
from taskaction.execution.work_queue import WorkLoop, WorkQueue

ProviderKey = tuple[ProviderKind, str, str]
"""Kind, namespace and name of a provider; the namespace of a ClusterActionProvider is empty."""


def provider_key(action: TaskAction) -> ProviderKey | None:
    """Return the key of the action's provider; None for an inline executor."""
    ref = action.spec.provider_ref
    if ref is None:
        return None
    return (ref.kind, "" if ref.kind is ProviderKind.CLUSTER_ACTION_PROVIDER else action.metadata.namespace, ref.name)


class ReconcileTarget(Protocol):
    """Object that a reconciler can be asked to look at."""

    @property
    def uid(self) -> str:
        """``metadata.uid`` of the object."""

    @property
    def namespace(self) -> str:
        """``metadata.namespace`` of the object; namespaces take turns."""

    @property
    def kind(self) -> ParentKind:
        """The kind of the object."""


class RequestHandlers(Protocol):
    """What handles the keys of each queue; see the queues of ``Requests``."""

    def on_provider_changed(self, key: ProviderKey) -> None:
        """Apply a provider that was created, changed or deleted."""

    def on_source_changed(self, source: str) -> None:
        """Apply that the rate limit of a source is reached, or must be reserved further."""

    def poll_action(self, uid: str) -> None:
        """Poll an action at once."""

    def reconcile_action(self, uid: str) -> None:
        """Reconcile an action."""

    def reconcile_run(self, uid: str) -> None:
        """Reconcile a flow run."""

    def read_parent(self, link: ParentLink) -> None:
        """Read a live parent that no notification has shown."""


class Requests:
    """The queues in the order in which they are served.

    Attributes:
        providers: providers that were created, changed or deleted; their limits apply before their actions start.
        sources: sources of the execution manager whose rate limit changed its state.
        polls: uids of actions to poll at once, because what they wait for changed.
        actions: uids of actions to reconcile.
        runs: uids of flow runs to reconcile.
        parents: live parents of known objects, found by a read, of which later changes matter, too.
    """

    def __init__(self, failed: Callable[[str, BaseException], None]) -> None:
        """Create the queues; ``failed`` is called with what a handler raises."""
        requested = asyncio.Event()
        self.providers: WorkQueue[ProviderKey] = WorkQueue("apply provider", requested)
        self.sources: WorkQueue[str] = WorkQueue("apply limits of", requested)
        self.polls: WorkQueue[str] = WorkQueue("poll", requested)
        self.actions: WorkQueue[str] = WorkQueue("reconcile", requested)
        self.runs: WorkQueue[str] = WorkQueue("reconcile run", requested)
        self.parents: WorkQueue[ParentLink] = WorkQueue("read parent", requested)
        self._loop = WorkLoop(requested, failed)

    def reconcile(self, target: ReconcileTarget) -> None:
        """Request reconciliation of an action or a run."""
        queue = self.actions if target.kind is ParentKind.TASK_ACTION else self.runs
        queue.add(target.uid, target.namespace)

    def reconcile_in_order(self, targets: Iterable[ReconcileTarget]) -> None:
        """Request reconciliation of actions one after the other, whatever was requested of them before."""
        for target in targets:
            self.actions.add_last(target.uid)

    async def run(self, handlers: RequestHandlers) -> None:
        """Serve the queues until cancelled."""
        await self._loop.run(
            (
                (self.providers, handlers.on_provider_changed),
                (self.sources, handlers.on_source_changed),
                (self.polls, handlers.poll_action),
                (self.actions, handlers.reconcile_action),
                (self.runs, handlers.reconcile_run),
                (self.parents, handlers.read_parent),
            )
        )
