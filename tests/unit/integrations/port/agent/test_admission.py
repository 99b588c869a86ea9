"""Claiming, acknowledging and releasing, against a Port that loses answers and agents that die anywhere."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.port_agents import NAMESPACE, Agents, agents
from support.port_server import ACTION, NODE, PortServer
from taskaction.cluster.errors import InvalidError, QuotaReachedError, UnavailableError
from taskaction.cluster.gateway import ACTION_PROVIDERS, TASK_ACTIONS, Body
from taskaction.integrations.port.agent import annotations
from taskaction.integrations.port.agent.admission import _Candidate
from taskaction.integrations.port.agent.agent import AgentComponents
from taskaction.integrations.port.agent.runs import PortRunKind
from taskaction.integrations.port.agent.wire import PortRequest


@pytest_asyncio.fixture
async def world() -> AsyncIterator[Agents]:
    async with agents(PortServer()) as found:
        yield found


async def claimed(agent: AgentComponents) -> float:
    """Claim once."""
    return await agent.claiming.claim_all()


async def looked(agent: AgentComponents) -> int:
    """Look once, by an agent that works."""
    await agent.leadership.acquire_or_renew()
    return await agent.outbox.sync()


def known(body: Body | None) -> annotations.RunAnnotations:
    assert body is not None
    found = annotations.RunAnnotations.from_body(body)
    assert found is not None
    return found


def may_run(world: Agents, run_id: str, kind: PortRunKind = PortRunKind.ACTION) -> bool:
    """Say whether the operator may have the action of a run."""
    body = world.body(run_id, kind)
    return body is not None and not body["spec"]["suspend"] and "deletionTimestamp" not in body["metadata"]


async def test_a_run_becomes_an_action_that_may_run_once_port_has_said_that_it_is_ours(world: Agents) -> None:
    run = world.server.add("r_1", "noop", {"output": 3})
    node = world.server.add("n_1", "noop", kind=NODE)
    await claimed(world.agent())
    body = world.body("r_1")
    assert body is not None
    assert body["spec"]["executor"] == "noop"
    assert body["spec"]["parameters"] == {"output": 3}
    assert known(body).acknowledgement == annotations.DONE
    assert may_run(world, "r_1")
    assert may_run(world, "n_1", PortRunKind.WORKFLOW_NODE)
    assert (run.acknowledged, node.acknowledged) == (1, 1)


async def test_the_action_is_there_and_held_back_when_port_is_asked(world: Agents) -> None:
    world.server.add("r_1", "noop")
    world.server.fail("ack", 500)
    await claimed(world.agent())
    body = world.body("r_1")
    assert body is not None
    assert body["spec"]["suspend"] is True


async def test_a_provider_of_the_types_name_is_used_where_there_is_one(world: Agents) -> None:
    world.cluster.store(ACTION_PROVIDERS, {"metadata": {"name": "run-it", "namespace": NAMESPACE}})
    world.server.add("r_1", "Run_It")
    world.server.add("r_2", "other")
    world.server.add("r_3", "mapped")
    await claimed(world.agent(mapping='{"mapped": {"clusterProvider": "shared"}}'))
    specs = [body["spec"] for body in map(world.body, ("r_1", "r_2", "r_3")) if body is not None]
    assert specs[0]["providerRef"] == {"kind": "ActionProvider", "name": "run-it"}
    assert specs[1]["executor"] == "other"
    assert specs[2]["providerRef"] == {"kind": "ClusterActionProvider", "name": "shared"}


async def test_what_cannot_be_an_action_fails_with_the_reason(world: Agents) -> None:
    world.server.add("r_1", "noop")
    world.server.add("r_2", "___")
    world.cluster.fail("create", InvalidError("spec.parameters: too large"))
    await claimed(world.agent())
    refused = [body["spec"] for body in map(world.body, ("r_1", "r_2")) if body is not None]
    assert [spec["executor"] for spec in refused] == ["fail", "fail"]
    assert "too large" in refused[0]["parameters"]["message"]
    assert "no executor registered for action type '___'" in refused[1]["parameters"]["message"]
    assert may_run(world, "r_1")


async def test_a_run_for_whose_action_a_quota_leaves_no_room_stays_with_port(world: Agents) -> None:
    world.server.add("r_1", "noop")
    world.cluster.fail("create", QuotaReachedError("exceeded quota: small"))
    await claimed(world.agent())
    assert world.body("r_1") is None
    await world.clock.advance(31)
    await claimed(world.agent())
    assert may_run(world, "r_1")


async def test_ocean_d04_one_malformed_run_costs_nobody_else_anything_and_is_reported_itself(world: Agents) -> None:
    world.server.add("bad", "noop").item["payload"] = {"type": "INTEGRATION_ACTION"}
    world.server.add("good", "noop")
    world.server.raw[ACTION] = ["nonsense", {"status": "IN_PROGRESS"}, None]
    agent = world.agent()
    await claimed(agent)
    assert may_run(world, "good")
    bad = world.body("bad")
    assert bad is not None
    assert "integrationActionType" in bad["spec"]["parameters"]["message"]
    assert agent.recorder.metrics.registry.get_sample_value(
        "taskaction_port_agent_runs_quarantined_total", {"kind": "action"}
    ) == pytest.approx(4)
    world.become("bad", "Failed", reason="PortRunRefused", message="it cannot be read")
    await looked(agent)
    assert world.server.runs["bad"].ends == ["FAILURE"]
    assert world.server.runs["bad"].summary == "PortRunRefused: it cannot be read"


async def test_ocean_d04_a_claim_of_one_kind_that_fails_loses_nothing_of_the_other(world: Agents) -> None:
    world.server.add("r_1", "noop")
    world.server.fail("/v1/workflows/runs/claim-pending", 500, 500)
    agent = world.agent()
    await claimed(agent)
    await claimed(agent)
    assert may_run(world, "r_1")


# -- one run, one action ----------------------------------------------------------------------------------------------


async def test_ocean_d13_a_run_that_is_handed_out_again_and_again_is_one_action(world: Agents) -> None:
    world.server.honours_visibility = world.server.fenced = False
    world.server.add("r_1", "noop")
    first, second = world.agent(identity="a"), world.agent(identity="b")
    for agent in (first, second, first):
        await claimed(agent)
    assert sum(plural == TASK_ACTIONS.plural for plural, _, _ in world.cluster.objects) == 1


async def test_a_run_that_comes_twice_in_one_claim_is_taken_once(world: Agents) -> None:
    run = world.server.add("r_1", "noop")
    world.server.raw[ACTION] = [run.item]
    await claimed(world.agent())
    assert may_run(world, "r_1")
    assert (run.acknowledged, run.conflicts) == (1, 0)


async def test_a_run_that_somebody_elsewhere_has_acknowledged_never_runs(world: Agents) -> None:
    run = world.server.add("r_1", "noop")
    world.server.fail("ack", 409)
    await claimed(world.agent())
    assert world.body("r_1") is None
    assert run.ends == []


async def test_a_run_that_port_has_deleted_meanwhile_never_runs(world: Agents) -> None:
    world.server.add("r_1", "noop")
    world.server.fail("ack", 404)
    await claimed(world.agent())
    assert world.body("r_1") is None


@pytest.mark.parametrize("identity", ["the same process", "a new process"])
async def test_an_acknowledgement_whose_answer_was_lost_is_ours(world: Agents, identity: str) -> None:
    run = world.server.add("r_1", "noop")
    world.server.lose("ack")
    first = world.agent(identity="the same process")
    await claimed(first)
    assert not may_run(world, "r_1")
    agent = first if identity == "the same process" else world.agent(identity=identity)
    await world.clock.advance(11)
    await looked(agent)
    assert may_run(world, "r_1")
    assert (run.acknowledged, run.conflicts) == (1, 1)


async def test_a_run_whose_acknowledgement_never_arrived_is_acknowledged_later(world: Agents) -> None:
    run = world.server.add("r_1", "noop")
    world.server.drop("ack")
    await claimed(world.agent(identity="a"))
    await world.clock.advance(11)
    await looked(world.agent(identity="b"))
    assert may_run(world, "r_1")
    assert run.acknowledged == 1


async def test_whoever_has_just_created_an_action_is_left_alone_with_it(world: Agents) -> None:
    world.server.add("r_1", "noop")
    world.server.drop("ack")
    await claimed(world.agent(identity="a"))
    await world.clock.advance(5)
    await looked(world.agent(identity="b"))
    assert known(world.body("r_1")).acknowledgement == annotations.pending_acknowledgement("a")


async def test_an_action_whose_creation_was_not_answered_is_met_again(world: Agents) -> None:
    run = world.server.add("r_1", "noop")
    world.cluster.fail("create", UnavailableError("no answer"), after=True)
    agent = world.agent()
    await claimed(agent)
    assert run.acknowledged == 0
    await world.clock.advance(31)
    await claimed(agent)
    assert may_run(world, "r_1")
    assert run.acknowledged == 1


async def test_an_agent_that_slept_concludes_nothing_once_another_has_taken_over(world: Agents) -> None:
    """It is refused because the other one has acknowledged, which must not look like a stranger."""
    run = world.server.add("r_1", "noop")
    slow, quick = world.agent(identity="slow"), world.agent(identity="quick")
    world.server.drop("ack")
    await claimed(slow)
    body = world.body("r_1")
    assert body is not None
    slept = known(body)
    await world.clock.advance(11)
    await quick.outbox.sync()
    assert may_run(world, "r_1")
    candidate = _Candidate(body=body, marks=slept, first=True)
    await slow.admission._settle(candidate, await slow.admission._acknowledge(slept))
    assert may_run(world, "r_1")
    assert (run.acknowledged, run.conflicts) == (1, 1)


async def test_an_agent_that_slept_cannot_spoil_what_another_has_just_been_granted(world: Agents) -> None:
    """Its refusal comes between the other one's acknowledgement and release."""
    run = world.server.add("r_1", "noop")
    slow, quick = world.agent(identity="slow").admission, world.agent(identity="quick").admission
    world.server.drop("ack")
    await claimed(world.agent(identity="slow"))
    body = world.body("r_1")
    assert body is not None
    slept = _Candidate(body=body, marks=known(body), first=True)
    taken = await quick._take_over(body, known(body))
    assert taken is not None
    granted = await quick._acknowledge(taken.marks)
    await slow._settle(slept, await slow._acknowledge(slept.marks))
    await quick._settle(taken, granted)
    assert may_run(world, "r_1")
    assert (run.acknowledged, run.conflicts) == (1, 1)


