"""The cache of the actions in the service's namespaces, and the subscriptions to their changes; no I/O."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.core.constants import GROUP, ORIGIN_ANNOTATION
from taskaction.integrations.flyte.service.places import ACTION, OUTPUT_BASE, ActionKey, attempt_folder, origin
from taskaction.plugin.stored_outputs import StoredOutput, find_stored_output

FINISHED = frozenset({"Succeeded", "Failed", "Aborted", "TimedOut"})
HANDED_DOWN = ("env", "interruptible", "rawDataPrefix", "runStartTime")
"""The parameters that a child has from its parent."""
_OURS = ("flyte.org/", f"{GROUP}/", "kubectl.kubernetes.io/")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAction:
    """Cached fields of an action or a trace that responses need; the API server has the rest."""

    place: ActionKey
    uid: str
    version: int
    action: str
    parent: str | None = None
    phase: str = "Queued"
    reason: str = ""
    attempt: int = 0
    output: Any = None
    output_uri: str = ""
    stored: StoredOutput | None = None
    output_folder: str = ""
    address: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None
    is_aborted: bool = False
    executor: str = ""
    signal_type: str = ""
    signal: Mapping[str, Any] | None = None
    handed_down: Mapping[str, Any] | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    account: str = ""
    is_trace: bool = False
    template_uri: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether the phase is final."""
        return self.phase in FINISHED

    def is_visibly_equal(self, other: "CachedAction") -> bool:
        """Whether clients see no difference between the two."""
        return _visible(self) == _visible(other)

    @classmethod
    def of(cls, body: Body) -> "CachedAction":
        """Create the entry from a TaskAction; missing or invalid fields count as unset."""
        metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
        parameters = spec.get("parameters") or {}
        executor = str(spec.get("executor", ""))
        own, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        ref, action = spec.get("parentRef") or {}, own.get(ACTION, metadata["name"])
        stored = find_stored_output(TASK_ACTIONS.kind, body)
        attempt, is_task = status.get("attempt") or 0, executor == "flyte" or "runOutputBase" in parameters
        base = str(parameters.get("runOutputBase") or annotations.get(OUTPUT_BASE, ""))
        # Whoever creates an action chooses its parent. Only the service can prove that a caller enqueued it.
        is_enqueued = annotations.get(ORIGIN_ANNOTATION) == origin(ref.get("uid", ""), action)
        return cls(
            place=ActionKey(metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            version=int(metadata["resourceVersion"]),
            action=action,
            parent=ref.get("name") if is_enqueued else None,
            phase=status.get("phase", "Queued"),
            reason=status.get("reason") or "",
            attempt=attempt,
            output=status.get("output"),
            # a file of the operator with JSON, of any executor, is not a folder of Flyte's
            output_uri="" if stored is not None else status.get("outputUri") or "",
            stored=stored,
            output_folder=attempt_folder(base, action, attempt) if base else "",
            address=status.get("address"),
            error=status.get("error"),
            is_aborted="abort" in spec or "deletionTimestamp" in metadata,
            executor=executor,
            signal_type=str(parameters.get("type", "boolean")) if executor == "approval" else "",
            signal=spec.get("signal"),
            handed_down=_handed_down(parameters) if is_task else None,
            template_uri=str(parameters.get("templateUri") or "") if is_task else "",
            account=str((spec.get("runAs") or {}).get("serviceAccountName", "")),
            labels=foreign(own) or None,
            annotations=foreign(annotations) or None,
        )


def _visible(known: CachedAction) -> tuple[object, ...]:
    """Return what clients see of an action."""
    shown = known.output_uri, known.stored, known.error, known.output, known.address
    return known.uid, known.phase, known.attempt, *shown


def _handed_down(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the parameters that children inherit."""
    return {name: parameters[name] for name in HANDED_DOWN if name in parameters} or None


def foreign(found: Mapping[str, str]) -> dict[str, str]:
    """Return what is neither Flyte's, nor the operator's, nor kubectl's: what users may set, and children inherit."""
    return {name: value for name, value in found.items() if not name.startswith(_OURS)}


class Subscription:
    """Queue of what one watch has not sent yet: the newest state of each child, however slow the watch is."""

    def __init__(self, parent: ActionKey, now: Callable[[], float] = time.monotonic) -> None:
        self.parent = parent
        self.since = 0.0
        """When the oldest of what waits came, by ``now``; of what is left after a part was taken, an older one."""
        self._now = now
        self._news: dict[str, CachedAction] = {}
        self._there = asyncio.Event()

    def put(self, known: CachedAction) -> None:
        """Add the newest state of a child."""
        if not self._news:
            self.since = self._now()
        self._news[known.place.name] = known
        self._there.set()

    def take(self, limit: int) -> list[CachedAction]:
        """Remove and return at most ``limit`` states, oldest first."""
        names = list(self._news)[:limit] if len(self._news) > limit else list(self._news)
        found = [self._news.pop(name) for name in names]
        if not self._news:
            self._there.clear()
        return found

    def end(self) -> None:
        """Wake up whoever waits."""
        self._there.set()

    async def wait(self) -> None:
        """Return when there is something to take."""
        await self._there.wait()


class ActionCache:
    """Cache of all actions by namespace and name, and by parent."""

    def __init__(self) -> None:
        self._by_uid: dict[str, CachedAction] = {}
        self._by_place: dict[ActionKey, CachedAction] = {}
        self._children: dict[ActionKey, dict[str, CachedAction]] = {}
        self._traces: Counter[ActionKey] = Counter()
        self._subscriptions: dict[ActionKey, set[Subscription]] = {}
        self._gone: dict[str, None] = {}

    def __len__(self) -> int:
        """Return how many actions are known."""
        return len(self._by_uid)

    @property
    def watches(self) -> int:
        """How many watches there are."""
        return sum(map(len, self._subscriptions.values()))

    def get(self, place: ActionKey) -> CachedAction | None:
        """Return the action at a place."""
        return self._by_place.get(place)

    def children(self, parent: ActionKey) -> Iterable[CachedAction]:
        """Return the children of an action, finished ones too."""
        return self._children.get(parent, {}).values()

    def traces(self, parent: ActionKey) -> int:
        """Return how many traces of an action are known."""
        return self._traces[parent]

    def template_uris(self) -> frozenset[str]:
        """Return where the templates are that actions have elsewhere."""
        return frozenset(known.template_uri for known in self._by_uid.values() if known.template_uri)

    def store_object(self, body: Body) -> None:
        """Store an object from a watch or an own write; an older version, or the same again, changes nothing."""
        metadata = body["metadata"]
        known = self._by_uid.get(metadata["uid"])
        if known is None or known.version < int(metadata["resourceVersion"]):  # a watch echoes each own write
            self.store(CachedAction.of(body))

    def store(self, known: CachedAction) -> None:
        """Store an entry; an older version changes nothing."""
        if known.uid in self._gone:
            return
        before = self._by_uid.get(known.uid)
        if before is not None and before.version >= known.version:
            return
        named = self._by_place.get(known.place)
        if named is not None and named.uid != known.uid:
            if named.version > known.version or (known.is_trace and not named.is_trace):
                return
            self.remove(named.uid)
        self._by_uid[known.uid] = known
        self._by_place[known.place] = known
        if known.parent is not None:
            parent = ActionKey(known.place.namespace, known.parent)
            self._children.setdefault(parent, {})[known.place.name] = known
            self._traces[parent] += known.is_trace and before is None
            if before is None or not before.is_visibly_equal(known):
                self._notify(parent, known)

    def remove(self, uid: str) -> None:
        """Remove a deleted object; watches see it as aborted unless it had ended."""
        known = self._by_uid.pop(uid, None)
        self._gone[uid] = None  # an answer to a write of our own may still be on its way
        if len(self._gone) > _GONE_KEPT:
            del self._gone[next(iter(self._gone))]
        if known is None:
            return
        if (named := self._by_place.get(known.place)) is not None and named.uid == uid:
            del self._by_place[known.place]
        if known.parent is None:
            return
        parent = ActionKey(known.place.namespace, known.parent)
        siblings = self._children.get(parent, {})
        siblings.pop(known.place.name, None)
        self._traces[parent] -= known.is_trace
        if not self._traces[parent]:
            del self._traces[parent]
        if not siblings:
            self._children.pop(parent, None)
        if not known.is_finished:
            self._notify(parent, replace(known, phase="Aborted", reason="Deleted"))

    def subscribe(self, parent: ActionKey, now: Callable[[], float] = time.monotonic) -> Subscription:
        """Return what tells of every change of the parent's children from now on; ``unsubscribe`` it in the end."""
        found = Subscription(parent, now)
        self._subscriptions.setdefault(parent, set()).add(found)
        return found

    def unsubscribe(self, subscription: Subscription) -> None:
        """Remove the subscription of a watch that has ended."""
        there = self._subscriptions.get(subscription.parent, set())
        there.discard(subscription)
        if not there:
            self._subscriptions.pop(subscription.parent, None)

    def end_watches(self) -> None:
        """Wake up every watch, so that it sees that the service ends."""
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.end()

    def _notify(self, parent: ActionKey, known: CachedAction) -> None:
        for subscription in self._subscriptions.get(parent, ()):
            subscription.put(known)


_GONE_KEPT = 10_000
