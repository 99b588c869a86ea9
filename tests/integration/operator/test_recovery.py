"""The operator is killed at any moment: every action still ends, and none is executed twice that promised not to be."""

import random
import time
from collections.abc import Iterator

import pytest

from cluster.kubectl import Kubectl
from support.actions import Body, action, all_finished_and_free, create, phase, reason, wait_for_all
from support.operators import QUICK_LEASES, Operators
from support.world import World, job, keyed, once

KILLS = 20
ACTIONS = 300
SETTINGS = {**QUICK_LEASES, "TASKACTION_WORKERS_COUNT": "16"}


@pytest.fixture
def world() -> Iterator[World]:
    with World(seconds=0.3, job_seconds=1.0) as world:
        yield world


@pytest.mark.endurance
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_repeated_when_the_operator_is_killed_20_times(
    operators: Operators, kubectl: Kubectl, world: World
) -> None:
    luck = random.Random(7)
    operators.start(SETTINGS)
    create(kubectl, manifests(world, ACTIONS))
    for _ in range(KILLS):
        time.sleep(luck.uniform(0.05, 1.0))  # the moment of the crash is the case, not a wait
        operators.kill()
        operators.start(SETTINGS)
    found = wait_for_all(kubectl, all_finished_and_free, seconds=300)
    assert len(found) == ACTIONS
    for name, item in found.items():
        assert_kept_its_promise(name, item, world)
    assert {phase(item) for name, item in found.items() if not name.startswith("once")} == {"Succeeded"}


def manifests(world: World, count: int) -> list[Body]:
    """A third each: idempotent, not idempotent, and with an effect outside that goes on."""
    kinds = {"keyed": keyed, "once": once, "job": job}
    names = [f"{kind}-{number}" for number in range(count // 3) for kind in kinds]
    return [action(name, "http", kinds[name.partition("-")[0]](world.url, name)) for name in names]


def assert_kept_its_promise(name: str, item: Body, world: World) -> None:
    kind = name.partition("-")[0]
    effects = world.effects[f"{'jobs' if kind == 'job' else kind}/{name}"]
    if kind == "once":
        assert effects <= 1, name
        assert effects == 1 or phase(item) == "Failed", name  # a success without the effect would be a lie
        if phase(item) == "Failed":
            assert reason(item) == "Interrupted", name
    else:
        assert effects == 1, name
    assert item["status"]["attempt"] == 1, name