async def test_a_slow_acknowledgement_is_not_made_a_second_time_by_the_same_process(world: Agents) -> None:
    run = world.server.add("r_1", "noop")
    agent = world.agent(run_kinds="action")
    asked, go_on, send = asyncio.Event(), asyncio.Event(), agent.port.send

    async def slow(request: PortRequest) -> Any:
        if request.path.endswith("/ack") and not asked.is_set():
            asked.set()
            await go_on.wait()
        return await send(request)

    agent.port.send = slow  # type: ignore[method-assign]
    claim = asyncio.create_task(agent.claiming.claim_all())
    await asked.wait()
    await world.clock.advance(11)
    await looked(agent)
    go_on.set()
    await claim
    assert may_run(world, "r_1")
    assert (run.acknowledged, run.conflicts) == (1, 0)


async def test_a_release_that_failed_is_made_up_for(world: Agents) -> None:
    run = world.server.add("r_1", "noop")
    world.cluster.fail("patch", UnavailableError("no answer"))
    agent = world.agent()
    await claimed(agent)
    assert (run.acknowledged, may_run(world, "r_1")) == (1, False)
    await world.clock.advance(11)
    await looked(agent)
    assert may_run(world, "r_1")


async def test_an_object_that_only_bears_the_name_is_left_alone(world: Agents) -> None:
    world.server.add("r_1", "noop")
    agent = world.agent()
    name = "port-r-1-" + known_name(world)
    world.cluster.store(TASK_ACTIONS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"suspend": True}})
    await claimed(agent)
    assert world.server.runs["r_1"].acknowledged == 0
    body = world.cluster.objects[TASK_ACTIONS.plural, NAMESPACE, name]
    assert "labels" not in body["metadata"]


