"""Ownership of actions and runs by uid, and which abort reaches which object; facts without I/O.

An abort is a state and not an event: an action is aborted while it or any ancestor says so. Finished parents stay
in the tree while they have live children, because an abort passes through them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from taskaction.api.action_flow_run import ActionFlowRun, ActionFlowRunStatus
from taskaction.api.enums import TERMINAL_PHASES, ChildPolicy, ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Abort, TaskAction, TaskActionStatus
from taskaction.core.constants import ORPHAN_FINALIZER
from taskaction.lifecycle.state import AbortFact

_ABORTS_CHILDREN = {
    ChildPolicy.KEEP: frozenset[Phase](),
    ChildPolicy.ABORT: TERMINAL_PHASES,
    ChildPolicy.ABORT_ON_FAILURE: TERMINAL_PHASES - {Phase.SUCCEEDED},
}
"""The phases in which the end of a parent also ends its children."""


class ParentLink(NamedTuple):
    """Parent as an ownerReference names it, in the namespace of its child."""

    uid: str
    name: str
    kind: ParentKind = ParentKind.TASK_ACTION
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What one action or run means for its descendants."""

    name: str
    phase: Phase
    kind: ParentKind = ParentKind.TASK_ACTION
    namespace: str = ""
    abort: Abort | None = None
    deleting: bool = False
    is_gone: bool = False
    orphans: bool = False
    finished_at: datetime | None = None
    child_policy: ChildPolicy = ChildPolicy.KEEP

    @staticmethod
    def from_object(action: TaskAction | ActionFlowRun, status: TaskActionStatus | ActionFlowRunStatus) -> "NodeFacts":
        """Return the facts of an object; children of a run end with the run."""
        policy, kind = ChildPolicy.ABORT, ParentKind.ACTION_FLOW_RUN
        if isinstance(action, TaskAction):
            policy, kind = action.spec.child_policy or ChildPolicy.KEEP, ParentKind.TASK_ACTION
        return NodeFacts(
            name=action.metadata.name,
            namespace=action.metadata.namespace,
            kind=kind,
            phase=status.phase,
            finished_at=status.finished_at,
            abort=action.spec.abort,
            deleting=action.metadata.deletion_timestamp is not None,
            orphans=ORPHAN_FINALIZER in action.metadata.finalizers,
            child_policy=policy,
        )

    def link(self, uid: str) -> ParentLink:
        """Return the link by which children name the object with this uid."""
        return ParentLink(uid=uid, name=self.name, kind=self.kind, namespace=self.namespace)


@dataclass(slots=True)
class _TreeNode:
    facts: NodeFacts | None  # None: known as a parent, not read yet
    live: bool
    parent: ParentLink | None = None
    children: set[ParentLink] | None = None  # most actions have none: saves the memory of empty sets

    def add_child(self, link: ParentLink) -> None:
        if self.children is None:
            self.children = set()
        self.children.add(link)

    def remove_child(self, link: ParentLink) -> None:
        if self.children is not None:
            self.children.discard(link)


