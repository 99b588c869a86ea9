"""The real agent and the real operator between a real API server and a stand-in for Port."""

import json
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from cluster.controlplane import ControlPlane
from cluster.kubectl import Kubectl
from support.actions import Body, get_all, wait_for
from support.operators import QUICK_LEASES, Operators
from support.port_processes import PortAgents
from support.port_server import ACTION, NODE, PortServer, Run
from support.world import World, job, keyed, once

SETTINGS = {**QUICK_LEASES, "TASKACTION_WORKERS_COUNT": "16"}
KILLS = 20
RUNS = 120


@pytest.fixture
def world() -> Iterator[World]:
    with World(seconds=0.2, job_seconds=0.6) as found:
        yield found


def until(check: Callable[[], bool], what: str, agents: PortAgents, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"{what}\n{agents.logs()[-4000:]}"
        time.sleep(0.05)


def all_over(port: PortServer) -> bool:
    return all(run.over for run in port.runs.values())


def by_run(kubectl: Kubectl) -> dict[str, Body]:
    return {item["metadata"]["annotations"]["taskaction.dev/port-run"]: item for item in get_all(kubectl).values()}


def test_runs_of_both_kinds_are_executed_and_told(
    operators: Operators, kubectl: Kubectl, agents: PortAgents, port: PortServer, world: World
) -> None:
    operators.start(SETTINGS)
    kubectl("apply", "-f", "-", stdin=json.dumps(provider("my-action", world)))
    port.add("r_ok", "noop", {"output": {"n": 1}})
    port.add("n_ok", "noop", {"output": {"n": 1}}, kind=NODE)
    port.add("r_provider", "my_action", {"name": "provided"})
    port.add("r_failed", "fail", {"message": "no way"})
    port.add("r_unknown", "reboot_the_moon")
    port.add("r_wrong", "http", {"method": "POST"})
    port.add("r_forbidden", "job", {"image": "busybox:1.36"})
    port.add("r_link", "http", job(world.url, "r_link"))
    port.add("r_malformed", "noop").item["payload"]["integrationActionType"] = 7
    port.raw[ACTION] = [{"no": "id"}]
    agents.start().wait_until_ready()
    until(lambda: all_over(port), "every run ends", agents)
    assert {name: run.ends for name, run in port.runs.items()} == {
        "r_ok": ["SUCCESS"],
        "n_ok": ["SUCCESS"],
        "r_provider": ["SUCCESS"],
        "r_failed": ["FAILURE"],
        "r_unknown": ["FAILURE"],
        "r_wrong": ["FAILURE"],
        "r_forbidden": ["FAILURE"],
        "r_link": ["SUCCESS"],
        "r_malformed": ["FAILURE"],
    }
    assert port.runs["n_ok"].output == {"n": 1}
    assert world.effects["keyed/provided"] == 1
    assert port.runs["r_failed"].summary == "FailedOnPurpose: no way"
    assert "reboot-the-moon" in str(port.runs["r_unknown"].summary)
    assert "impersonate" in str(port.runs["r_forbidden"].summary)
    assert "integrationActionType" in str(port.runs["r_malformed"].summary)
    assert port.runs["r_link"].external_id == "r_link"
    assert port.violations == []
    # Port hears of an end before the object is marked as reported.
    until(lambda: all(map(is_released, by_run(kubectl).values())), "every object is released", agents)


def is_released(item: Body) -> bool:
    metadata = item["metadata"]
    return "finalizers" not in metadata and "taskaction.dev/port-unreported" not in metadata["labels"]


def provider(name: str, world: World) -> Body:
    config = {"url": f"{world.url}/keyed/{{{{ parameters.name }}}}", "method": "POST"}
    return {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionProvider",
        "metadata": {"name": name},
        "spec": {"executor": "http", "config": config},
    }


def test_what_people_do_to_the_actions_is_told_to_port(
    operators: Operators, kubectl: Kubectl, agents: PortAgents, port: PortServer
) -> None:
    operators.start(SETTINGS)
    for run_id in ("r_deleted", "r_aborted", "r_forced"):
        port.add(run_id, "sleep", {"duration": "10m"})
    agents.start().wait_until_ready()
    until(lambda: len(by_run(kubectl)) == 3, "every run is taken", agents)
    names = {run_id: item["metadata"]["name"] for run_id, item in by_run(kubectl).items()}
    for name in names.values():
        wait_for(kubectl, name, lambda item: item.get("status", {}).get("phase") == "Running")
    kubectl("delete", "ta", names["r_deleted"], "--wait=false")
    kubectl("patch", "ta", names["r_aborted"], "--type=merge", "-p", '{"spec":{"abort":{"reason":"enough"}}}')
    kubectl("patch", "ta", names["r_forced"], "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl("delete", "ta", names["r_forced"], "--wait=false")
    until(lambda: all_over(port), "every run ends", agents)
    assert {run.ends[0] for run in port.runs.values()} == {"FAILURE"}
    assert str(port.runs["r_deleted"].summary).startswith("Deleted")
    assert port.runs["r_aborted"].summary == "Aborted: enough"
    assert {run.label for run in port.runs.values()} == {"Aborted"}
    until(lambda: set(by_run(kubectl)) == {"r_aborted"}, "the deleted ones go", agents)


def test_a_port_that_is_away_shows_in_readiness_and_costs_no_report(
    operators: Operators, kubectl: Kubectl, agents: PortAgents, port: PortServer
) -> None:
    operators.start(SETTINGS)
    port.add("r_1", "noop")
    port.fail("patch", *[503] * 4)
    port.fail("/v1/workflows/runs/claim-pending", *[503] * 4)
    agent = agents.start()
    until(lambda: "claims of workflow_node runs fail" in agent.ask("/readyz")[1], "readiness says so", agents)
    assert agent.ask("/healthz")[0] == 200
    until(lambda: all_over(port), "the run ends", agents)
    agent.wait_until_ready()
    code, metrics = agent.ask("/metrics")
    assert code == 200
    assert 'taskaction_port_agent_port_requests_total{code="503",request="patch"} 4.0' in metrics
    assert "s3cret" not in agents.logs() + metrics


def test_a_second_agent_stands_by_and_takes_over_at_once_when_the_first_is_stopped(
    operators: Operators, kubectl: Kubectl, agents: PortAgents, port: PortServer
) -> None:
    operators.start(SETTINGS)
    first = agents.start({"LEASE_DURATION": "60s"})
    first.wait_until_ready()
    second = agents.start({"LEASE_DURATION": "60s"})
    until(lambda: "another agent is leader" in second.program.log.read_text(), "the second stands by", agents)
    second.wait_until_ready()
    port.add("r_1", "sleep", {"duration": "1s"})
    until(lambda: len(by_run(kubectl)) == 1, "the run is taken", agents)
    started = time.monotonic()
    first.program.end(grace=40)
    port.add("r_2", "noop")
    until(lambda: all_over(port), "every run ends", agents)
    assert time.monotonic() - started < 40
    assert {name: run.ends for name, run in port.runs.items()} == {"r_1": ["SUCCESS"], "r_2": ["SUCCESS"]}


@pytest.mark.timeout(300)
def test_an_api_server_that_is_away_costs_no_run_and_no_report(
    operators: Operators,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    agents: PortAgents,
    port: PortServer,
    world: World,
) -> None:
    operators.start(SETTINGS)
    agent = agents.start()
    agent.wait_until_ready()
    for number in range(24):
        add(port, world, number)
    until(lambda: sum(world.effects.values()) >= 3, "effects", agents)
    control_plane.kill_apiserver()
    for number in range(24, 32):
        add(port, world, number)
    until(lambda: agent.ask("/readyz")[0] == 503, "readiness says so", agents)
    time.sleep(3)  # the length of the outage is the case: longer than every Lease
    control_plane.start_apiserver()
    until(lambda: all_over(port), "every run ends", agents, seconds=120)
    found = by_run(kubectl)
    assert len(found) == 32
    for run in port.runs.values():
        assert_ended_as_it_should(run, found[run.id], world)
    agent.wait_until_ready()


@pytest.mark.endurance
@pytest.mark.timeout(300)
def test_ocean_d13_agents_that_freeze_for_longer_than_their_lease_run_nothing_twice(
    operators: Operators, kubectl: Kubectl, agents: PortAgents, port: PortServer, world: World
) -> None:
    luck = random.Random(3)
    operators.start(SETTINGS)
    both = [agents.start(), agents.start()]
    for agent in both:
        agent.wait_until_ready()
    for turn in range(6):
        for number in range(10 * turn, 10 * turn + 10):
            add(port, world, number)
        disturb(port, luck)
        time.sleep(luck.uniform(0.0, 0.6))  # the moment of the freeze is the case, not a wait
        frozen = both[turn % 2].program
        frozen.signal(signal.SIGSTOP)
        until(lambda: all_taken_but_a_few(port), "the other one takes over", agents)
        frozen.signal(signal.SIGCONT)
    until(lambda: all_over(port), "every run ends", agents, seconds=120)
    found = by_run(kubectl)
    assert len(found) == len(port.runs)
    for run in port.runs.values():
        assert_ended_as_it_should(run, found[run.id], world)


def all_taken_but_a_few(port: PortServer) -> bool:
    """Say whether somebody goes on; the frozen one may hold a few that are hidden until its claim is over."""
    return sum(not run.acknowledged for run in port.runs.values()) <= 5


@pytest.mark.endurance
@pytest.mark.timeout(600)
def test_ocean_d09_every_run_ends_exactly_once_when_the_agent_is_killed_20_times(
    operators: Operators, kubectl: Kubectl, agents: PortAgents, port: PortServer, world: World
) -> None:
    luck = random.Random(11)
    operators.start(SETTINGS)
    left = list(range(RUNS))
    agents.start()
    for _ in range(KILLS):
        for number in left[: RUNS // KILLS]:
            add(port, world, number)
        del left[: RUNS // KILLS]
        disturb(port, luck)
        until(lambda: "became leader" in last_log(agents), "an agent works", agents)
        time.sleep(luck.uniform(0.0, 1.2))  # the moment of the crash is the case, not a wait
        agents.kill()
        agents.start()
    until(lambda: all_over(port), "every run ends", agents, seconds=180)
    found = by_run(kubectl)
    assert len(found) == RUNS
    for run in port.runs.values():
        assert_ended_as_it_should(run, found[run.id], world)
    assert port.violations == []
    assert "acknowledgement recovered" in agents.logs()  # crashes and lost answers did fall into the window


def last_log(agents: PortAgents) -> str:
    return agents.running[-1].program.log.read_text()


def add(port: PortServer, world: World, number: int) -> None:
    """A quarter each: an effect that counts, one that is idempotent, one that goes on outside, and a failure."""
    kind = ACTION if number % 8 < 6 else NODE
    way = ("once", "keyed", "jobs", "fail")[number % 4]
    run_id = f"{way}-{number}"
    parameters = {"once": once, "keyed": keyed, "jobs": job}
    if way == "fail":
        port.add(run_id, "fail", {"message": run_id}, kind=kind, bucket=way)
    else:
        port.add(run_id, "http", parameters[way](world.url, run_id), kind=kind, bucket=way)


def disturb(port: PortServer, luck: random.Random) -> None:
    """Let Port fail now and then, too: before it does what it is asked, and after."""
    for what in ("claim-pending", "ack", "patch", "logs"):
        match luck.randrange(4):
            case 0:
                port.fail(what, 500)
            case 1:
                port.lose(what)
            case 2:
                port.drop(what)
            case _:
                port.fail(what, 429, headers={"Retry-After": "1"})
    if luck.random() < 0.3:
        port.revoke()


def assert_ended_as_it_should(run: Run, item: Body, world: World) -> None:
    """Port shows what the action became, and the action did no more than it says."""
    way, status = run.id.partition("-")[0], item["status"]
    succeeded = status["phase"] == "Succeeded"
    good, bad = ("SUCCESS", "FAILED") if run.kind == NODE else ("SUCCESS", "FAILURE")
    assert run.ends == [good if succeeded else bad], (run, status)
    assert run.acknowledged == 1
    if way == "fail":
        assert not succeeded
        return
    effects = world.effects[f"{way}/{run.id}"]
    assert effects == 1 if succeeded else effects <= 1, (run, status)
    # The operator's own call may be cut on a busy machine; that is no matter of the agent's.
    assert succeeded or status["reason"] == "ConnectionFailed", (run, status)
