"""Makes requests durable as ActionEvents, within bounds, before their senders get an answer; reads none of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from taskaction.cluster.errors import AlreadyExistsError, ClusterError
from taskaction.cluster.gateway import ACTION_EVENTS, Body, Cluster
from taskaction.core.clock import Clock
from taskaction.core.errors import TaskActionError
from taskaction.services.webhooks.envelopes import SOURCE_LABEL, Source

REMEMBERED = 10_000
_PAGE = 5_000
_COUNT_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0
_RETRY_SECONDS = 30


class Stored(Enum):
    """What became of a request's events."""

    NEW = auto()
    KNOWN = auto()  # all of them were stored before


class InboxFullError(TaskActionError):
    """So much waits already that nothing more is taken for now.

    Attributes:
        status: 429 where the source has too much, 503 where all together have.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = _RETRY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Bounds, and where events are.

    Attributes:
        max_pending: how many events of the inbox may wait, of all sources together.
        namespaces: the namespaces that are served, and the shared one; all where it is empty.
    """

    max_pending: int
    namespaces: Sequence[str] = ()


class Store:
    """Creates events. How many wait is counted from time to time, so several replicas may exceed a bound a little."""

    def __init__(self, cluster: Cluster, clock: Clock, settings: StoreSettings) -> None:
        self._cluster = cluster
        self._clock = clock
        self._settings = settings
        self._counted: Counter[str] = Counter()
        self._since: Counter[str] = Counter()
        self._recent: dict[str, None] = {}
        self._busy = True

    @property
    def waiting(self) -> int:
        """How many events of the inbox wait, as far as is known."""
        return self._counted.total() + self._since.total()

    def check_room(self, source: Source) -> None:
        """Return where another request can be taken; raises ``InboxFullError``."""
        of_source = self._counted[source.label] + self._since[source.label]
        if of_source >= source.max_pending:
            raise InboxFullError(f"{of_source} requests wait at {source.name} already; try again later", 429)
        if self.waiting >= self._settings.max_pending:
            raise InboxFullError(f"{self.waiting} requests wait already; try again later", 503)

    async def put(self, source: Source, events: Sequence[Body], *, once: bool) -> Stored:
        """Return when every event is durable.

        ``once`` says that events of these names never come again with something new, also when they were applied and
        are gone.

        Raises:
            InboxFullError: nothing was stored.
            ClusterError: not all of them are durable; the same request may be made again.
        """
        self._busy = True
        new = [event for event in events if _name(event) not in self._recent]
        if new:
            self.check_room(source)
        stored = [await self._create(source, event) for event in new]
        for event in new if once else ():
            self._remember(_name(event))
        return Stored.NEW if any(stored) else Stored.KNOWN

    async def _create(self, source: Source, event: Body) -> bool:
        try:
            await self._cluster.create(ACTION_EVENTS, event, source.namespace, timeout=_TIMEOUT_SECONDS)
        except AlreadyExistsError:
            return False
        self._since[source.label] += 1
        return True

    async def run(self, failed: Callable[[str, BaseException], None]) -> None:
        """Count what waits, every now and then while requests come, until cancelled."""
        while True:
            if self._busy or self.waiting:
                self._busy = False
                try:
                    await self.count()
                except ClusterError as error:
                    failed("count ActionEvents", error)
            await self._clock.sleep(_COUNT_SECONDS)

    async def count(self) -> None:
        """Count what waits."""
        before = self._since.copy()
        found: Counter[str] = Counter()
        for namespace in self._settings.namespaces or ("",):
            bodies = self._cluster.list(
                ACTION_EVENTS, namespace, label_selector=SOURCE_LABEL, metadata_only=True, page=_PAGE
            )
            async for body in bodies:
                found[body["metadata"]["labels"][SOURCE_LABEL]] += 1
        self._counted = found
        self._since -= before  # what came during the count may be in it, too: rather a little too many than too few

    def _remember(self, name: str) -> None:
        self._recent[name] = None
        if len(self._recent) > REMEMBERED:
            del self._recent[next(iter(self._recent))]


def _name(event: Body) -> str:
    return str(event["metadata"]["name"])
