"""End of all unfinished actions and runs, and removal of their finalizers, before the operator is uninstalled.

It works next to the running operator, which carries out the aborts, and also without one: actions that have not ended
at the deadline are released as they are.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from taskaction.cluster.errors import ClusterError, ConflictError, NotFoundError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body, Cluster, Resource
from taskaction.control.objects.listing import list_objects
from taskaction.control.objects.sweep import LIVE_SELECTOR
from taskaction.core.clock import Clock
from taskaction.core.constants import FINALIZER, HELD_LABEL, PORT_FINALIZER, PORT_UNREPORTED_LABEL

REASON = "the operator is being uninstalled"
_LOOK_SECONDS = 1.0
_OURS = frozenset({FINALIZER, PORT_FINALIZER})


class UninstallRunner:
    """Abort of all actions and runs, followed by the removal of the remaining finalizers."""

    def __init__(self, cluster: Cluster, clock: Clock, namespaces: Sequence[str], say: Callable[[str], None]) -> None:
        """Create a runner.

        ``namespaces`` are those that the operator serves; empty means all. ``say`` is called with progress messages.
        """
        self._cluster = cluster
        self._clock = clock
        self._namespaces = namespaces
        self._say = say

    async def run(self, seconds: float) -> int:
        """Run for about ``seconds`` at most; return the number of actions released without a confirmed end."""
        end = self._clock.monotonic() + seconds
        while (live := await self._list_live(TASK_ACTIONS)) + (runs := await self._list_live(ACTION_FLOW_RUNS)):
            if self._clock.monotonic() >= end:
                break
            fresh = [
                (ACTION_FLOW_RUNS, body) for body in runs if "abort" not in body["spec"]
            ]  # runs first: they start more
            fresh += [(TASK_ACTIONS, body) for body in live if "abort" not in body["spec"]]
            for resource, body in fresh:
                operations = [{"op": "add", "path": "/spec/abort", "value": {"reason": REASON}}]
                await self._edit(body, operations, resource)
            what = f"{len(live)} unfinished actions" + (f" and {len(runs)} runs of flows" if runs else "")
            self._say(f"{what}; {len(fresh)} newly aborted")
            await self._clock.sleep(_LOOK_SECONDS)
        while await self._count_unreported() and self._clock.monotonic() < end:
            await self._clock.sleep(_LOOK_SECONDS)  # a running agent reports these ends to Port
        held = [body async for body in self._list_with_finalizer()]
        for body in held:
            await self._edit(body, _without_finalizer(body))
        self._say(f"{len(live)} actions did not end in time; {len(held)} finalizers were removed")
        return len(live)

    async def _list_live(self, resource: Resource) -> list[Body]:
        return [
            body async for body in list_objects(self._cluster, resource, self._namespaces, field_selector=LIVE_SELECTOR)
        ]

    async def _count_unreported(self) -> int:
        return sum([1 async for _ in self._list_labelled(PORT_UNREPORTED_LABEL)])

    async def _list_with_finalizer(self) -> AsyncIterator[Body]:
        seen: set[str] = set()
        for label in (HELD_LABEL, PORT_UNREPORTED_LABEL):
            async for body in self._list_labelled(label):
                if _OURS & set(body["metadata"].get("finalizers", ())) and body["metadata"]["uid"] not in seen:
                    seen.add(body["metadata"]["uid"])
                    yield body

    def _list_labelled(self, label: str) -> AsyncIterator[Body]:
        return list_objects(self._cluster, TASK_ACTIONS, self._namespaces, label_selector=f"{label}=true")

    async def _edit(self, body: Body, operations: Sequence[dict[str, Any]], resource: Resource = TASK_ACTIONS) -> None:
        metadata = body["metadata"]
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
        try:
            await self._cluster.patch(resource, metadata["name"], metadata["namespace"], [test, *operations])
        except (ConflictError, NotFoundError):
            return  # changed or deleted: the next round decides
        except ClusterError as error:
            self._say(f"{metadata['namespace']}/{metadata['name']}: {error}")


def _without_finalizer(body: Body) -> list[dict[str, Any]]:
    kept = [finalizer for finalizer in body["metadata"]["finalizers"] if finalizer not in _OURS]
    return [{"op": "add", "path": "/metadata/finalizers", "value": kept}]
