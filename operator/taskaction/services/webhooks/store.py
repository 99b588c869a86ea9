"""Storage of requests as ActionEvents, within limits, before the sender gets a response; reads none of them.

Whoever may create ActionEvents in a namespace can write any label on them. So events count for the namespace that they
are in, and what one namespace holds never keeps the requests of another one out.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from taskaction.cluster.errors import AlreadyExistsError, ClusterError
from taskaction.cluster.gateway import ACTION_EVENTS, Body, Cluster
from taskaction.core.clock import Clock
from taskaction.core.errors import TaskActionError
from taskaction.services.webhooks.envelopes import SOURCE_LABEL, WebhookSource

_Pending = tuple[str, str]
"""Namespace and source label of pending events."""

REMEMBERED = 10_000
_PAGE = 5_000
_COUNT_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0
_RETRY_SECONDS = 30


class StoreResult(Enum):
    """Result of storing the events of a request."""

    NEW = auto()
    KNOWN = auto()  # all of them were stored before


class InboxFullError(TaskActionError):
    """Too many events are pending to accept another one now.

    Attributes:
        status: 429 if the source is over its limit, 503 if all sources together are.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = _RETRY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Limits and namespaces of the store.

    Attributes:
        max_pending: maximum number of pending events of the inbox, for all sources together.
        namespaces: served namespaces, including the shared one; empty means all.
    """

    max_pending: int
    namespaces: Sequence[str] = ()


class WebhookEventStore:
    """Store of events; it counts pending ones periodically, so several replicas may exceed a limit slightly."""

    def __init__(self, cluster: Cluster, clock: Clock, settings: StoreSettings) -> None:
        self._cluster = cluster
        self._clock = clock
        self._settings = settings
        self._counted: Counter[_Pending] = Counter()
        self._since: Counter[_Pending] = Counter()
        self._recent: dict[str, None] = {}
        self._busy = True

    @property
    def pending_count(self) -> int:
        """Number of pending events of the inbox at the last count, plus those stored since."""
        return self._counted.total() + self._since.total()

    def check_capacity(self, source: WebhookSource) -> None:
        """Check that another request fits; raises ``InboxFullError``.

        If the inbox is full, a namespace may still use its equal share of it, so the total can exceed the limit.
        """
        of_source = self._counted[_key(source)] + self._since[_key(source)]
        if of_source >= source.max_pending:
            raise InboxFullError(f"{of_source} requests are pending for {source.name}; retry later", 429)
        if self.pending_count >= self._settings.max_pending and self._has_used_its_share(source.namespace):
            raise InboxFullError(f"{self.pending_count} requests are pending; retry later", 503)

    def _has_used_its_share(self, namespace: str) -> bool:
        pending = self._counted + self._since
        used = sum(count for (where, _), count in pending.items() if where == namespace)
        namespaces = {namespace} | {where for where, _ in pending}
        return used >= max(1, self._settings.max_pending // len(namespaces))

    async def create_events(self, source: WebhookSource, events: Sequence[Body], *, once: bool) -> StoreResult:
        """Store events; return when every event is durable.

        With ``once``, an event with one of these names is a repetition forever, even after the stored one was applied
        and deleted.

        Raises:
            InboxFullError: nothing was stored.
            ClusterError: not all events are durable; the caller may retry with the same request.
        """
        self._busy = True
        new = [event for event in events if _name(event) not in self._recent]
        if new:
            self.check_capacity(source)
        stored = [await self._create(source, event) for event in new]
        for event in new if once else ():
            self._remember(_name(event))
        return StoreResult.NEW if any(stored) else StoreResult.KNOWN

    async def _create(self, source: WebhookSource, event: Body) -> bool:
        try:
            await self._cluster.create(ACTION_EVENTS, event, source.namespace, timeout=_TIMEOUT_SECONDS)
        except AlreadyExistsError:
            return False
        self._since[_key(source)] += 1
        return True

    async def run(self, failed: Callable[[str, BaseException], None]) -> None:
        """Count pending events periodically while requests arrive, until cancelled."""
        while True:
            if self._busy or self.pending_count:
                self._busy = False
                try:
                    await self.count_pending()
                except ClusterError as error:
                    failed("count ActionEvents", error)
            await self._clock.sleep(_COUNT_SECONDS)

    async def count_pending(self) -> None:
        """Count pending events."""
        before = self._since.copy()
        found: Counter[_Pending] = Counter()
        for namespace in self._settings.namespaces or ("",):
            bodies = self._cluster.list(
                ACTION_EVENTS, namespace, label_selector=SOURCE_LABEL, metadata_only=True, page=_PAGE
            )
            async for body in bodies:
                metadata = body["metadata"]
                found[metadata["namespace"], metadata["labels"][SOURCE_LABEL]] += 1
        self._counted = found
        self._since -= (
            before  # an event stored during the count may be in both: slightly too many is safer than too few
        )

    def _remember(self, name: str) -> None:
        self._recent[name] = None
        if len(self._recent) > REMEMBERED:
            del self._recent[next(iter(self._recent))]


def _key(source: WebhookSource) -> _Pending:
    return source.namespace, source.label


def _name(event: Body) -> str:
    return str(event["metadata"]["name"])
