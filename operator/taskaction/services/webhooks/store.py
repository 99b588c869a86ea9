"""Storage of requests as ActionEvents, within limits, before the sender gets a response; reads none of them.

Whoever may create ActionEvents in a namespace can write any label on them. So events count for the namespace that they
are in, and what one namespace holds never keeps the requests of another one out.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from taskaction.api.action_event import INLINE_CONTENT_BYTES
from taskaction.cluster.errors import AlreadyExistsError, ClusterError
from taskaction.cluster.gateway import ACTION_EVENTS, Body, Cluster
from taskaction.core.clock import Clock
from taskaction.core.errors import TaskActionError
from taskaction.plugin.errors import WebhookRefusedError
from taskaction.plugin.event_content import EventContents, EventKey
from taskaction.plugin.storage import STORAGE_SETTING
from taskaction.services.webhooks.envelopes import BYTES_ANNOTATION, SOURCE_LABEL, PackedRequest, WebhookSource

_Pending = tuple[str, str]
"""Namespace and source label of pending events."""

REMEMBERED = 10_000
_PAGE = 5_000
_COUNT_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0
_RETRY_SECONDS = 30
_TOO_LARGE = 413


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
        max_pending_bytes: maximum size of the pending events of one namespace.
        namespaces: served namespaces, including the shared one; empty means all.
    """

    max_pending: int
    max_pending_bytes: int = 64 * 1024 * 1024
    namespaces: Sequence[str] = ()


class WebhookEventStore:
    """Store of events; it counts pending ones periodically, so several replicas may exceed a limit slightly."""

    def __init__(self, cluster: Cluster, clock: Clock, settings: StoreSettings, contents: EventContents) -> None:
        self._cluster = cluster
        self._contents = contents
        self._clock = clock
        self._settings = settings
        self._counted: Counter[_Pending] = Counter()
        self._since: Counter[_Pending] = Counter()
        self._bytes: Counter[_Pending] = Counter()
        self._bytes_since: Counter[_Pending] = Counter()
        self._recent: dict[str, None] = {}
        self._busy = True

    @property
    def pending_count(self) -> int:
        """Number of pending events of the inbox at the last count, plus those stored since."""
        return self._counted.total() + self._since.total()

    def check_capacity(self, source: WebhookSource, size: int = 0) -> None:
        """Check that another request of ``size`` bytes fits; raises ``InboxFullError``.

        If the inbox is full, a namespace may still use its equal share of it, so the total can exceed the limit. So may
        a source if the bytes of its namespace are used up.
        """
        of_source = self._counted[_key(source)] + self._since[_key(source)]
        if of_source >= source.max_pending:
            raise InboxFullError(f"{of_source} requests are pending for {source.name}; retry later", 429)
        if self.pending_count >= self._settings.max_pending and self._has_used_its_share(source.namespace):
            raise InboxFullError(f"{self.pending_count} requests are pending; retry later", 503)

        self._check_bytes(source, size)

    def _check_bytes(self, source: WebhookSource, size: int) -> None:
        sizes = self._bytes + self._bytes_since
        limit = self._settings.max_pending_bytes
        of_namespace = {label: count for (where, label), count in sizes.items() if where == source.namespace}
        if sum(of_namespace.values()) + size <= limit:
            return
        share = limit // len({source.label, *of_namespace})
        if of_namespace.get(source.label, 0) + size > share:
            raise InboxFullError(
                f"requests with {sum(of_namespace.values())} bytes are pending in namespace {source.namespace}, the "
                f"limit of TASKACTION_WEBHOOKS_MAX_PENDING_BYTES is {limit}; retry later",
                429,
            )

    def _has_used_its_share(self, namespace: str) -> bool:
        pending = self._counted + self._since
        used = sum(count for (where, _), count in pending.items() if where == namespace)
        namespaces = {namespace} | {where for where, _ in pending}
        return used >= max(1, self._settings.max_pending // len(namespaces))

    async def create_events(
        self, source: WebhookSource, events: Sequence[Body], packed: PackedRequest, *, once: bool
    ) -> StoreResult:
        """Store events of one request; return when every event is durable.

        With ``once``, an event with one of these names is a repetition forever, even after the stored one was applied
        and deleted.

        Raises:
            InboxFullError: nothing was stored.
            WebhookRefusedError: 413, the body does not fit into an event, and there is no storage.
            StorageError: not all bodies are stored; the caller may retry with the same request.
            ClusterError: not all events are durable; the caller may retry with the same request.
        """
        self._busy = True
        new = [event for event in events if _name(event) not in self._recent]
        if new:
            self.check_capacity(source, packed.size * len(new))
        if packed.must_be_stored and not self._contents.has_storage:
            raise WebhookRefusedError(
                _TOO_LARGE,
                f"the body has {len(packed.body)} bytes, which are more than {INLINE_CONTENT_BYTES} compressed bytes: "
                f"set {STORAGE_SETTING} of operator and inbox to a folder, or webhook.bodyPath of the provider to the "
                "part that you need",
            )
        stored = [await self._create(source, event, packed) for event in new]
        for event in new if once else ():
            self._remember(_name(event))
        return StoreResult.NEW if any(stored) else StoreResult.KNOWN

    async def _create(self, source: WebhookSource, event: Body, packed: PackedRequest) -> bool:
        if packed.must_be_stored:
            if await self._exists(source.namespace, _name(event)):
                return False  # its bytes are stored, and those of a repetition would be a file of no event
            received_at = datetime.fromisoformat(event["spec"]["receivedAt"])
            await self._contents.write(EventKey(source.namespace, _name(event), received_at), packed.body)
        try:
            await self._cluster.create(ACTION_EVENTS, event, source.namespace, timeout=_TIMEOUT_SECONDS)
        except AlreadyExistsError:
            return False
        self._since[_key(source)] += 1
        self._bytes_since[_key(source)] += packed.size
        return True

    async def _exists(self, namespace: str, name: str) -> bool:
        found = self._cluster.list(ACTION_EVENTS, namespace, field_selector=f"metadata.name={name}", metadata_only=True)
        return any([True async for _ in found])

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
        before, bytes_before = self._since.copy(), self._bytes_since.copy()
        found: Counter[_Pending] = Counter()
        sizes: Counter[_Pending] = Counter()
        for namespace in self._settings.namespaces or ("",):
            bodies = self._cluster.list(
                ACTION_EVENTS, namespace, label_selector=SOURCE_LABEL, metadata_only=True, page=_PAGE
            )
            async for body in bodies:
                metadata = body["metadata"]
                key = metadata["namespace"], metadata["labels"][SOURCE_LABEL]
                found[key] += 1
                sizes[key] += _size_of(metadata)
        self._counted, self._bytes = found, sizes
        self._bytes_since -= bytes_before
        self._since -= (
            before  # an event stored during the count may be in both: slightly too many is safer than too few
        )

    def _remember(self, name: str) -> None:
        self._recent[name] = None
        if len(self._recent) > REMEMBERED:
            del self._recent[next(iter(self._recent))]


def _size_of(metadata: Body) -> int:
    """Return the size that an event says of itself; whoever may create events can write any, for their namespace."""
    text = (metadata.get("annotations") or {}).get(BYTES_ANNOTATION, "")
    return int(text) if re.fullmatch(r"[0-9]{1,8}", text, re.ASCII) else 0


def _key(source: WebhookSource) -> _Pending:
    return source.namespace, source.label


def _name(event: Body) -> str:
    return str(event["metadata"]["name"])