class OwnerTree:
    """The known actions and runs as a forest.

    Anybody can write any uid into an ownerReference. So a node is not known by its uid alone: a link that names another
    namespace, kind or name than the object with this uid has leads to a node of its own, which has no object.
    """

    def __init__(self) -> None:
        self._nodes: dict[ParentLink, _TreeNode] = {}
        self._links: dict[str, ParentLink] = {}
        """The objects by uid; only the object itself sets its entry."""

    def __len__(self) -> int:
        """Return the number of nodes, including finished parents of live children."""
        return len(self._nodes)

    def update_node(self, uid: str, facts: NodeFacts, parent: ParentLink | None, *, live: bool) -> bool:
        """Add or update an object; return whether its descendants must be reconciled."""
        own = self._links[uid] = facts.link(uid)
        node = self._nodes.setdefault(own, _TreeNode(facts=None, live=live))
        if node.facts is not None and node.facts.orphans and facts.deleting:
            # The garbage collector removes the orphan finalizer after it freed the children: they stay free.
            facts = replace(facts, orphans=True)
        matters = bool(node.children) and node.facts != facts
        node.facts, node.live = facts, live
        if parent != node.parent:
            self._set_parent(own, node, parent)
        self._prune(own)
        return matters

    def mark_deleted(self, uid: str) -> None:
        """Record that an object was deleted."""
        if (own := self._links.get(uid)) is not None:
            self.mark_missing(own)

    def mark_missing(self, link: ParentLink) -> None:
        """Record that a link leads to no object, or to one that was deleted."""
        node = self._nodes.get(link)
        if node is None:
            return
        before = node.facts or NodeFacts(name=link.name, namespace=link.namespace, kind=link.kind, phase=Phase.QUEUED)
        # A parent that was deleted with --cascade=orphan leaves its children alive.
        node.facts = replace(before, is_gone=True, deleting=True)
        node.live = False
        self._prune(link)

    def is_named(self, link: ParentLink) -> bool:
        """Whether an object is known, or a known object names it as its parent."""
        return link in self._nodes

    def has_facts(self, uid: str) -> bool:
        """Whether the object itself is known, and not only its children."""
        return self.get_facts(uid) is not None

    def get_facts(self, uid: str) -> NodeFacts | None:
        """Return what is known about an object."""
        node = self._node(uid)
        return node.facts if node is not None else None

    def parent_facts(self, uid: str) -> NodeFacts | None:
        """Return what is known about the parent of an object."""
        node = self._node(uid)
        above = self._nodes.get(node.parent) if node is not None and node.parent is not None else None
        return above.facts if above is not None else None

    def has_live_descendants(self, uid: str) -> bool:
        """Whether anything below the object is live."""
        own = self._links.get(uid)
        return own is not None and any(self._nodes[below].live for below in self._below(own))

    def descendants(self, uid: str) -> Iterator[str]:
        """Iterate over everything below an object, nearest first."""
        own = self._links.get(uid)
        return iter(()) if own is None else self.descendants_of(own)

    def descendants_of(self, link: ParentLink) -> Iterator[str]:
        """Iterate over everything below what a link names, nearest first."""
        return (below.uid for below in self._below(link))

    def ancestors(self, uid: str) -> Iterator[str]:
        """Iterate over all ancestors that are known objects, nearest first."""
        own = self._links.get(uid)
        above = self._above(own) if own is not None else iter(())
        return (link.uid for link in above if self._links.get(link.uid) == link)

    def unknown_ancestor(self, uid: str) -> ParentLink | None:
        """Return the nearest ancestor that must be read first; None if all are known."""
        own = self._links.get(uid)
        above = self._above(own) if own is not None else iter(())
        return next((link for link in above if self._nodes[link].facts is None), None)

    def abort_fact(self, uid: str) -> AbortFact | None:
        """Return why the object must abort: its own reason first, then the nearest ancestor's."""
        own, facts = self._links.get(uid), self.get_facts(uid)
        if own is None or facts is None:
            return None
        if (fact := _own_abort(facts)) is not None:
            return fact
        for above in self._above(own):
            facts = self._nodes[above].facts
            if facts is not None and (inherited := _inherited_abort(facts)) is not None:
                return inherited
        return None

    def _node(self, uid: str) -> _TreeNode | None:
        own = self._links.get(uid)
        return self._nodes.get(own) if own is not None else None

    def _above(self, link: ParentLink) -> Iterator[ParentLink]:
        seen = {link}
        node = self._nodes.get(link)
        while node is not None and node.parent is not None and node.parent not in seen:
            seen.add(node.parent)
            yield node.parent
            node = self._nodes.get(node.parent)

    def _below(self, link: ParentLink) -> Iterator[ParentLink]:
        seen = {link}
        level = [link]
        while level:
            found = [child for above in level for child in self._children(above) if child not in seen]
            seen.update(found)
            yield from found
            level = found

    def _children(self, link: ParentLink) -> set[ParentLink]:
        node = self._nodes.get(link)
        return (node.children if node is not None else None) or set()

    def _set_parent(self, own: ParentLink, node: _TreeNode, parent: ParentLink | None) -> None:
        before, node.parent = node.parent, parent
        if before is not None and before in self._nodes:
            self._nodes[before].remove_child(own)
            self._prune(before)
        if parent is not None:
            self._nodes.setdefault(parent, _TreeNode(facts=None, live=False)).add_child(own)

    def _prune(self, link: ParentLink | None) -> None:
        """Remove a node that is neither live nor a parent, and then its parent if that applies to it too."""
        while link is not None:
            node = self._nodes.get(link)
            if node is None or node.live or node.children:
                return
            del self._nodes[link]
            if self._links.get(link.uid) == link:
                del self._links[link.uid]
            if node.parent is not None and node.parent in self._nodes:
                self._nodes[node.parent].remove_child(link)
            link = node.parent


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
    if facts.phase in _ABORTS_CHILDREN[facts.child_policy]:
        message = f"{facts.name} finished as {facts.phase} with childPolicy {facts.child_policy}"
        return AbortFact(reason=Reason.PARENT_COMPLETED, message=message)
    return None
