"""Aborting or deleting a parent ends a tree of 200 descendants, three levels deep, whatever happens meanwhile."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import (
    Body,
    action,
    all_finished,
    all_finished_and_free,
    create,
    get_all,
    is_finished,
    none_left,
    patch,
    phase,
    reason,
    wait_for_all,
)
from support.api import get_object
from support.operators import QUICK_LEASES, Operators
from support.world import World, job

CHILDREN, GRANDCHILDREN, LEAVES = 5, 3, 12  # below each other: 5 + 5*3 + 5*3*12 = 200
FEW_CHILDREN = 2  # 80 descendants
BELOW_A_CHILD = GRANDCHILDREN + GRANDCHILDREN * LEAVES
DESCENDANTS = CHILDREN * (1 + BELOW_A_CHILD)
FEW_DESCENDANTS = FEW_CHILDREN * (1 + BELOW_A_CHILD)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def world() -> Iterator[World]:
    with World(job_seconds=3600.0) as world:
        yield world


@pytest.fixture
def tree(operators: Operators, kubectl: Kubectl, world: World) -> Iterator[Operators]:
    """A parent with 200 descendants, all of them running outside."""
    with running(operators, kubectl, world, manifests(world)):
        yield operators


@pytest.fixture
def smaller_tree(operators: Operators, kubectl: Kubectl, world: World) -> Iterator[Operators]:
    """The parent with two of its children, and what is below those, for what concerns the order of events."""
    with running(operators, kubectl, world, manifests(world, children=FEW_CHILDREN)):
        yield operators


@pytest.fixture
def branch(operators: Operators, kubectl: Kubectl, world: World) -> Iterator[None]:
    """The parent with one of its children, and what is below that, for what concerns a single descendant."""
    with running(operators, kubectl, world, manifests(world, children=1)):
        yield


@contextmanager
def running(operators: Operators, kubectl: Kubectl, world: World, items: list[Body]) -> Iterator[None]:
    operators.start(QUICK_LEASES)
    create(kubectl, items)
    wait_until(lambda: len(world.jobs) == len(items), timeout=90, what="all jobs to run")
    yield
    operators.stop()


def manifests(world: World, children: int = CHILDREN) -> list[Body]:
    names = {"root": None}
    for child in range(children):
        names[f"c{child}"] = "root"
        for grandchild in range(GRANDCHILDREN):
            names[f"c{child}-g{grandchild}"] = f"c{child}"
            for leaf in range(LEAVES):
                names[f"c{child}-g{grandchild}-l{leaf}"] = f"c{child}-g{grandchild}"
    return [described(name, parent, world) for name, parent in names.items()]


def described(name: str, parent: str | None, world: World) -> Body:
    family = {} if parent is None else {"parentRef": {"kind": "TaskAction", "name": parent}}
    return action(name, "http", job(world.url, name), **family)


def wait_until_all_are_told(kubectl: Kubectl, world: World) -> None:
    """Return when no job runs any more."""
    try:
        wait_until(lambda: not set(world.jobs) - set(world.cancelled), timeout=60, what="all executors to be told")
    except ClusterError as error:
        missing, found = set(world.jobs) - set(world.cancelled), get_all(kubectl)
        states = {name: found[name]["status"] if name in found else "gone" for name in missing}
        raise AssertionError(f"still running: {json.dumps(states, indent=1)[:4000]}") from error


def test_aborting_the_parent_aborts_everything_below_and_keeps_the_record(
    tree: Operators, kubectl: Kubectl, world: World
) -> None:
    patch(kubectl, "root", {"abort": {"reason": "wrong version"}})
    wait_until_all_are_told(kubectl, world)
    found = wait_for_all(kubectl, all_finished_and_free)
    assert len(found) == DESCENDANTS + 1
    assert {phase(item) for item in found.values()} == {"Aborted"}
    assert reason(found.pop("root")) == "Aborted"
    assert {reason(item) for item in found.values()} == {"ParentAborted"}


def test_deleting_the_parent_removes_everything_below(tree: Operators, kubectl: Kubectl, world: World) -> None:
    kubectl("delete", "ta", "root", "--wait=false")
    wait_until_all_are_told(kubectl, world)
    wait_for_all(kubectl, none_left, seconds=120)


def test_a_parent_deleted_while_no_operator_runs_is_followed_when_one_is_back(
    smaller_tree: Operators, kubectl: Kubectl, world: World
) -> None:
    smaller_tree.stop()
    kubectl("delete", "ta", "root", "--wait=false")
    assert not world.cancelled
    smaller_tree.start(QUICK_LEASES)
    wait_until_all_are_told(kubectl, world)
    wait_for_all(kubectl, none_left, seconds=120)


@pytest.mark.parametrize("how", ["abort", "delete"])
def test_a_crash_in_the_middle_of_an_abort_leaves_nothing_running(
    tree: Operators, kubectl: Kubectl, world: World, how: str
) -> None:
    if how == "abort":
        patch(kubectl, "root", {"abort": {"reason": "crash"}})
    else:
        kubectl("delete", "ta", "root", "--wait=false")
    wait_until(lambda: len(world.cancelled) >= DESCENDANTS // 4, timeout=60, what="a quarter to be told")
    tree.kill()
    tree.start(QUICK_LEASES)
    wait_until_all_are_told(kubectl, world)
    if how == "abort":
        found = wait_for_all(kubectl, all_finished_and_free)
        assert {phase(item) for item in found.values()} == {"Aborted"}
    else:
        wait_for_all(kubectl, none_left, seconds=120)


@pytest.mark.usefixtures("smaller_tree")
def test_a_child_that_is_created_after_the_abort_never_starts(kubectl: Kubectl, world: World) -> None:
    patch(kubectl, "root", {"abort": {"reason": "late"}})
    create(kubectl, [described(name, parent, world) for name, parent in LATE.items()])
    found = wait_for_all(kubectl, all_finished)
    assert len(found) == FEW_DESCENDANTS + 1 + len(LATE)
    late = {name: (phase(found[name]), reason(found[name])) for name in LATE}
    assert set(late.values()) <= {("Aborted", "ParentAborted"), ("Failed", "ParentFinished")}
    assert not set(LATE) & set(world.jobs), late
    wait_until_all_are_told(kubectl, world)


LATE = {"late-child": "root", "late-grandchild": "c0", "late-leaf": "c1-g1-l1", "late-below-late": "late-child"}


@pytest.mark.usefixtures("smaller_tree")
def test_a_child_that_is_created_after_the_deletion_goes_with_the_rest(kubectl: Kubectl, world: World) -> None:
    kubectl("delete", "ta", "root", "--wait=false")
    create(kubectl, [described(name, parent, world) for name, parent in LATE.items()])
    wait_until_all_are_told(kubectl, world)

    def only_late_ones_that_failed(found: dict[str, Body]) -> bool:
        return set(found) <= set(LATE) and all(is_finished(item) for item in found.values())

    left = wait_for_all(kubectl, only_late_ones_that_failed, seconds=120)
    assert not set(LATE) & set(world.jobs)
    assert {reason(item) for item in left.values()} <= {
        "ParentNotFound",
        "ParentFinished",
        "ParentDeleted",
        "ParentAborted",
    }


@pytest.mark.usefixtures("branch")
def test_children_that_are_orphaned_go_on(kubectl: Kubectl, world: World) -> None:
    kubectl("delete", "ta", "c0-g0", "--cascade=orphan", "--wait=false")
    wait_until(lambda: "c0-g0" in world.cancelled, timeout=30, what="the deleted one to be cancelled")
    wait_until(lambda: "c0-g0" not in get_all(kubectl), timeout=60, what="the deleted one to go")
    time.sleep(1.0)  # long enough for an abort to spread, as the other tests show
    assert set(world.cancelled) == {"c0-g0"}
    assert {phase(item) for item in get_all(kubectl).values()} == {"Running"}


def test_deleting_the_namespace_cancels_everything_and_lets_it_go(
    tree: Operators, kubectl: Kubectl, world: World
) -> None:
    kubectl("delete", "namespace", str(kubectl.namespace), "--wait=false")
    wait_until_all_are_told(kubectl, world)
    try:
        wait_for_all(kubectl, none_left, seconds=60)
    except AssertionError as error:
        raise AssertionError(kubectl("get", "ta", "-o", "yaml")) from error


@pytest.mark.usefixtures("branch")
def test_the_parent_reference_becomes_an_owner_reference(kubectl: Kubectl) -> None:
    found = get_object(kubectl, "ta", "c0-g0-l0")
    [owner] = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("TaskAction", "c0-g0")
    assert not owner.get("controller")
    assert not owner.get("blockOwnerDeletion")
