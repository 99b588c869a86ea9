"""E1, E2: a partition is served in the order of creation, around a pause of the operator and at its start."""

import signal
import time
from collections.abc import Iterator
from itertools import product

import pytest

from cluster.kubectl import Kubectl
from support.actions import Body, action, all_finished_and_free, create, is_finished, patch, wait_for_all
from support.operators import QUICK_LEASES, Operators
from support.trio import visits_by_key
from support.world import World, once

KEYS, EACH = 6, 8
SETTINGS = {
    **QUICK_LEASES,
    "TASKACTION_LEASE_DURATION": "12s",
    "TASKACTION_LEASE_RENEW_DEADLINE": "5s",
    "TASKACTION_WORKERS_COUNT": "16",
}
"""A pause of a few seconds makes every Lease overdue, and is too short for the watchdog."""
PAUSE_SECONDS = 6.5


@pytest.fixture
def world(operators: Operators) -> Iterator[World]:
    with World(seconds=0.02) as world:
        yield world
    operators.stop()


def partitioned(world: World, **spec: dict[str, str]) -> Iterator[Body]:
    """Give the actions in their order, in turn for each key."""
    for place, key in product(range(EACH), range(KEYS)):
        name = f"k{key}-{place}"
        yield action(name, "http", once(world.url, name), partitionKey=f"k{key}", **spec)


def assert_in_order(world: World) -> None:
    served = {key: [place for _, place in visits] for key, visits in visits_by_key(world).items()}
    assert served == {f"k{key}": list(range(EACH)) for key in range(KEYS)}


def test_e01_a_paused_operator_serves_what_was_created_meanwhile_in_order(
    kubectl: Kubectl, operators: Operators, world: World
) -> None:
    operator = operators.start(SETTINGS)
    operator.program.signal(signal.SIGSTOP)
    paused = time.monotonic()
    create(kubectl, partitioned(world))
    time.sleep(max(0.0, paused + PAUSE_SECONDS - time.monotonic()))  # the length of the pause is the case
    operator.program.signal(signal.SIGCONT)
    wait_for_all(kubectl, all_finished_and_free)
    assert_in_order(world)


def test_e02_actions_that_are_adopted_at_the_start_are_served_in_order(
    kubectl: Kubectl, operators: Operators, world: World
) -> None:
    create(kubectl, [action(f"parent-{key}", "approval", {"prompt": "?"}) for key in range(KEYS)])
    for key in range(KEYS):
        parent = {"kind": "TaskAction", "name": f"parent-{key}"}
        create(
            kubectl, [one for one in partitioned(world, parentRef=parent) if one["spec"]["partitionKey"] == f"k{key}"]
        )
    operators.start(SETTINGS)
    children = KEYS * EACH
    wait_for_all(kubectl, lambda found: sum(map(is_finished, found.values())) == children)
    assert_in_order(world)
    for key in range(KEYS):
        patch(kubectl, f"parent-{key}", {"abort": {"reason": "the test is over"}})
    wait_for_all(kubectl, all_finished_and_free)
