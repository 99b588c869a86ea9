"""Lookup of actions that events name and that the watch leaves out; one list serves all events that ask."""

from collections.abc import Callable, Sequence

from taskaction.cluster.gateway import TASK_ACTIONS, Cluster
from taskaction.control.events.matching import EventAddress, WaitingEvent, name_address, uid_address
from taskaction.control.objects.background import Background
from taskaction.control.objects.listing import list_objects
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.sweep import LIVE_SELECTOR
from taskaction.control.sharding.scope import WatchScope


class TargetLookup:
    """Lookup that tells events for nobody from those for unfinished actions of other replicas."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        persistently: RetryingCall,
        background: Background,
        scope: WatchScope,
        shared: str,
        namespaces: Sequence[str] = (),
    ) -> None:
        """Create a lookup; events in the namespace ``shared`` may be for actions of any namespace."""
        self._cluster = cluster
        self._persistently = persistently
        self._background = background
        self._scope = scope
        self._shared = shared
        self._namespaces = namespaces
        self._asked: dict[str, WaitingEvent] = {}
        self._is_listing = False

    def is_needed(self, kept: WaitingEvent) -> bool:
        """Whether an event may be for an action that is not known.

        An action that has an external ID is known to all replicas, so only a target needs the lookup.
        """
        return kept.target is not None and not self._scope.is_complete

    def request(self, kept: WaitingEvent, on_absent: Callable[[WaitingEvent], None]) -> None:
        """Call ``on_absent`` unless the target of the event is an unfinished action."""
        self._asked[kept.uid] = kept
        if not self._is_listing:
            self._is_listing = True
            self._background.start(self._answer(on_absent), name="look up the targets of ActionEvents")

    async def _answer(self, on_absent: Callable[[WaitingEvent], None]) -> None:
        try:
            while self._asked:
                asked, self._asked = list(self._asked.values()), {}
                found = await self._find({kept.place for kept in asked})
                for kept in asked:
                    namespaces = found[kept.place]
                    if not namespaces or (kept.namespace not in namespaces and kept.namespace != self._shared):
                        on_absent(kept)
        finally:
            self._is_listing = False

    async def _find(self, wanted: set[EventAddress]) -> dict[EventAddress, set[str]]:
        """Return the namespaces in which there are unfinished actions with these addresses."""

        async def find() -> dict[EventAddress, set[str]]:
            found: dict[EventAddress, set[str]] = {place: set() for place in wanted}
            live = list_objects(
                self._cluster, TASK_ACTIONS, self._namespaces, field_selector=LIVE_SELECTOR, metadata_only=True
            )
            async for body in live:
                metadata = body["metadata"]
                for place in uid_address(metadata["uid"]), name_address(metadata["namespace"], metadata["name"]):
                    if place in found:
                        found[place].add(metadata["namespace"])
            return found

        return await self._persistently(find)
