"""Ancestry: which abort reaches whom, who stays known for how long, and what nobody can say yet."""

from dataclasses import replace

import pytest

from taskaction.api.enums import ChildPolicy, ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Abort
from taskaction.control.objects.tree import NodeFacts, OwnerTree, ParentLink
from taskaction.testing.clock import START

RUNNING = NodeFacts(name="", phase=Phase.RUNNING)
ABORT = Abort(reason="no longer wanted", by="ada")


def facts(name: str, **changes) -> NodeFacts:
    return replace(RUNNING, name=name, **changes)


def link(parent: str | None) -> ParentLink | None:
    return ParentLink(uid=parent, name=parent) if parent is not None else None


def grow(tree: OwnerTree, name: str, parent: str | None = None, *, live: bool = True, **changes) -> bool:
    return tree.update_node(name, facts(name, **changes), link(parent), live=live)


@pytest.fixture
def family() -> OwnerTree:
    """Give a grandparent, a parent, two children, and a stranger."""
    tree = OwnerTree()
    grow(tree, "grand")
    grow(tree, "parent", "grand")
    grow(tree, "ann", "parent")
    grow(tree, "bob", "parent")
    grow(tree, "stranger")
    return tree


def reasons(tree: OwnerTree, *names: str) -> list[Reason | None]:
    return [fact.reason if (fact := tree.abort_fact(name)) is not None else None for name in names]


FAMILY = ("grand", "parent", "ann", "stranger")
ENDS = [
    pytest.param({}, None, None, id="it runs"),
    pytest.param({"abort": ABORT}, Reason.ABORTED, Reason.PARENT_ABORTED, id="it is to be aborted"),
    pytest.param({"deleting": True}, Reason.DELETED, Reason.PARENT_DELETED, id="it is being deleted"),
    pytest.param({"deleting": True, "orphans": True}, Reason.DELETED, None, id="it is deleted without its children"),
    pytest.param({"phase": Phase.ABORTED}, None, Reason.PARENT_ABORTED, id="it was aborted"),
    pytest.param({"phase": Phase.FAILED}, None, None, id="it failed"),
    pytest.param({"phase": Phase.SUCCEEDED}, None, None, id="it succeeded"),
    pytest.param(
        {"phase": Phase.SUCCEEDED, "child_policy": ChildPolicy.ABORT},
        None,
        Reason.PARENT_COMPLETED,
        id="it succeeded and lets no child survive it",
    ),
    *(
        pytest.param(
            {"phase": phase, "child_policy": ChildPolicy.ABORT_ON_FAILURE},
            None,
            below,
            id=f"f07 {phase}, abort on failure",
        )
        for phase, below in (
            (Phase.SUCCEEDED, None),
            (Phase.FAILED, Reason.PARENT_COMPLETED),
            (Phase.TIMED_OUT, Reason.PARENT_COMPLETED),
        )
    ),
    pytest.param({"child_policy": ChildPolicy.ABORT}, None, None, id="it runs and will let no child survive it"),
]


@pytest.mark.parametrize(("changes", "own", "below"), ENDS)
def test_what_an_action_says_decides_for_itself_and_for_all_below(family, changes, own, below) -> None:
    grow(family, "grand", **changes)

    assert reasons(family, *FAMILY) == [own, below, below, None]


def test_an_abort_never_reaches_upwards_or_sideways(family) -> None:
    grow(family, "ann", "parent", abort=ABORT)

    assert reasons(family, "grand", "parent", "ann", "bob") == [None, None, Reason.ABORTED, None]


def test_an_inherited_abort_tells_whose_it_is_and_why(family) -> None:
    grow(family, "grand", abort=ABORT)
    fact = family.abort_fact("ann")

    assert fact is not None
    assert (fact.message, fact.by) == ("grand was aborted: no longer wanted", "ada")


def test_the_own_abort_goes_before_the_ancestors_and_the_nearest_ancestor_before_the_others(family) -> None:
    grow(family, "grand", abort=ABORT)
    grow(family, "parent", "grand", deleting=True)
    grow(family, "bob", "parent", abort=ABORT)

    assert reasons(family, "ann", "bob") == [Reason.PARENT_DELETED, Reason.ABORTED]


def test_an_abort_reaches_through_finished_generations(family) -> None:
    grow(family, "parent", "grand", live=False, phase=Phase.SUCCEEDED)
    grow(family, "grand", abort=ABORT)

    assert reasons(family, "ann", "bob") == [Reason.PARENT_ABORTED] * 2


def test_a_child_that_comes_late_is_aborted_all_the_same(family) -> None:
    grow(family, "parent", "grand", abort=ABORT)
    grow(family, "late", "parent")

    assert reasons(family, "late") == [Reason.PARENT_ABORTED]


def test_a_vanished_parent_ends_its_descendants_even_if_nobody_saw_it_being_deleted(family) -> None:
    family.mark_deleted("grand")

    assert reasons(family, "parent", "ann", "stranger") == [Reason.PARENT_DELETED, Reason.PARENT_DELETED, None]


def test_a_parent_that_is_deleted_with_orphan_lets_its_children_live_until_after_it_has_gone(family) -> None:
    grow(family, "parent", "grand", deleting=True, orphans=True)
    grow(family, "parent", "grand", deleting=True)  # the garbage collector has taken its finalizer away
    assert reasons(family, "ann") == [None]

    grow(family, "parent", "grand", deleting=True, phase=Phase.ABORTED, live=False)
    assert reasons(family, "ann") == [None], "its own end is nobody else's"

    family.mark_deleted("parent")
    assert reasons(family, "ann") == [None]


