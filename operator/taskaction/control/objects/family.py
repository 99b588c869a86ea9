"""Parents and children: finds the parent of an action or run, looks up ancestors that the watch does not show."""

from collections.abc import Awaitable, Callable

from taskaction.api.task_action import ParentRef
from taskaction.cluster.gateway import Cluster
from taskaction.control.objects.background import Background
from taskaction.control.objects.objects import Persistently
from taskaction.control.objects.owned import RESOURCES, Members, Owned, OwnedRecord, is_orphaned, parent_link, read
from taskaction.control.objects.tree import Facts, ParentLink, Tree
from taskaction.lifecycle.state import Parent


class Family:
    """Keeps the tree in step with the records.

    A finished parent is not in the watch. It is looked up once, by one GET, and stays in the tree as long as it has
    live children.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        persistently: Persistently,
        background: Background,
        members: Members,
        tree: Tree,
        changed: Callable[[OwnedRecord], None],
        follows: Callable[[str], bool],
    ) -> None:
        """``follows`` says of a run's uid whether this process carries the run, and so needs to know how children end.

        ``changed`` is told of whom something else may be true now.
        """
        self._cluster = cluster
        self._persistently = persistently
        self._background = background
        self._members = members
        self._tree = tree
        self._changed = changed
        self._follows = follows
        self._under_way: set[tuple[str, str]] = set()

    def place(self, record: OwnedRecord) -> None:
        """Put an action into the tree and find out how it stands to its parent; descendants are looked at if needed."""
        action = record.owned
        link = parent_link(action)
        unknown_before = record.parent in {Parent.LOOKED_UP, Parent.FOUND}
        matters = self._tree.put(record.uid, Facts.of(action, record.stored), link, live=True)
        if link is not None:
            record.parent = self._owned(record)
        elif action.spec.parent_ref is not None and not is_orphaned(action) and not record.status.phase.started:
            record.parent = self._wanted(record, action.spec.parent_ref)
        else:
            record.parent = Parent.NONE
        if matters or (unknown_before and not _is_open(record)):
            self._look_below(record.uid)

    def finished(self, record: OwnedRecord) -> None:
        """Take note that an action has ended; it stays known while it has live children."""
        facts = Facts.of(record.owned, record.stored)
        if self._tree.put(record.uid, facts, parent_link(record.owned), live=False):
            self._look_below(record.uid)

    def gone(self, record: OwnedRecord) -> None:
        """Take note that an action's object does not exist any more, and let its descendants know."""
        below = list(self._tree.descendants(record.uid))
        above = parent_link(record.owned)
        self._tree.gone(record.uid)
        self._look_at(below)
        if above is not None and self._members.get(above.uid) is None:
            # Garbage collection deletes children one by one, slowly: if the parent is the reason, tell all at once.
            self._look_up(record.namespace, above)

    def is_related(self, record: OwnedRecord) -> bool:
        """Say whether how an action went matters for any other: for its descendants, or for those of a lost parent."""
        if self._tree.has_live_descendants(record.uid):
            return True
        above = parent_link(record.owned)
        if above is None:
            return False
        if self._members.get(above.uid) is not None:
            return self._follows(above.uid)
        return any(uid != record.uid and self._members.get(uid) for uid in self._tree.descendants(above.uid))

    def _owned(self, record: OwnedRecord) -> Parent:
        unknown = self._tree.unknown_ancestor(record.uid)
        if unknown is not None:
            self._look_up(record.namespace, unknown)
            return Parent.LOOKED_UP
        above = (self._members.get(uid) for uid in self._tree.ancestors(record.uid))
        if any(_is_open(ancestor) for ancestor in above if ancestor is not None):
            return Parent.LOOKED_UP  # whose child it is itself, and so whether it is aborted, is not known yet
        parent = self._tree.parent(record.uid)
        facts = self._tree.facts(parent) if parent is not None else None
        finished_at = facts.finished_at if facts is not None else None
        if finished_at is not None and not record.status.phase.started and record.status.started_at is None:
            # Creation times are whole seconds: within the same second the child gets the benefit of the doubt.
            created = record.owned.metadata.creation_timestamp
            return Parent.FINISHED if created > finished_at else Parent.OWNER
        return Parent.OWNER

    def _wanted(self, record: OwnedRecord, ref: ParentRef) -> Parent:
        """Find the parent that ``spec.parentRef`` names, for an action that nobody owns yet."""
        if (ref.kind, ref.name) == (record.kind, record.name):
            return Parent.MISSING
        if record.parent in {Parent.MISSING, Parent.FINISHED}:
            return record.parent
        known = self._members.named(ref.kind, record.namespace, ref.name)
        if known is not None:
            return self._judged(record, ref, known.owned, finished=known.settled)
        self._find(record, ref)
        return Parent.LOOKED_UP

    def _judged(self, record: OwnedRecord, ref: ParentRef, parent: Owned | None, *, finished: bool) -> Parent:
        if parent is None or ref.uid not in {None, parent.metadata.uid}:
            return Parent.MISSING
        if finished:
            return Parent.FINISHED
        record.adopter = parent
        return Parent.FOUND

    def _find(self, record: OwnedRecord, ref: ParentRef) -> None:
        async def find() -> None:
            body = await self._persistently(lambda: self._cluster.get(RESOURCES[ref.kind], ref.name, record.namespace))
            parent = read(ref.kind, body) if body is not None else None
            finished = parent is not None and parent.status.phase.terminal
            record.parent = self._judged(record, ref, parent, finished=finished)
            self._changed(record)
            if not _is_open(record):
                self._look_below(record.uid)

        self._once(("find", record.uid), find)

    def _look_up(self, namespace: str, link: ParentLink) -> None:
        async def look_up() -> None:
            body = await self._persistently(lambda: self._cluster.get(RESOURCES[link.kind], link.name, namespace))
            below = list(self._tree.descendants(link.uid))
            if body is None or body["metadata"]["uid"] != link.uid:
                self._tree.gone(link.uid)
            else:
                action = read(link.kind, body)
                facts = Facts.of(action, action.status)
                self._tree.put(link.uid, facts, parent_link(action), live=not action.status.phase.terminal)
            self._look_at(below)

        self._once(("look up", link.uid), look_up)

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

    def _look_below(self, uid: str) -> None:
        self._look_at(list(self._tree.descendants(uid)))

    def _look_at(self, uids: list[str]) -> None:
        for uid in uids:
            if (record := self._members.get(uid)) is not None:
                if parent_link(record.owned) is not None:
                    record.parent = self._owned(record)
                self._changed(record)


def _is_open(record: OwnedRecord) -> bool:
    """Say whether an action waits to be adopted: by whom it can be aborted is not known before."""
    return record.parent in {Parent.LOOKED_UP, Parent.FOUND} and parent_link(record.owned) is None