def known_name(world: Agents) -> str:
    from support.port_server import INSTALLATION
    from taskaction.integrations.port.agent.mapping import action_name

    return action_name(INSTALLATION, PortRunKind.ACTION, "r_1").rsplit("-", 1)[1]


async def test_a_run_that_port_hands_out_after_its_end_is_told_again_and_not_run_again(world: Agents) -> None:
    run = world.server.add("r_1", "noop")
    agent = world.agent()
    await claimed(agent)
    world.become("r_1", "Succeeded")
    await looked(agent)
    assert run.ends == ["SUCCESS"]
    run.acknowledged, run.ends, run.visible_at = 0, [], 0.0  # Port has lost what it knew
    assert await claimed(agent) > 1
    await looked(agent)
    assert run.ends == ["SUCCESS"]
    assert sum(plural == TASK_ACTIONS.plural for plural, _, _ in world.cluster.objects) == 1


# -- how much, and how fast -------------------------------------------------------------------------------------------


async def test_ocean_d14_one_claim_that_brings_too_many_of_one_action_fills_only_its_share(world: Agents) -> None:
    for number in range(10):
        world.server.add(f"r_{number}", "noop", bucket="greedy")
    world.server.add("other", "noop", bucket="modest")
    agent = world.agent(runs_buffer_high_watermark=10, max_runs_buffer_util_pct_per_action=30, run_kinds="action")
    await claimed(agent)
    assert [run.acknowledged for run in world.server.runs.values()] == [1, 1, 1, *[0] * 7, 0]
    assert agent.buffer.full_buckets(PortRunKind.ACTION) == ["greedy"]
    await claimed(agent)
    assert world.server.claims[-1]["exclude"] == ["greedy"]
    assert may_run(world, "other")


