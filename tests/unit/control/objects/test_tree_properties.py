"""The tree says the same of the same objects, whatever the order in which it hears of them, and forgets the rest."""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.api.enums import ChildPolicy, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Abort
from taskaction.control.objects.tree import NodeFacts, OwnerTree, ParentLink


@dataclass(frozen=True)
class Thing:
    """One object as the API server has it; ``parent`` is an earlier one's number."""

    number: int
    parent: int | None
    facts: NodeFacts
    exists: bool = True

    @property
    def uid(self) -> str:
        return f"u{self.number}"

    @property
    def link(self) -> ParentLink | None:
        return ParentLink(uid=f"u{self.parent}", name=f"n{self.parent}") if self.parent is not None else None


@st.composite
def forests(draw) -> list[Thing]:
    def thing(number: int) -> Thing:
        facts = NodeFacts(
            name=f"n{number}",
            phase=draw(st.sampled_from([Phase.RUNNING, Phase.RUNNING, Phase.SUCCEEDED, Phase.ABORTED])),
            abort=draw(st.sampled_from([None, None, None, Abort(reason="enough")])),
            deleting=draw(st.sampled_from([False, False, False, True])),
            child_policy=draw(st.sampled_from(list(ChildPolicy))),
        )
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        return Thing(number, parent, facts, exists=draw(st.sampled_from([True, True, True, False])))

    return [thing(number) for number in range(draw(st.integers(1, 9)))]


def put(tree: OwnerTree, thing: Thing) -> None:
    tree.update_node(thing.uid, thing.facts, thing.link, live=not thing.facts.phase.is_terminal)


def look_up(tree: OwnerTree, things: list[Thing]) -> None:
    """Do what the family does: ask the API server for what is only heard of."""
    for thing in things:
        while (link := tree.unknown_ancestor(thing.uid)) is not None:
            found = things[int(link.uid[1:])]
            if found.exists:
                put(tree, found)
            else:
                tree.mark_missing(link)


def expected(things: list[Thing], thing: Thing) -> Reason | None:
    """Give the reason as the design has it, from the objects alone; what is above a missing object is unknown."""
    if thing.facts.abort is not None:
        return Reason.ABORTED
    if thing.facts.deleting:
        return Reason.DELETED
    while thing.parent is not None:
        thing = things[thing.parent]
        if not thing.exists or thing.facts.deleting:
            return Reason.PARENT_DELETED
        if thing.facts.abort is not None or thing.facts.phase is Phase.ABORTED:
            return Reason.PARENT_ABORTED
        if thing.facts.phase.is_terminal and thing.facts.child_policy is ChildPolicy.ABORT:
            return Reason.PARENT_COMPLETED
    return None


@settings(max_examples=200, deadline=None)
@given(data=st.data(), things=forests())
def test_the_facts_of_a_live_action_do_not_depend_on_the_order_of_arrival(data, things) -> None:
    tree = OwnerTree()
    seen = data.draw(st.lists(st.sampled_from(things), max_size=5)) + data.draw(st.permutations(things))
    for thing in seen:
        early = replace(thing, facts=replace(thing.facts, abort=None, phase=Phase.RUNNING))
        put(tree, early if data.draw(st.booleans()) else thing)
    vanished = data.draw(st.permutations([thing for thing in things if not thing.exists]))
    for thing in data.draw(st.permutations([thing for thing in things if thing.exists])):
        put(tree, thing)
    for thing in vanished:
        tree.mark_deleted(thing.uid)
    look_up(tree, things)

    for thing in things:
        if thing.exists and not thing.facts.phase.is_terminal:
            fact = tree.abort_fact(thing.uid)
            assert (fact.reason if fact is not None else None) is expected(things, thing), thing.uid


@settings(max_examples=100, deadline=None)
@given(data=st.data(), things=forests())
def test_nothing_is_left_when_everything_has_ended_in_whatever_order(data, things) -> None:
    tree = OwnerTree()
    for thing in data.draw(st.permutations(things)):
        put(tree, thing)
    for thing in data.draw(st.permutations(things)):
        if data.draw(st.booleans()):
            tree.mark_deleted(thing.uid)
        else:
            tree.update_node(thing.uid, replace(thing.facts, phase=Phase.SUCCEEDED), thing.link, live=False)

    assert len(tree) == 0
