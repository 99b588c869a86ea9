"""A crash at any request of an operator loses no state of a run and repeats no action, and its successor goes on."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fake_cluster import FakeCluster
from support.flow_crashes import COUNT, LEASES, Crash, Effects
from support.flow_stage import action, begin, change_run, children, run_body, run_of
from support.memory_operator import MemoryOperator
from support.records import NAMESPACE
from taskaction.api.enums import Phase
from taskaction.cluster.errors import UnavailableError
from taskaction.testing.clock import FakeClock

PASS = {"Type": "Pass", "Next": "Both"}
BRANCH = {"StartAt": "B1", "States": {"B1": action("B2", COUNT), "B2": action(None, COUNT)}}
STATES = {
    "First": action("Pass", COUNT, {"n.$": "$.n"}),
    "Pass": PASS,
    "Both": {"Type": "Parallel", "Branches": [BRANCH, BRANCH], "ResultPath": "$.both", "Next": "Again?"},
    "Again?": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.done.details.n", "NumericGreaterThan": 0, "Next": "Last"}],
        "Default": "Last",
    },
    "Last": action(None, COUNT, ResultPath="$.last"),
}
ACTIONS = 6
MOST_REQUESTS = 40


async def told(crash_at: int, *, after: bool) -> tuple[Any, Effects, dict[str, Any], bool]:
    """Run the flow with a crash, and give what it gave, what was done, its actions, and whether there was a crash."""
    cluster, clock, effects = FakeCluster(), FakeClock(), Effects()
    async with MemoryOperator(effects, cluster=cluster, clock=clock, **LEASES) as first:
        crash = Crash(cluster, crash_at, after=after)
        await begin(first, run_body("r", STATES, input={"n": 7}))
    cluster.meanwhile = None
    cluster.faults.clear()
    cluster.open()
    async with MemoryOperator(effects, cluster=cluster, clock=clock, **LEASES) as second:
        await second.pass_time(8, step=1)
        run = run_of(second)
        assert run.status.phase is Phase.SUCCEEDED, run.status
        return run.status.output, effects, children(second), crash.happened.is_set()


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(crash_at=st.integers(1, MOST_REQUESTS), after=st.booleans())
async def test_a_crash_at_any_request_repeats_and_loses_nothing(crash_at: int, after: bool) -> None:
    output, effects, made, _ = await told(crash_at, after=after)
    assert len(made) == ACTIONS
    assert len(effects.done) == ACTIONS  # each key is one effect, however often it is asked for
    assert all(key.startswith(f"{NAMESPACE}:uid-of-r/") for key in effects.done)
    assert (output["n"], output["done"]["details"]) == (7, {"n": 7})
    assert [one["done"]["state_name"] for one in output["both"]] == ["B2", "B2"]
    assert output["last"]["status"] == "SUCCEEDED"


async def test_the_requests_of_a_run_are_fewer_than_the_crashes_that_are_tried() -> None:
    *_, crashed = await told(10, after=False)
    assert crashed
    *_, crashed = await told(MOST_REQUESTS + 1, after=False)
    assert not crashed


async def test_a_suspended_run_makes_no_action_that_a_crash_has_left_unmade() -> None:
    cluster, clock, effects = FakeCluster(), FakeClock(), Effects()
    async with MemoryOperator(effects, cluster=cluster, clock=clock, **LEASES) as first:
        cluster.meanwhile = lambda verb, _: (
            cluster.fail("create", UnavailableError("gone")) if verb == "create" else None
        )
        await begin(first, run_body("r", {"Only": action(None, COUNT)}))
        assert run_of(first).status.phase is Phase.RUNNING
        assert children(first) == {}
    cluster.meanwhile = None
    cluster.faults.clear()
    async with MemoryOperator(effects, cluster=cluster, clock=clock, **LEASES) as second:
        await change_run(second, "r", suspend=True)
        await second.pass_time(8, step=1)
        assert run_of(second).status.reason == "Suspended"
        assert children(second) == {}
        await change_run(second, "r", suspend=False)
        assert run_of(second).status.phase is Phase.SUCCEEDED
        assert len(effects.done) == 1
