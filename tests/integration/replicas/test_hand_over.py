"""What becomes of running attempts when their replica stops, dies, or is stopped at the worst moment."""

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions import (
    Body,
    action,
    all_finished,
    create,
    get,
    is_finished,
    phase,
    reason,
    wait_for,
    wait_for_all,
    wait_for_phase,
)
from support.operators import QUICK_LEASES, Operators, metric
from support.world import World, job, once

DRAIN = 1.0
SETTINGS = {**QUICK_LEASES, "TASKACTION_SHARDS": "1", "TASKACTION_DRAIN_TIMEOUT": f"{DRAIN:.0f}s"}
STOP_SECONDS = DRAIN + 9


@pytest.fixture
def world() -> Iterator[World]:
    with World(seconds=0.1, job_seconds=8.0) as world:
        yield world


@pytest.fixture(autouse=True)
def _none_is_left(operators: Operators) -> Iterator[None]:
    """A replica of one test must not take the shard of the next, however the test ended."""
    yield
    operators.kill()


def start_pair(operators: Operators, settings: dict[str, str]) -> tuple[Operator, Operator]:
    """Start one that owns the only shard, perhaps after a killed one's Lease has run out, and one that stands by."""
    owner = operators.start(settings)
    wait_until(lambda: metric(owner, "shards_held") == 1, timeout=60, what="the shard to be taken")
    return owner, operators.start(settings)


@pytest.fixture
def pair(operators: Operators) -> tuple[Operator, Operator]:
    return start_pair(operators, SETTINGS)


def claimed(item: Body) -> bool:
    return "claim" in item.get("status", {})


def holder(item: Body) -> str:
    return str(item["status"]["claim"]["holder"])


def claimed_at(item: Body) -> datetime:
    return datetime.fromisoformat(item["status"]["claim"]["at"])


def test_ocean_d10_a_stop_records_what_it_interrupts_and_hands_the_rest_over(
    pair: tuple[Operator, Operator], kubectl: Kubectl, world: World
) -> None:
    create(
        kubectl,
        [
            action("unrepeatable", "once"),
            action("repeatable", "faulty", {"fault": "hangs"}),
            action("outside", "http", job(world.url, "outside")),
        ],
    )
    before = {name: holder(wait_for(kubectl, name, claimed)) for name in ("unrepeatable", "repeatable", "outside")}
    wait_for(kubectl, "outside", lambda item: "externalId" in item["status"])
    pair[0].stop()

    ended = get(kubectl, "unrepeatable")  # at once, by the one that stopped: nobody has to find out
    assert (phase(ended), reason(ended)) == ("Failed", "Interrupted")
    assert holder(ended) == before["unrepeatable"]
    again = wait_for(kubectl, "repeatable", lambda item: holder(item) != before["repeatable"])
    assert (phase(again), again["status"]["attempt"]) == ("Running", 1)
    done = wait_for_phase(kubectl, "outside", "Succeeded")
    assert (done["status"]["attempt"], world.requests["jobs/outside"]) == (1, 1)  # not even asked for a second time


def test_ocean_d11_a_crash_after_the_claim_leaves_no_orphan(
    pair: tuple[Operator, Operator], kubectl: Kubectl, world: World
) -> None:
    create(kubectl, [action("unrepeatable", "once"), action("outside", "http", job(world.url, "outside"))])
    wait_for(kubectl, "unrepeatable", claimed)
    before = wait_for(kubectl, "outside", lambda item: "externalId" in item["status"])
    pair[0].program.end()

    ended = wait_for(kubectl, "unrepeatable")
    assert (phase(ended), reason(ended)) == ("Failed", "Interrupted")
    done = wait_for_phase(kubectl, "outside", "Succeeded")
    assert holder(done) != holder(before)
    assert (done["status"]["attempt"], world.requests["jobs/outside"]) == (1, 1)