async def test_ocean_d14_what_was_left_comes_again_when_there_is_room(world: Agents) -> None:
    for number in range(4):
        world.server.add(f"r_{number}", "noop")
    agent = world.agent(runs_buffer_high_watermark=4, max_runs_buffer_util_pct_per_action=50, run_kinds="action")
    await claimed(agent)
    for run_id in ("r_0", "r_1"):
        world.become(run_id, "Succeeded")
    await looked(agent)
    await world.clock.advance(31)
    await claimed(agent)
    assert [run.acknowledged for run in world.server.runs.values()] == [1, 1, 1, 1]


async def test_ocean_d14_nothing_is_claimed_at_the_high_watermark(world: Agents) -> None:
    for number in range(5):
        world.server.add(f"r_{number}", "noop", bucket=f"b{number}")
    agent = world.agent(runs_buffer_high_watermark=3, run_kinds="action")
    await claimed(agent)
    assert world.server.claims[-1]["limit"] == 3
    asked = world.server.asked("claim-pending")
    assert await claimed(agent) == pytest.approx(5)
    assert world.server.asked("claim-pending") == asked


async def test_ocean_d14_the_watermark_counts_what_was_under_way_before_a_restart(world: Agents) -> None:
    for number in range(5):
        world.server.add(f"r_{number}", "noop", bucket=f"b{number}")
    await claimed(world.agent(identity="a", runs_buffer_high_watermark=3, run_kinds="action"))
    agent = world.agent(identity="b", runs_buffer_high_watermark=4, run_kinds="action")
    await looked(agent)
    await claimed(agent)
    assert sum(run.acknowledged for run in world.server.runs.values()) == 4


@pytest.mark.parametrize("what", ["nothing", "nonsense", "too many", "known"])
async def test_ocean_d14_claims_that_bring_nothing_to_take_do_not_spin(world: Agents, what: str) -> None:
    world.server.honours_visibility = world.server.honours_exclude = world.server.fenced = False
    if what == "nonsense":
        world.server.raw[ACTION] = [None, {}]
    if what in {"too many", "known"}:
        for number in range(3):
            world.server.add(f"r_{number}", "noop")
    cap = 10 if what == "too many" else 100
    agent = world.agent(runs_buffer_high_watermark=10, max_runs_buffer_util_pct_per_action=cap)
    await claimed(agent)
    assert await claimed(agent) == pytest.approx(5)


async def test_a_failing_claim_is_tried_again_later_and_later_and_shows(world: Agents) -> None:
    agent = world.agent(run_kinds="action")
    waits = []
    for _ in range(5):
        world.server.fail("claim-pending", 503)
        await claimed(agent)
        source = agent.claiming._sources[0]
        waits.append(source.again - world.clock.monotonic())
        await world.clock.advance(waits[-1])
    assert all(0.5 * 2**number <= wait <= 2**number for number, wait in enumerate(waits))
    assert "HTTP 503" in agent.claiming.problems()[0]
    await claimed(agent)
    assert agent.claiming.problems() == []


async def test_a_server_that_asks_to_wait_is_given_the_time(world: Agents) -> None:
    agent = world.agent(run_kinds="action")
    world.server.fail("claim-pending", 429, headers={"Retry-After": "40"})
    await claimed(agent)
    asked = world.server.asked("claim-pending")
    await world.clock.advance(39)
    await agent.claiming.claim_all()
    assert world.server.asked("claim-pending") == asked
    await world.clock.advance(2)
    await agent.claiming.claim_all()
    assert world.server.asked("claim-pending") == asked + 1


async def test_a_token_that_is_refused_is_replaced_at_once(world: Agents) -> None:
    agent = world.agent(run_kinds="action")
    await claimed(agent)
    world.server.revoke()
    world.server.add("r_1", "noop")
    await claimed(agent)
    assert may_run(world, "r_1")
    assert world.server.asked("access_token") == 2


async def test_wrong_credentials_show_without_their_secret(world: Agents) -> None:
    agent = world.agent(client_secret="wr0ng-secret", run_kinds="action")
    for _ in range(3):
        await claimed(agent)
        await world.clock.advance(60)
    assert "check the client id and secret" in agent.claiming.problems()[0]
    assert "wr0ng-secret" not in agent.claiming.problems()[0]


async def test_an_unreachable_port_stops_a_batch_instead_of_every_run_of_it(world: Agents) -> None:
    for number in range(100):
        world.server.add(f"r_{number}", "noop", bucket=f"b{number}")
    world.server.fail("ack", *[503] * 100)
    await claimed(world.agent(run_kinds="action"))
    assert world.server.asked("ack") == 32
