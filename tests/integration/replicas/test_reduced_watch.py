"""Replicas on a real API server that leave out each other's actions, and take over what they had left out."""

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions import action, all_finished, create, get, patch, phase, wait_for, wait_for_all, wait_for_phase
from support.operators import Operators, metric
from support.trio import start_replicas

WATCHED = 30


@pytest.fixture(scope="module")
def trio(operators: Operators) -> list[Operator]:
    return start_replicas(operators)


def wait_until_reduced(replicas: list[Operator]) -> None:
    """Return when each leaves out what only the others need."""
    for one in replicas:
        wait_until(lambda replica=one: metric(replica, "watch_reduced") == 1, timeout=20, what="a reduced watch")


def seen(replicas: list[Operator]) -> float:
    """Give how many actions the replicas have seen, each counted by each that saw it."""
    return sum(metric(one, "actions_seen_total") for one in replicas)


def test_an_action_is_seen_by_its_owner_only(trio: list[Operator], kubectl: Kubectl) -> None:
    wait_until_reduced(trio)
    before = [seen([one]) for one in trio]
    create(kubectl, [action(f"only-{number}") for number in range(WATCHED)])
    wait_for_all(kubectl, all_finished)
    each = [seen([one]) - count for one, count in zip(trio, before, strict=True)]
    assert (min(each) > 0, sum(each)) == (True, WATCHED)


def test_an_abort_reaches_the_children_that_others_own(trio: list[Operator], kubectl: Kubectl) -> None:
    children = [f"child-{number}" for number in range(9)]
    create(kubectl, [action("above", "approval", {"prompt": "?"})])
    parent = {"kind": "TaskAction", "name": "above"}
    create(kubectl, [action(name, "approval", {"prompt": "?"}, parentRef=parent) for name in children])
    for name in children:
        wait_for_phase(kubectl, name, "Paused")
    patch(kubectl, "above", {"abort": {"reason": "over"}})
    ended = [wait_for(kubectl, name) for name in children]
    assert {phase(item) for item in ended} == {"Aborted"}
    assert len({item["status"]["claim"]["holder"] for item in ended}) > 1


def test_who_takes_over_finishes_what_it_had_left_out(
    trio: list[Operator], operators: Operators, kubectl: Kubectl
) -> None:
    names = [f"left-{number}" for number in range(WATCHED)]
    create(kubectl, [action(name, suspend=True) for name in names])
    wait_until(
        lambda: sum(metric(one, "actions_live") for one in trio) >= WATCHED, timeout=10, what="the actions to be known"
    )
    dead, *living = trio
    operators.running.remove(dead)
    dead.program.end()
    wait_until(lambda: sum(metric(one, "shards_held") for one in living) == 6, timeout=30, what="all shards")
    assert sum(metric(one, "actions_live") for one in living) >= WATCHED
    for name in names:
        patch(kubectl, name, {"suspend": False})
    for name in names:
        wait_for_phase(kubectl, name, "Succeeded")
    assert get(kubectl, names[0])["status"]["attempt"] == 1
