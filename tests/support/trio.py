"""Replicas under load, and what must be true of everything they have done, by the world's own account."""

import json
from itertools import pairwise

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions import Body, action, all_finished_and_free, create, phase, reason, wait_for_all
from support.operators import QUICK_LEASES, Operators, metric
from support.world import World, once

REPLICAS = 3
EVEN_SECONDS = 20
SETTINGS = {**QUICK_LEASES, "TASKACTION_SHARDS": "6", "TASKACTION_WORKERS_COUNT": "16"}


def start_replicas(operators: Operators, settings: dict[str, str] | None = None) -> list[Operator]:
    """Start three and return when they share the shards evenly."""
    started = [operators.start(settings or SETTINGS) for _ in range(REPLICAS)]
    wait_until_even(started)
    return started


def wait_until_even(replicas: list[Operator]) -> None:
    """Return when each holds its share of the six shards."""
    share = 6 // len(replicas)
    wait_until(
        lambda: [metric(one, "shards_held") for one in replicas] == [share] * len(replicas),
        timeout=EVEN_SECONDS,
        what="an even share",
    )


def load(kubectl: Kubectl, world: World, *, keys: int, each: int) -> list[str]:
    """Create actions that must not be repeated, in turn for each key; their names say key and place."""
    names = [f"k{key}-{place}" for place in range(each) for key in range(keys)]
    create(
        kubectl,
        [action(name, "http", once(world.url, name), partitionKey=name.partition("-")[0]) for name in names],
    )
    return names


def effects_at_least(world: World, count: int) -> None:
    """Return when the world has seen so many effects."""
    wait_until(lambda: len(world.history) >= count, timeout=60, what=f"{count} effects")


def settled(kubectl: Kubectl, names: list[str], seconds: float = 90) -> dict[str, Body]:
    """Give all actions when they have ended; none may be missing."""
    found = wait_for_all(kubectl, all_finished_and_free, seconds=seconds)
    assert set(found) == set(names)
    return found


def assert_nothing_lost_repeated_or_disordered(found: dict[str, Body], world: World) -> None:
    """Compare the record of each action with what the world has seen of it."""
    for name, item in found.items():
        effects = world.effects[f"once/{name}"]
        assert effects <= 1, f"{name} was repeated"
        if phase(item) == "Succeeded":
            assert effects == 1, f"{name} was lost"
        else:
            assert (phase(item), reason(item)) == ("Failed", "Interrupted"), json.dumps(item["status"], indent=1)
    for key, visits in visits_by_key(world).items():
        places = [place for _, place in visits]
        assert places == sorted(places), f"{key} was served in the order {places}"
        gaps = [after - before for (before, _), (after, _) in pairwise(visits)]
        assert all(gap >= world.seconds - 0.01 for gap in gaps), f"{key} was served twice at a time: {gaps}"


def visits_by_key(world: World) -> dict[str, list[tuple[float, int]]]:
    """Give when which place of each key was served."""
    visits: dict[str, list[tuple[float, int]]] = {}
    with world.lock:
        history = list(world.history)
    for at, name in history:
        key, _, place = name.rpartition("/")[2].partition("-")
        visits.setdefault(key, []).append((at, int(place)))
    return visits


def interrupted(found: dict[str, Body]) -> list[str]:
    """Give the actions of which nobody knows whether they took effect."""
    return [name for name, item in found.items() if phase(item) != "Succeeded"]
