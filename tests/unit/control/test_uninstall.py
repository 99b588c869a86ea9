"""Before an uninstallation everything that is unfinished ends, and what does not is let go within the bound."""

import asyncio

from support.fake_cluster import FakeCluster
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body
from taskaction.control.uninstall import REASON, UninstallRunner
from taskaction.core.constants import API_VERSION, FINALIZER, HELD_LABEL, PORT_FINALIZER, PORT_UNREPORTED_LABEL
from taskaction.testing.clock import FakeClock


class Stage:
    """A cluster with actions, and an operator that may be there."""

    def __init__(self, *, operator: bool) -> None:
        self.cluster, self.clock = FakeCluster(), FakeClock()
        self.said: list[str] = []
        if operator:
            self.cluster.meanwhile = self.abort

    def put(self, name: str, phase: str = "Running", *, held: bool = False, namespace: str = "team") -> None:
        metadata: Body = {"name": name, "namespace": namespace, "labels": {}}
        if held:
            metadata |= {"labels": {HELD_LABEL: "true"}, "finalizers": ["another.example/one", FINALIZER]}
        body = {"apiVersion": API_VERSION, "kind": "TaskAction", "metadata": metadata}
        self.cluster.store(TASK_ACTIONS, body | {"spec": {"executor": "noop"}, "status": {"phase": phase}})

    def get(self, name: str, namespace: str = "team") -> Body:
        return self.cluster.objects["taskactions", namespace, name]

    def abort(self, verb: str, _: str) -> None:
        """Play the operator: end what was told to, when somebody looks again."""
        for body in list(self.cluster.objects.values()) if verb == "list" else ():
            if "abort" in body["spec"] and body["status"]["phase"] == "Running":
                kept = [one for one in body["metadata"].get("finalizers", ()) if one != FINALIZER]
                ended = {"metadata": body["metadata"] | {"finalizers": kept}, "status": {"phase": "Aborted"}}
                self.cluster.store(TASK_ACTIONS, body | ended)

    async def release(self, seconds: float = 5.0, namespaces: tuple[str, ...] = ()) -> int:
        releaser = UninstallRunner(self.cluster, self.clock, namespaces, self.said.append)
        running = asyncio.create_task(releaser.run(seconds))
        await self.clock.advance(10 * seconds)
        return await running


async def test_unfinished_actions_are_aborted_and_waited_for() -> None:
    stage = Stage(operator=True)
    stage.put("one")
    stage.put("two", held=True)
    stage.put("done", "Succeeded")
    assert await stage.release() == 0
    assert stage.get("one")["spec"]["abort"] == {"reason": REASON}
    assert {stage.get(name)["status"]["phase"] for name in ("one", "two")} == {"Aborted"}
    assert "abort" not in stage.get("done")["spec"]


async def test_runs_of_flows_are_aborted_so_that_they_start_nothing_more() -> None:
    stage = Stage(operator=False)
    metadata = {"name": "r", "namespace": "team", "labels": {}}
    stage.cluster.store(ACTION_FLOW_RUNS, {"metadata": metadata, "spec": {}, "status": {"phase": "Running"}})
    await stage.release(2.0)
    assert stage.cluster.objects["actionflowruns", "team", "r"]["spec"]["abort"] == {"reason": REASON}


async def test_what_nobody_ends_is_let_go_when_the_time_is_up() -> None:
    stage = Stage(operator=False)
    stage.put("stuck", held=True)
    assert await stage.release(3.0) == 1
    assert stage.get("stuck")["metadata"]["finalizers"] == ["another.example/one"]
    assert stage.said[-1] == "1 actions did not end in time; 1 finalizers were removed"


async def test_finished_actions_that_a_crash_left_held_are_let_go_at_once() -> None:
    stage = Stage(operator=False)
    stage.put("done", "Succeeded", held=True)
    assert await stage.release() == 0
    assert stage.get("done")["metadata"]["finalizers"] == ["another.example/one"]


async def test_namespaces_that_are_not_served_are_left_alone() -> None:
    stage = Stage(operator=True)
    stage.put("mine")
    stage.put("theirs", namespace="other")
    assert await stage.release(namespaces=("team",)) == 0
    assert "abort" not in stage.get("theirs", "other")["spec"]


async def test_a_refusal_is_said_and_does_not_stop_the_others() -> None:
    stage = Stage(operator=True)
    stage.put("one")
    stage.put("two")
    stage.cluster.fail("patch", ForbiddenError("no"), name="one")
    assert await stage.release() == 0
    assert "team/one: no" in stage.said


def claimed(stage: Stage) -> Body:
    """Put an action there whose end Port does not know yet."""
    stage.put("claimed", "Succeeded")
    metadata = stage.get("claimed")["metadata"]
    marks = {"labels": {PORT_UNREPORTED_LABEL: "true"}, "finalizers": [PORT_FINALIZER]}
    stage.cluster.store(TASK_ACTIONS, stage.get("claimed") | {"metadata": metadata | marks})
    return stage.get("claimed")


async def test_an_end_that_nobody_tells_port_is_let_go_when_the_time_is_up() -> None:
    stage = Stage(operator=False)
    claimed(stage)
    assert await stage.release(3.0) == 0
    assert stage.get("claimed")["metadata"]["finalizers"] == []
    assert sum(stage.clock.asked) >= 3.0


async def test_an_agent_that_runs_is_given_the_time_to_tell_port() -> None:
    stage = Stage(operator=False)
    body = claimed(stage)
    told = body | {"metadata": body["metadata"] | {"labels": {}, "finalizers": []}}

    def agent(verb: str, _: str) -> None:
        if verb == "list" and len(stage.clock.asked) == 2:
            stage.cluster.store(TASK_ACTIONS, told)

    stage.cluster.meanwhile = agent
    assert await stage.release(60.0) == 0
    assert len(stage.clock.asked) == 2
    assert stage.said[-1] == "0 actions did not end in time; 0 finalizers were removed"
