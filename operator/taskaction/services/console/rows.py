"""Rows of lists: what the console keeps of each action and run, and the index of all of them; pure."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from taskaction.api.bodies import at, phase_of
from taskaction.api.enums import TERMINAL_PHASES, Phase
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Resource

KINDS = (TASK_ACTIONS, ACTION_FLOW_RUNS)
BY_KIND = {kind.kind: kind for kind in KINDS}
BY_PLURAL = {kind.plural: kind for kind in KINDS}
_MESSAGE_CHARS = 240

Position = tuple[str, str, str]
"""Place in lists: the time of the creation, which has whole seconds, then the name, and the uid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRow:
    """Summary of an action or run; times are as the API server writes them, empty if absent.

    Attributes:
        runner: executor, flow, or kind and name of the provider.
        parent: uid of the parent.
        owner: name of the parent, which an object may have before it has the uid.
    """

    uid: str
    version: str
    kind: str
    namespace: str
    name: str
    phase: str
    reason: str
    message: str
    runner: str
    executor: str
    parent: str
    owner: str
    labels: tuple[tuple[str, str], ...]
    suspended: bool
    attempt: int
    created: str
    started: str
    finished: str

    @classmethod
    def from_body(cls, kind: str, body: dict[str, Any]) -> "ObjectRow":
        """Return the row of an object."""
        metadata = body["metadata"]
        executor = str(at(body, "spec.executor", ""))
        provider, flow = at(body, "spec.providerRef.name"), at(body, "spec.flowRef.name")
        parent = at(body, "spec.parentRef.uid") or next(
            (one["uid"] for one in metadata.get("ownerReferences") or () if one["kind"] in BY_KIND), ""
        )
        return cls(
            uid=metadata["uid"],
            version=metadata["resourceVersion"],
            kind=kind,
            namespace=metadata["namespace"],
            name=metadata["name"],
            phase=phase_of(body),
            reason=str(at(body, "status.reason", "")),
            message=" ".join(str(at(body, "status.message", "")).split())[:_MESSAGE_CHARS],
            runner=str(provider or executor or flow or ("inline flow" if kind == ACTION_FLOW_RUNS.kind else "")),
            executor=executor,
            parent=str(parent),
            owner=str(at(body, "spec.parentRef.name", "")),
            labels=tuple(sorted((metadata.get("labels") or {}).items())),
            suspended=bool(at(body, "spec.suspend", default=False)),
            attempt=int(at(body, "status.attempt", 0)),
            created=metadata["creationTimestamp"],
            started=str(at(body, "status.startedAt", "")),
            finished=str(at(body, "status.finishedAt", "")),
        )

    @property
    def resource(self) -> Resource:
        """Kind of the object."""
        return BY_KIND[self.kind]

    @property
    def path(self) -> str:
        """Address of its page."""
        return object_path(self.resource, self.namespace, self.name)

    @property
    def has_ended(self) -> bool:
        """Whether its phase is terminal."""
        return self.phase in TERMINAL_PHASES

    @property
    def awaits_person(self) -> bool:
        """Whether it waits for an approval."""
        return self.phase == Phase.PAUSED and self.executor == "approval"

    @property
    def position(self) -> "Position":
        """Place in lists."""
        return self.created, self.name, self.uid


Change = Callable[[ObjectRow | None, ObjectRow | None], None]
"""Function that gets a row before and after a change; None if it was not there, or is gone."""


class RowIndex:
    """Rows of all objects that the console watches, newest first; tells listeners of each change."""

    def __init__(self) -> None:
        self._rows: dict[str, ObjectRow] = {}
        self._positions: list[Position] = []
        self._children: defaultdict[str, set[str]] = defaultdict(set)
        self._listeners: set[Change] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[ObjectRow]:
        """Yield all rows, newest first."""
        for *_, uid in reversed(self._positions):
            yield self._rows[uid]

    def before(self, position: Position) -> Iterator[ObjectRow]:
        """Yield the rows that follow a position in a list: those that were created before."""
        for place in range(bisect_left(self._positions, position) - 1, -1, -1):
            yield self._rows[self._positions[place][2]]

    def get(self, uid: str) -> ObjectRow | None:
        """Return the row of an object; None if it is not known."""
        return self._rows.get(uid)

    def children(self, uid: str) -> list[ObjectRow]:
        """Return the rows of an object's children, oldest first."""
        return sorted((self._rows[one] for one in self._children.get(uid, ())), key=lambda row: row.position)

    def put(self, row: ObjectRow) -> None:
        """Add or replace a row; a row that is already known, or an older one, changes nothing."""
        old = self._rows.get(row.uid)
        if old is not None and int(old.version) >= int(row.version):
            return
        if old is None:
            insort(self._positions, row.position)
        elif old.parent != row.parent:
            self._children[old.parent].discard(row.uid)
        self._rows[row.uid] = row
        if row.parent:
            self._children[row.parent].add(row.uid)
        self._tell(old, row)

    def remove(self, uid: str) -> None:
        """Remove the row of an object that is gone."""
        old = self._rows.pop(uid, None)
        if old is None:
            return
        del self._positions[bisect_left(self._positions, old.position)]
        siblings = self._children.get(old.parent)
        if siblings is not None:
            siblings.discard(uid)
            if not siblings:
                del self._children[old.parent]
        self._tell(old, None)

    def subscribe(self, listener: Change) -> Callable[[], None]:
        """Call ``listener`` for each change; return the function that ends this."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def _tell(self, old: ObjectRow | None, new: ObjectRow | None) -> None:
        for listener in tuple(self._listeners):
            listener(old, new)


def object_path(resource: Resource, namespace: str, name: str) -> str:
    """Return the address of an object's page; names in Kubernetes need no escapes."""
    return f"/namespaces/{namespace}/{resource.plural}/{name}"