def test_an_orphaned_child_hears_no_more_of_its_former_parent(family) -> None:
    grow(family, "ann", None)
    grow(family, "parent", "grand", abort=ABORT)

    assert reasons(family, "ann", "bob") == [None, Reason.PARENT_ABORTED]
    assert family.parent_facts("ann") is None


def test_a_child_that_changes_hands_follows_its_new_parent(family) -> None:
    grow(family, "ann", "stranger")
    grow(family, "stranger", abort=ABORT)

    assert reasons(family, "ann", "bob") == [Reason.PARENT_ABORTED, None]


def test_only_a_change_that_matters_below_asks_for_a_look_below(family) -> None:
    assert not grow(family, "parent", "grand"), "nothing has changed"
    assert not grow(family, "bob", "parent", abort=ABORT), "it has no children"
    assert grow(family, "parent", "grand", abort=ABORT)


def test_an_ancestor_that_is_only_heard_of_must_be_looked_up() -> None:
    tree = OwnerTree()
    grow(tree, "ann", "parent")
    assert tree.unknown_ancestor("ann") == link("parent")
    assert not tree.has_facts("parent")

    grow(tree, "parent", "grand", live=False)
    assert tree.unknown_ancestor("ann") == link("grand"), "what is above a finished parent counts as well"

    grow(tree, "grand", live=False)
    assert tree.unknown_ancestor("ann") is None


def test_an_ancestor_that_cannot_be_found_was_deleted() -> None:
    tree = OwnerTree()
    grow(tree, "ann", "parent")
    tree.mark_missing(ParentLink(uid="parent", name="parent"))
    fact = tree.abort_fact("ann")

    assert tree.unknown_ancestor("ann") is None
    assert fact is not None
    assert (fact.reason, fact.message) == (Reason.PARENT_DELETED, "parent was deleted")


def test_descendants_come_nearest_first(family) -> None:
    grow(family, "baby", "ann")

    assert [set(family.descendants(name)) for name in ("ann", "baby")] == [{"baby"}, set()]
    first, *children, last = family.descendants("grand")
    assert (first, set(children), last) == ("parent", {"ann", "bob"}, "baby")


def test_finished_children_are_no_live_descendants(family) -> None:
    grow(family, "ann", "parent", live=False, phase=Phase.SUCCEEDED)
    assert family.has_live_descendants("parent")

    grow(family, "bob", "parent", live=False, phase=Phase.SUCCEEDED)
    assert not family.has_live_descendants("parent")
    assert family.has_live_descendants("grand"), "the parent itself is alive"


def test_finished_parents_stay_as_long_as_they_have_live_children(family) -> None:
    for name, parent in (("grand", None), ("parent", "grand"), ("ann", "parent"), ("stranger", None)):
        grow(family, name, parent, live=False, phase=Phase.SUCCEEDED, finished_at=START)
    assert [family.has_facts(name) for name in (*FAMILY, "bob")] == [True, True, False, False, True]

    family.mark_deleted("bob")
    assert len(family) == 0


def test_actions_that_claim_to_own_each_other_hang_nothing() -> None:
    tree = OwnerTree()
    grow(tree, "a", "b")
    grow(tree, "b", "a", abort=ABORT)

    assert reasons(tree, "a", "b") == [Reason.PARENT_ABORTED, Reason.ABORTED]
    assert list(tree.descendants("a")) == ["b"]
    assert tree.unknown_ancestor("a") is None


def test_what_was_never_heard_of_has_no_facts() -> None:
    tree = OwnerTree()
    tree.mark_deleted("nobody")

    assert tree.abort_fact("nobody") is None
    assert tree.get_facts("nobody") is None
    assert tree.unknown_ancestor("nobody") is None
    assert list(tree.descendants("nobody")) == []
    assert len(tree) == 0


def test_a_parent_that_was_only_heard_of_is_forgotten_when_its_last_child_leaves_it() -> None:
    tree = OwnerTree()
    grow(tree, "ann", "parent")
    grow(tree, "ann", None)

    assert len(tree) == 1


FORGED = {
    "of another namespace": {"namespace": "elsewhere"},
    "by another name": {"name": "other"},
    "by another kind": {"kind": ParentKind.ACTION_FLOW_RUN},
}


@pytest.mark.parametrize("first", [True, False], ids=["before the parent is known", "when the parent is known"])
@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_link_that_names_the_uid_of_another_object_does_not_reach_it(change: dict, *, first: bool) -> None:
    tree = OwnerTree()
    forged = ParentLink(uid="parent", name="parent")._replace(**change)

    def forge() -> None:
        tree.update_node("thief", facts("thief"), forged, live=True)

    if first:
        forge()
    grow(tree, "parent", live=False)
    grow(tree, "ann", "parent")
    grow(tree, "parent", live=False)
    if not first:
        forge()
    assert tree.unknown_ancestor("thief") == forged
    tree.mark_missing(forged)
    assert reasons(tree, "thief", "parent", "ann") == [Reason.PARENT_DELETED, None, None]
    assert list(tree.descendants("parent")) == ["ann"]
    assert list(tree.ancestors("thief")) == []
    tree.update_node("thief", facts("thief", phase=Phase.ABORTED), forged, live=False)
    assert len(tree) == 2
