"""Three replicas under load, one of which dies, is paused or cut off: nothing is lost, repeated or out of order."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.operators import Operators, metric
from support.tcp_proxy import Wire
from support.trio import (
    SETTINGS,
    assert_nothing_lost_repeated_or_disordered,
    effects_at_least,
    interrupted,
    load,
    settled,
    start_replicas,
    wait_until_even,
)
from support.world import World

LEASE_SECONDS = 3
KEYS, EACH = 12, 12
WORKERS = 16


@pytest.fixture
def world() -> Iterator[World]:
    with World(seconds=0.2) as world:
        yield world


@pytest.fixture(autouse=True)
def _gone(operators: Operators) -> Iterator[None]:
    yield
    operators.kill()


def test_ocean_d02_two_replicas_keep_the_order_of_a_key_and_serve_it_one_at_a_time(
    operators: Operators, kubectl: Kubectl, world: World
) -> None:
    replicas = [operators.start(SETTINGS) for _ in range(2)]
    wait_until_even(replicas)
    names = load(kubectl, world, keys=8, each=10)
    found = settled(kubectl, names)

    assert_nothing_lost_repeated_or_disordered(found, world)
    assert interrupted(found) == []
    holders = {item["status"]["claim"]["holder"] for item in found.values()}
    assert len(holders) == 2  # both had a part in it
    by_key = {name.partition("-")[0]: item["status"]["claim"]["holder"] for name, item in found.items()}
    assert all(item["status"]["claim"]["holder"] == by_key[name.partition("-")[0]] for name, item in found.items())


@pytest.mark.endurance
def test_a_replica_that_is_killed_leaves_its_part_to_the_others(
    operators: Operators, kubectl: Kubectl, world: World
) -> None:
    replicas = start_replicas(operators)
    names = load(kubectl, world, keys=KEYS, each=EACH)
    effects_at_least(world, KEYS)
    replicas[1].program.end()
    found = settled(kubectl, names)

    assert_nothing_lost_repeated_or_disordered(found, world)
    assert len(interrupted(found)) <= min(KEYS, WORKERS)


@pytest.mark.endurance
def test_a_replica_that_sleeps_longer_than_its_leases_starts_nothing_and_ends_when_it_wakes_up(
    operators: Operators, kubectl: Kubectl, world: World
) -> None:
    replicas = start_replicas(operators)
    names = load(kubectl, world, keys=KEYS, each=EACH)
    effects_at_least(world, KEYS)
    sleeper = replicas[0]
    sleeper.program.signal(signal.SIGSTOP)
    awake = replicas[1:]
    wait_until(
        lambda: sum(metric(one, "shards_held") for one in awake) == 6, timeout=20, what="the others to take over"
    )
    time.sleep(LEASE_SECONDS)  # a deep sleep is the case
    sleeper.program.signal(signal.SIGCONT)
    found = settled(kubectl, names)

    assert_nothing_lost_repeated_or_disordered(found, world)
    assert len(interrupted(found)) <= min(KEYS, WORKERS)
    wait_until(lambda: not sleeper.program.is_running(), timeout=20, what="its watchdog to end it")
    wait_until_even([*awake, operators.start(SETTINGS)])  # as its pod's kubelet would start it again


@pytest.mark.endurance
def test_a_replica_that_is_cut_off_from_the_api_server_starts_nothing_and_comes_back(
    operators: Operators, kubectl: Kubectl, world: World, tmp_path: Path
) -> None:
    with Wire(operators.kubeconfig) as wire:
        lonely = operators.start(SETTINGS, kubeconfig=wire.write_kubeconfig(tmp_path / "kubeconfig"))
        replicas = [lonely, operators.start(SETTINGS), operators.start(SETTINGS)]
        wait_until_even(replicas)
        names = load(kubectl, world, keys=KEYS, each=EACH)
        effects_at_least(world, KEYS)
        wire.cut()
        wait_until(
            lambda: sum(metric(one, "shards_held") for one in replicas[1:]) == 6,
            timeout=20,
            what="the others to take over",
        )
        effects_at_least(world, len(names) // 2)
        wire.mend()
        found = settled(kubectl, names)

        assert_nothing_lost_repeated_or_disordered(found, world)
        assert len(interrupted(found)) <= min(KEYS, WORKERS)
        wait_until_even(replicas)
        operators.kill()


@pytest.mark.endurance
def test_a_replica_that_comes_and_one_that_stops_under_load_interrupt_nothing(
    operators: Operators, kubectl: Kubectl, world: World
) -> None:
    first = [operators.start(SETTINGS), operators.start(SETTINGS)]
    wait_until_even(first)
    names = load(kubectl, world, keys=KEYS, each=2 * EACH)
    effects_at_least(world, KEYS)
    newcomer = operators.start(SETTINGS)
    wait_until_even([*first, newcomer])
    first[0].stop()
    found = settled(kubectl, names)

    assert_nothing_lost_repeated_or_disordered(found, world)
    assert interrupted(found) == []
