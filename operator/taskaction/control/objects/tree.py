"""Ownership of actions and runs by uid, and which abort reaches which object; facts without I/O.

An abort is a state and not an event: an action is aborted while it or any ancestor says so. Finished parents stay
in the tree while they have live children, because an abort passes through them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from taskaction.api.action_flow_run import ActionFlowRun, ActionFlowRunStatus
from taskaction.api.enums import ChildPolicy, ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Abort, TaskAction, TaskActionStatus
from taskaction.core.constants import ORPHAN_FINALIZER
from taskaction.lifecycle.state import AbortFact


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What one action or run means for its descendants."""

    name: str
    phase: Phase
    abort: Abort | None = None
    deleting: bool = False
    is_gone: bool = False
    orphans: bool = False
    finished_at: datetime | None = None
    child_policy: ChildPolicy = ChildPolicy.KEEP

    @staticmethod
    def from_object(action: TaskAction | ActionFlowRun, status: TaskActionStatus | ActionFlowRunStatus) -> "NodeFacts":
        """Return the facts of an object; children of a run end with the run."""
        policy = ChildPolicy.ABORT
        if isinstance(action, TaskAction):
            policy = action.spec.child_policy or ChildPolicy.KEEP
        return NodeFacts(
            name=action.metadata.name,
            phase=status.phase,
            finished_at=status.finished_at,
            abort=action.spec.abort,
            deleting=action.metadata.deletion_timestamp is not None,
            orphans=ORPHAN_FINALIZER in action.metadata.finalizers,
            child_policy=policy,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentLink:
    """Parent as an ownerReference names it."""

    uid: str
    name: str
    kind: ParentKind = ParentKind.TASK_ACTION


@dataclass(slots=True)
class _TreeNode:
    facts: NodeFacts | None  # None: known as a parent, not read yet
    live: bool
    name: str = ""
    kind: ParentKind = ParentKind.TASK_ACTION
    parent: str | None = None
    children: set[str] = field(default_factory=set)


class OwnerTree:
    """The known actions and runs as a forest."""

    def __init__(self) -> None:
        self._nodes: dict[str, _TreeNode] = {}

    def __len__(self) -> int:
        """Return the number of nodes, including finished parents of live children."""
        return len(self._nodes)

    def update_node(self, uid: str, facts: NodeFacts, parent: ParentLink | None, *, live: bool) -> bool:
        """Add or update an object; return whether its descendants must be reconciled."""
        node = self._nodes.get(uid)
        if node is None:
            node = self._nodes[uid] = _TreeNode(facts=None, live=live)
        if node.facts is not None and node.facts.orphans and facts.deleting:
            # The garbage collector removes the orphan finalizer after it freed the children: they stay free.
            facts = replace(facts, orphans=True)
        matters = bool(node.children) and node.facts != facts
        node.facts, node.live = facts, live
        if (parent.uid if parent is not None else None) != node.parent:
            self._set_parent(uid, node, parent)
        self._prune(uid)
        return matters

    def mark_deleted(self, uid: str) -> None:
        """Record that an object was deleted."""
        node = self._nodes.get(uid)
        if node is None:
            return
        before = node.facts or NodeFacts(name=node.name, phase=Phase.QUEUED)
        # A parent that was deleted with --cascade=orphan leaves its children alive.
        node.facts = replace(before, is_gone=True, deleting=True)
        node.live = False
        self._prune(uid)

    def has_facts(self, uid: str) -> bool:
        """Whether the object itself is known, and not only its children."""
        node = self._nodes.get(uid)
        return node is not None and node.facts is not None

    def get_facts(self, uid: str) -> NodeFacts | None:
        """Return what is known about an object."""
        node = self._nodes.get(uid)
        return node.facts if node is not None else None

    def parent_uid(self, uid: str) -> str | None:
        """Return the uid of the parent."""
        node = self._nodes.get(uid)
        return node.parent if node is not None else None

    def has_live_descendants(self, uid: str) -> bool:
        """Whether anything below the object is live."""
        return any(self._nodes[below].live for below in self.descendants(uid))

    def descendants(self, uid: str) -> Iterator[str]:
        """Iterate over everything below an object, nearest first."""
        seen = {uid}
        level = [uid]
        while level:
            found = [child for above in level for child in self._children(above) if child not in seen]
            seen.update(found)
            yield from found
            level = found

    def ancestors(self, uid: str) -> Iterator[str]:
        """Iterate over all known ancestors, nearest first."""
        seen = {uid}
        node = self._nodes.get(uid)
        while node is not None and node.parent is not None and node.parent not in seen:
            seen.add(node.parent)
            yield node.parent
            node = self._nodes.get(node.parent)

    def unknown_ancestor(self, uid: str) -> ParentLink | None:
        """Return the nearest ancestor that must be read first; None if all are known."""
        for above in self.ancestors(uid):
            node = self._nodes[above]
            if node.facts is None:
                return ParentLink(uid=above, name=node.name, kind=node.kind)
        return None

    def abort_fact(self, uid: str) -> AbortFact | None:
        """Return why the object must abort: its own reason first, then the nearest ancestor's."""
        node = self._nodes.get(uid)
        if node is None or node.facts is None:
            return None
        if (own := _own_abort(node.facts)) is not None:
            return own
        for above in self.ancestors(uid):
            facts = self._nodes[above].facts
            if facts is not None and (inherited := _inherited_abort(facts)) is not None:
                return inherited
        return None

    def _children(self, uid: str) -> set[str]:
        node = self._nodes.get(uid)
        return node.children if node is not None else set()

    def _set_parent(self, uid: str, node: _TreeNode, parent: ParentLink | None) -> None:
        before, node.parent = node.parent, parent.uid if parent is not None else None
        if before is not None and before in self._nodes:
            self._nodes[before].children.discard(uid)
            self._prune(before)
        if parent is not None:
            above = self._nodes.setdefault(
                parent.uid, _TreeNode(facts=None, live=False, name=parent.name, kind=parent.kind)
            )
            above.children.add(uid)

    def _prune(self, uid: str | None) -> None:
        """Remove a node that is neither live nor a parent, and then its parent if that applies to it too."""
        while uid is not None:
            node = self._nodes.get(uid)
            if node is None or node.live or node.children:
                return
            del self._nodes[uid]
            if node.parent is not None and node.parent in self._nodes:
                self._nodes[node.parent].children.discard(uid)
            uid = node.parent


def _own_abort(facts: NodeFacts) -> AbortFact | None:
    if facts.abort is not None:
        return AbortFact(reason=Reason.ABORTED, message=facts.abort.reason, by=facts.abort.by)
    if facts.deleting:
        return AbortFact(reason=Reason.DELETED, message="the object is deleted")
    return None


def _inherited_abort(facts: NodeFacts) -> AbortFact | None:
    let_go = facts.deleting and facts.orphans  # the end of the parent does not reach orphaned children
    if (facts.is_gone or facts.deleting) and not let_go:
        return AbortFact(reason=Reason.PARENT_DELETED, message=f"{facts.name} was deleted")
    if facts.abort is not None or (facts.phase is Phase.ABORTED and not let_go):
        why = f": {facts.abort.reason}" if facts.abort is not None and facts.abort.reason else ""
        by = facts.abort.by if facts.abort is not None else None
        return AbortFact(reason=Reason.PARENT_ABORTED, message=f"{facts.name} was aborted{why}", by=by)
    if facts.phase.is_terminal and facts.child_policy is ChildPolicy.ABORT:
        return AbortFact(reason=Reason.PARENT_COMPLETED, message=f"{facts.name} finished with childPolicy Abort")
    return None
