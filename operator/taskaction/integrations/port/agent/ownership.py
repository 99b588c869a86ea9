"""Proof that a TaskAction was created by an agent of this installation for the run that it names.

Whoever may create or change TaskActions in the agent's namespace could otherwise have it report on runs of others, or
delete actions. The policy ``origin.taskaction.dev`` lets only accounts with the verb ``adopt`` write the labels and
annotations that the agent relies on. Where it does not act, only actions that this process has created count.
"""

from taskaction.cluster.gateway import Body, Cluster
from taskaction.core.clock import Clock
from taskaction.core.constants import ORIGIN_ANNOTATION
from taskaction.integrations.port.agent.annotations import RunAnnotations, run_origin
from taskaction.plugin.origin import OriginGuard


class OwnActions:
    """Actions of an installation's runs."""

    def __init__(self, cluster: Cluster, clock: Clock, *, namespace: str, installation: str) -> None:
        self._guard = OriginGuard(cluster, clock)
        self._namespace = namespace
        self._installation = installation
        self._made: set[str] = set()

    def add(self, uid: str) -> None:
        """Record that this process has created an action."""
        self._made.add(uid)

    def forget(self, uid: str) -> None:
        """Forget an action whose end has been reported."""
        self._made.discard(uid)

    async def find_problem(self, body: Body, marks: RunAnnotations) -> str | None:
        """Return why an action is not one of the installation's, or None if it is; raise ``ClusterError``."""
        metadata = body["metadata"]
        if metadata["uid"] in self._made:
            return None
        origin = run_origin(self._installation, marks.kind, marks.run_id)
        if (metadata.get("annotations") or {}).get(ORIGIN_ANNOTATION) != origin:
            return f"no agent of this installation created it for run {marks.run_id!r}: delete it"
        if await self._guard.is_enforced(self._namespace):
            return None
        return (
            "this process did not create it, and the admission policy origin.taskaction.dev, which would prove who "
            "did, is not installed; install crds/policies"
        )
