"""Parents and children: finds the parent of an action or run, and reads ancestors that the watch does not show."""

from collections.abc import Awaitable, Callable

from taskaction.api.enums import ParentKind
from taskaction.api.task_action import ParentRef
from taskaction.cluster.gateway import Cluster
from taskaction.control.objects.background import Background
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.owned import (
    RESOURCES,
    OwnedObject,
    OwnedRecord,
    RecordLookup,
    find_linked,
    is_orphaned,
    parent_link,
    parse_object,
)
from taskaction.control.objects.requests import Requests
from taskaction.control.objects.tree import NodeFacts, OwnerTree, ParentLink
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.lifecycle.state import Parent


class ParentTracker:
    """Tracker that keeps the tree of owners in step with the records.

    The watch does not show a finished parent, and may leave out one of another replica. One GET reads it, and it stays
    in the tree while it has live children.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        persistently: RetryingCall,
        background: Background,
        members: RecordLookup,
        tree: OwnerTree,
        requests: Requests,
        tenures: ShardTenures,
    ) -> None:
        """Create a tracker; it requests reconciliation of every record whose parent state may have changed."""
        self._cluster = cluster
        self._persistently = persistently
        self._background = background
        self._members = members
        self._tree = tree
        self._requests = requests
        self._tenures = tenures
        self._under_way: set[tuple[str, str]] = set()

    def place(self, record: OwnedRecord) -> None:
        """Add a record to the tree, determine its parent state, and request its descendants if that affects them."""
        action = record.api_object
        link = parent_link(action)
        unknown_before = record.parent in {Parent.LOOKED_UP, Parent.FOUND}
        matters = self._tree.update_node(record.uid, _facts_of(record), link, live=True)
        if link is not None:
            record.set_parent(self._owned_parent_state(record))
        elif action.spec.parent_ref is not None and not is_orphaned(action) and not record.status.phase.is_started:
            record.set_parent(self._referenced_parent_state(record, action.spec.parent_ref))
        else:
            record.set_parent(Parent.NONE)
        if matters or (unknown_before and not _awaits_adoption(record)):
            self._request_descendants(record.uid)

    def on_finished(self, record: OwnedRecord) -> None:
        """Record that an object has finished; it stays in the tree while it has live children."""
        self._update_node(record, live=False)

    def on_refused(self, record: OwnedRecord) -> None:
        """Record that an object has failed although no status fits into it; its descendants learn of it only here."""
        self._update_node(record, live=True)

    def on_deleted(self, record: OwnedRecord) -> None:
        """Record that an object was deleted, and request its descendants."""
        below = list(self._tree.descendants(record.uid))
        above = parent_link(record.api_object)
        self._tree.mark_deleted(record.uid)
        self._request_all(below)
        if above is not None and find_linked(self._members, above) is None:
            # Garbage collection deletes children one by one, slowly: if the parent was deleted, all must end at once.
            self.look_up(above)

    def is_related(self, record: OwnedRecord) -> bool:
        """Whether the end of this object affects others: its descendants, or the children of a deleted parent."""
        if self._tree.has_live_descendants(record.uid):
            return True
        above = parent_link(record.api_object)
        if above is None:
            return False
        parent = find_linked(self._members, above)
        if parent is not None:  # the owner of a run must know how its actions end
            return parent.kind is ParentKind.ACTION_FLOW_RUN and self._tenures.owns(parent.shard)
        return any(uid != record.uid and self._members.get(uid) for uid in self._tree.descendants_of(above))

    def _update_node(self, record: OwnedRecord, *, live: bool) -> None:
        if self._tree.update_node(record.uid, _facts_of(record), parent_link(record.api_object), live=live):
            self._request_descendants(record.uid)

    def _owned_parent_state(self, record: OwnedRecord) -> Parent:
        unknown = self._tree.unknown_ancestor(record.uid)
        if unknown is not None:
            self.look_up(unknown)
            return Parent.LOOKED_UP
        above = (self._members.get(uid) for uid in self._tree.ancestors(record.uid))
        if any(_awaits_adoption(ancestor) for ancestor in above if ancestor is not None):
            return Parent.LOOKED_UP  # its own parent is unknown, and so is whether it must abort
        facts = self._tree.parent_facts(record.uid)
        finished_at = facts.finished_at if facts is not None else None
        if finished_at is not None and not record.status.phase.is_started and record.status.started_at is None:
            # Creation times are whole seconds: a child of the same second counts as created before the end.
            created = record.api_object.metadata.creation_timestamp
            return Parent.FINISHED if created > finished_at else Parent.OWNER
        return Parent.OWNER

    def _referenced_parent_state(self, record: OwnedRecord, ref: ParentRef) -> Parent:
        """Find the parent in ``spec.parentRef`` of an object that has no owner yet."""
        if (ref.kind, ref.name) == (record.kind, record.name):
            return Parent.MISSING
        if record.parent in {Parent.MISSING, Parent.FINISHED}:
            return record.parent
        known = self._members.get_by_name(ref.kind, record.namespace, ref.name)
        if known is not None:
            return self._check_parent(record, ref, known.api_object, finished=known.is_finished)
        self._find_referenced(record, ref)
        return Parent.LOOKED_UP

    def _check_parent(
        self, record: OwnedRecord, ref: ParentRef, parent: OwnedObject | None, *, finished: bool
    ) -> Parent:
        if parent is None or ref.uid not in {None, parent.metadata.uid}:
            return Parent.MISSING
        if finished:
            return Parent.FINISHED
        record.set_parent(Parent.FOUND, parent)
        return Parent.FOUND

    def _find_referenced(self, record: OwnedRecord, ref: ParentRef) -> None:
        async def find() -> None:
            body = await self._persistently(lambda: self._cluster.get(RESOURCES[ref.kind], ref.name, record.namespace))
            parent = parse_object(ref.kind, body) if body is not None else None
            finished = parent is not None and parent.status.phase.is_terminal
            record.set_parent(self._check_parent(record, ref, parent, finished=finished))
            self._requests.reconcile(record)
            if not _awaits_adoption(record):
                self._request_descendants(record.uid)

        self._once(("find", record.uid), find)

    def look_up(self, link: ParentLink) -> None:
        """Read what a link names, update the tree, and request what is below."""

        async def look_up() -> None:
            body = await self._persistently(lambda: self._cluster.get(RESOURCES[link.kind], link.name, link.namespace))
            below = list(self._tree.descendants_of(link))
            if body is None or body["metadata"]["uid"] != link.uid:
                self._tree.mark_missing(link)
            else:
                action = parse_object(link.kind, body)
                facts = NodeFacts.from_object(action, action.status)
                live = not action.status.phase.is_terminal
                self._tree.update_node(link.uid, facts, parent_link(action), live=live)
                if live and self._members.get(link.uid) is None:
                    self._requests.parents.add(link, link.namespace)
            self._request_all(below)

        self._once(("look up", f"{link.kind} {link.namespace}/{link.name} {link.uid}"), look_up)

    def _once(self, key: tuple[str, str], work: Callable[[], Awaitable[None]]) -> None:
        if key in self._under_way:
            return
        self._under_way.add(key)

        async def run() -> None:
            try:
                await work()
            finally:
                self._under_way.discard(key)

        self._background.start(run(), name=f"{key[0]} {key[1]}")

    def _request_descendants(self, uid: str) -> None:
        self._request_all(list(self._tree.descendants(uid)))

    def _request_all(self, uids: list[str]) -> None:
        for uid in uids:
            if (record := self._members.get(uid)) is not None:
                if parent_link(record.api_object) is not None:
                    record.set_parent(self._owned_parent_state(record))
                self._requests.reconcile(record)


def _facts_of(record: OwnedRecord) -> NodeFacts:
    """Return what a record means for its descendants: a failure that no status can show counts like any other."""
    return NodeFacts.from_object(record.api_object, record.status if record.was_refused else record.stored)


def _awaits_adoption(record: OwnedRecord) -> bool:
    """Whether the object waits for adoption: until then, nothing can abort it through its parent."""
    return record.parent in {Parent.LOOKED_UP, Parent.FOUND} and parent_link(record.api_object) is None