def test_an_executor_that_ignores_its_cancellation_cannot_hold_up_the_stop(
    pair: tuple[Operator, Operator], operators: Operators, kubectl: Kubectl
) -> None:
    create(kubectl, [action("stubborn", "faulty", {"fault": "hangs-and-will-not-go"})])
    before = holder(wait_for(kubectl, "stubborn", claimed))
    started = time.monotonic()
    pair[0].program.signal(signal.SIGTERM)
    wait_until(lambda: not pair[0].program.is_running(), timeout=STOP_SECONDS, what="the end of the process")

    assert time.monotonic() - started >= DRAIN
    wait_for(kubectl, "stubborn", lambda item: holder(item) != before)
    operators.kill()
    kubectl("delete", "ta", "stubborn")  # it would hold the only worker of the next test's owner, too


def test_what_a_replica_that_stops_has_not_started_starts_elsewhere_within_two_seconds(
    operators: Operators, kubectl: Kubectl, world: World
) -> None:
    owner, _ = start_pair(operators, {"TASKACTION_SHARDS": "1", "TASKACTION_WORKERS_COUNT": "1"})
    names = [f"once-{number}" for number in range(60)]
    create(kubectl, [action("outside", "http", job(world.url, "outside"))])
    wait_for(kubectl, "outside", lambda item: "externalId" in item["status"])
    create(kubectl, [action(name, "http", once(world.url, name)) for name in names])
    wait_until(lambda: len(world.history) > 10, timeout=20, what="effects")
    before = holder(get(kubectl, "outside"))
    stopped = datetime.now(UTC)
    owner.stop()
    found = wait_for_all(kubectl, all_finished)

    assert {phase(item) for item in found.values()} == {"Succeeded"}
    assert set(world.effects.values()) == {1}
    elsewhere = [item for item in found.values() if holder(item) != before]
    started = [claimed_at(item) for item in elsewhere if item["metadata"]["name"] != "outside"]
    assert (min(started) - stopped).total_seconds() <= 2.0
    assert (claimed_at(found["outside"]) - stopped).total_seconds() <= 2.0  # it was going on already


@pytest.mark.parametrize("retried", [False, True], ids=["as it is", "with retryOn Interrupted"])
def test_the_window_that_remains_is_the_moment_between_the_check_and_the_send(
    pair: tuple[Operator, Operator], kubectl: Kubectl, world: World, retried: bool
) -> None:
    policy = {"limit": 1, "retryOn": ["Interrupted"], "backoff": {"initial": "100ms"}} if retried else {"limit": 0}
    create(kubectl, [action("late", "stops-before-sending", {"url": f"{world.url}/once/late"}, retryPolicy=policy)])
    wait_until(lambda: is_stopped(pair[0]), timeout=20, what="the owner to be stopped right before its request")
    ended = wait_for(kubectl, "late", is_finished, seconds=30)
    first, *others = ended["status"]["attempts"]
    assert (first["phase"], first["error"]["code"]) == ("Failed", "Interrupted")
    assert "its effect is unknown" in first["error"]["message"]
    assert world.effects["once/late"] == len(others) == (1 if retried else 0)

    pair[0].program.signal(signal.SIGCONT)
    wait_until(lambda: world.effects["once/late"] == len(others) + 1, timeout=20, what="the late request")
    wait_until(lambda: not pair[0].program.is_running(), timeout=20, what="the sleeper's watchdog to end it")

    after = get(kubectl, "late")
    assert after["status"] == ended["status"]  # the late result changes nothing
    assert (phase(after), after["status"]["attempt"]) == (("Succeeded", 2) if retried else ("Failed", 1))
    tokens = world.tokens["once/late"]
    assert tokens == sorted(tokens, reverse=True)  # a target that compares the token refuses the late one
    assert len(set(tokens)) == len(tokens)


def is_stopped(operator: Operator) -> bool:
    """Tell by /proc whether a process was stopped."""
    return Path(f"/proc/{operator.program.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
