"""Reports reach Port whatever fails, and are made from what the objects remember."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.port_agents import NAMESPACE, Agents, agents
from support.port_server import NODE, PortServer, Run
from taskaction.cluster.errors import ConflictError, UnavailableError
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.core.constants import ORIGIN_ANNOTATION, PORT_FINALIZER, PORT_UNREPORTED_LABEL
from taskaction.integrations.port.agent.agent import AgentComponents
from taskaction.integrations.port.agent.runs import PortRunKind

RUNNING = {"phase": "Running", "at": "2026-01-01T12:00:01.000Z", "reason": "Executing", "message": ""}


@pytest_asyncio.fixture
async def world() -> AsyncIterator[Agents]:
    async with agents(PortServer()) as found:
        yield found


async def looked(agent: AgentComponents) -> int:
    await agent.leadership.acquire_or_renew()
    return await agent.outbox.sync()


async def taken(world: Agents, agent: AgentComponents, run_id: str = "r_1", kind: str = "action") -> Run:
    """Have a run that is ours."""
    run = world.server.add(run_id, "noop", kind=kind)
    await agent.claiming.claim_all()
    assert run.acknowledged == 1
    return run


def metadata(world: Agents, run_id: str = "r_1", kind: PortRunKind = PortRunKind.ACTION) -> dict[str, Any]:
    body = world.body(run_id, kind)
    assert body is not None
    found: dict[str, Any] = body["metadata"]
    return found


@pytest.mark.parametrize(
    ("phase", "reason", "end", "label"),
    [
        ("Succeeded", "Completed", "SUCCESS", "Succeeded"),
        ("Failed", "ExecutionFailed", "FAILURE", "Execution failed"),
        ("Aborted", "Aborted", "FAILURE", "Aborted"),
    ],
)
async def test_the_end_is_told_once_and_the_object_let_go(
    world: Agents, phase: str, reason: str, end: str, label: str
) -> None:
    agent = world.agent()
    run = await taken(world, agent)
    world.become("r_1", phase, reason=reason, message="why")
    assert await looked(agent) == 0
    await looked(agent)
    assert (run.ends, run.label) == ([end], label)
    assert run.summary == ("why" if end == "SUCCESS" else f"{reason}: why")
    assert metadata(world)["finalizers"] == []
    assert PORT_UNREPORTED_LABEL not in metadata(world)["labels"]
    assert len(agent.buffer) == 0


async def test_progress_links_and_output_of_a_node_are_told(world: Agents) -> None:
    agent = world.agent()
    run = await taken(world, agent, "n_1", NODE)
    links = [{"name": "build", "url": "https://ci/7"}]
    world.become("n_1", "Running", PortRunKind.WORKFLOW_NODE, history=[RUNNING], externalId="b-7", links=links)
    await looked(agent)
    assert (run.logs, run.links, run.external_id, run.label) == (["INFO Executing"], ["https://ci/7"], "b-7", "Running")
    world.become(
        "n_1", "Succeeded", PortRunKind.WORKFLOW_NODE, history=[RUNNING], externalId="b-7", links=links, output=[1]
    )
    await looked(agent)
    assert run.ends == ["SUCCESS"]
    assert run.output == {"workflowRunUrl": "https://ci/7", "result": [1]}
    assert run.logs == ["INFO Executing", "INFO succeeded"]


async def test_what_was_told_is_not_told_again_by_the_next_process(world: Agents) -> None:
    agent = world.agent(identity="a")
    run = await taken(world, agent)
    world.become("r_1", "Running", history=[RUNNING])
    await looked(agent)
    await agent.leadership.release()
    await looked(world.agent(identity="b"))
    assert run.logs == ["Executing"]


async def test_ocean_d09_a_report_that_fails_is_made_until_port_has_it(world: Agents) -> None:
    agent = world.agent()
    run = await taken(world, agent)
    world.become("r_1", "Succeeded")
    world.server.fail("patch", 500, 503)
    world.server.drop("patch")
    for expected in (1, 1, 1):
        assert await looked(agent) == expected
        await world.clock.advance(61)
    assert agent.outbox.problems()[0].startswith("1 runs have reports that Port does not accept")
    assert await looked(agent) == 0
    assert run.ends == ["SUCCESS"]
    assert agent.outbox.problems() == []


async def test_ocean_d09_a_report_is_made_by_the_next_process_where_this_one_died(world: Agents) -> None:
    agent = world.agent(identity="a")
    run = await taken(world, agent)
    world.become("r_1", "Failed", reason="ExecutionFailed", message="no")
    world.server.fail("patch", 500)
    await looked(agent)
    await agent.leadership.release()
    await looked(world.agent(identity="b"))
    assert run.ends == ["FAILURE"]


@pytest.mark.parametrize("final", [True, False])
async def test_ocean_d09_a_report_whose_answer_was_lost_does_no_harm(world: Agents, final: bool) -> None:
    world.server.final = final
    agent = world.agent()
    run = await taken(world, agent)
    world.become("r_1", "Succeeded")
    world.server.lose("patch")
    assert await looked(agent) == 1
    await world.clock.advance(2)
    assert await looked(agent) == 0
    assert set(run.ends) == {"SUCCESS"}
    assert metadata(world)["finalizers"] == []


async def test_ocean_d09_neither_a_deletion_nor_a_ttl_loses_the_last_report(world: Agents) -> None:
    agent = world.agent()
    run = await taken(world, agent)
    world.become("r_1", "Succeeded")
    await world.cluster.delete(TASK_ACTIONS, metadata(world)["name"], NAMESPACE)
    world.server.fail("patch", 500)
    await looked(agent)
    assert PORT_FINALIZER in metadata(world)["finalizers"]
    await world.clock.advance(2)
    await looked(agent)
    assert run.ends == ["SUCCESS"]
    assert world.body("r_1") is None


async def test_an_action_that_was_deleted_is_a_failure_with_the_reason(world: Agents) -> None:
    agent = world.agent()
    run = await taken(world, agent)
    await world.cluster.delete(TASK_ACTIONS, metadata(world)["name"], NAMESPACE)
    await looked(agent)
    assert run.ends == []
    world.become("r_1", "Aborted", reason="Deleted", message="the object is deleted")
    await looked(agent)
    assert (run.ends, run.summary) == (["FAILURE"], "Deleted: the object is deleted")


async def test_an_action_that_was_taken_away_by_force_is_a_failure_with_the_reason(world: Agents) -> None:
    agent = world.agent()
    run = await taken(world, agent)
    await looked(agent)
    world.cluster.drop(TASK_ACTIONS, metadata(world)["name"], NAMESPACE)
    world.server.fail("patch", 503)
    await looked(agent)
    await world.clock.advance(2)
    await looked(agent)
    assert (run.ends, run.summary) == (["FAILURE"], "Deleted: the TaskAction was deleted before it ended")
    assert agent.outbox.idle


async def test_what_another_agent_has_told_does_not_look_like_a_loss(world: Agents) -> None:
    first, second = world.agent(identity="a"), world.agent(identity="b")
    run = await taken(world, first)
    await looked(first)
    await first.leadership.release()
    world.become("r_1", "Succeeded")
    await looked(second)
    world.cluster.drop(TASK_ACTIONS, metadata(world)["name"], NAMESPACE)
    await first.outbox.sync()  # it does not know yet that it works no more
    assert run.ends == ["SUCCESS"]


async def test_an_agent_that_works_again_does_not_go_by_what_it_knew_before(world: Agents) -> None:
    """It was frozen, and another one has worked meanwhile."""
    first, second = world.agent(identity="a"), world.agent(identity="b")
    run = await taken(world, first)
    await looked(first)
    await second.leadership.acquire_or_renew()
    await world.clock.advance(16)
    world.become("r_1", "Succeeded")
    await looked(second)
    world.cluster.drop(TASK_ACTIONS, metadata(world)["name"], NAMESPACE)
    await second.leadership.release()
    await looked(first)
    assert first.leadership.is_leader
    assert run.ends == ["SUCCESS"]
    assert world.server.requests["patch", 409] == 0


@pytest.mark.parametrize(("code", "noted"), [(404, "unknown to Port"), (409, "refused by Port")])
async def test_a_run_that_port_will_hear_no_more_of_is_let_go(world: Agents, code: int, noted: str) -> None:
    agent = world.agent()
    await taken(world, agent)
    world.become("r_1", "Succeeded")
    world.server.fail("patch", code)
    assert await looked(agent) == 0
    assert noted in metadata(world)["annotations"]["taskaction.dev/port-reported"]
    assert metadata(world)["finalizers"] == []


async def test_a_summary_that_port_refuses_does_not_cost_the_status(world: Agents) -> None:
    agent = world.agent()
    run = await taken(world, agent)
    world.become("r_1", "Failed", reason="ExecutionFailed")
    world.server.fail("patch", 422)
    await looked(agent)
    assert (run.ends, run.summary) == (["FAILURE"], None)


async def test_a_log_line_that_port_refuses_does_not_hold_up_the_rest(world: Agents) -> None:
    agent = world.agent()
    run = await taken(world, agent)
    world.server.fail("logs", 413)
    world.become("r_1", "Running", history=[RUNNING], externalId="x")
    await looked(agent)
    assert (run.logs, run.external_id) == ([], "x")


async def test_a_rate_limit_of_port_is_respected_by_all_calls(world: Agents) -> None:
    agent = world.agent()
    run = await taken(world, agent)
    world.become("r_1", "Succeeded")
    world.server.fail("patch", 429, headers={"Retry-After": "30"})
    assert await looked(agent) == 1
    await world.clock.advance(29)
    assert await looked(agent) == 1
    await world.clock.advance(2)
    assert await looked(agent) == 0
    assert (run.ends, world.server.asked("patch")) == (["SUCCESS"], 2)


async def test_a_note_that_could_not_be_written_repeats_nothing_while_the_process_lives(world: Agents) -> None:
    agent = world.agent()
    run = await taken(world, agent)
    world.become("r_1", "Running", history=[RUNNING])
    world.cluster.fail("patch", UnavailableError("no answer"))
    assert await looked(agent) == 1
    await world.clock.advance(2)
    assert await looked(agent) == 0
    await looked(agent)
    assert run.logs == ["Executing"]


async def test_the_object_is_let_go_although_others_write_to_it(world: Agents) -> None:
    agent = world.agent()
    await taken(world, agent)
    world.become("r_1", "Succeeded")
    world.cluster.fail("patch", ConflictError("modified"), ConflictError("modified"))
    assert await looked(agent) == 0
    assert metadata(world)["finalizers"] == []


async def test_one_object_that_makes_no_sense_holds_up_no_other(world: Agents) -> None:
    agent = world.agent()
    await taken(world, agent, "r_1")
    second = await taken(world, agent, "r_2")
    for run_id in ("r_1", "r_2"):
        world.become(run_id, "Succeeded")
    broken = metadata(world, "r_1")
    key = (TASK_ACTIONS.plural, NAMESPACE, broken["name"])
    del world.cluster.objects[key]["metadata"]["labels"]["taskaction.dev/port-run-kind"]
    await looked(agent)
    assert second.ends == ["SUCCESS"]


async def test_port_hears_nothing_of_a_run_before_it_was_acknowledged(world: Agents) -> None:
    agent = world.agent()
    run = world.server.add("r_1", "noop")
    world.server.fail("ack", 503)
    await agent.claiming.claim_all()
    body = world.body("r_1")
    assert body is not None
    await world.cluster.delete(TASK_ACTIONS, body["metadata"]["name"], NAMESPACE)
    body = world.body("r_1")
    assert body is not None
    world.cluster.store(
        TASK_ACTIONS,
        body | {"status": {"phase": "Aborted", "reason": "Deleted", "finishedAt": "2026-01-01T12:00:00Z"}},
    )
    await looked(agent)
    assert (run.acknowledged, run.ends) == (0, [])
    await world.clock.advance(11)
    await looked(agent)
    await looked(agent)
    assert (run.acknowledged, run.ends) == (1, ["FAILURE"])
    assert world.server.violations == []
    assert world.body("r_1") is None


@pytest.mark.parametrize("mark", [None, "port/installation/action/r_1"], ids=["none", "of another run"])
async def test_an_action_that_no_agent_has_created_is_reported_on_by_none(world: Agents, mark: str | None) -> None:
    """Whoever may create actions could otherwise report any end on a run of somebody else."""
    run = await taken(world, world.agent())
    body = world.body("r_1")
    assert body is not None
    notes = {key: text for key, text in body["metadata"]["annotations"].items() if key != ORIGIN_ANNOTATION}
    forged = notes | ({ORIGIN_ANNOTATION: mark} if mark is not None else {})
    ended = {"phase": "Succeeded", "finishedAt": "2026-01-01T12:00:00Z"}
    metadata = body["metadata"] | {"name": "forged", "uid": "uid-of-forged", "annotations": forged}
    world.cluster.store(TASK_ACTIONS, body | {"metadata": metadata, "status": ended})
    await looked(world.agent())
    assert run.ends == []


async def test_without_the_policy_only_actions_of_this_process_count(
    world: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def accept(*_: object, **__: object) -> None:
        """Accept the probe, as an API server without the policy does."""

    monkeypatch.setattr(world.cluster, "check_create", accept)
    agent = world.agent()
    run = await taken(world, agent)
    world.become("r_1", "Succeeded")
    await looked(world.agent())
    assert run.ends == []
    await looked(agent)
    assert run.ends == ["SUCCESS"]
