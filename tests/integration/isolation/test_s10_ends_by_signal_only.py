"""S10 and S6 at the Actions service: conditions end by `Signal`, and watches show only what callers enqueued."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.actions.actions_service_pb2 import UpdateRequest
from flyteidl2.common.phase_pb2 import ActionPhase
from flyteidl2.core.types_pb2 import SimpleType

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import action, get, patch, phase, wait_for, wait_for_phase
from support.actions_services import ActionsServices, action_id, condition, task, watch
from support.api import create_object, get_object, list_objects, wait_for_object
from support.attackers import CREATOR, make_account
from support.cluster import new_namespace
from support.people import right
from support.refusals import create, manifest

SECONDS = 60
ENDS = [ActionPhase.ACTION_PHASE_SUCCEEDED, ActionPhase.ACTION_PHASE_FAILED, ActionPhase.ACTION_PHASE_TIMED_OUT]
ASK = {
    "StartAt": "Ask",
    "States": {"Ask": {"Type": "Action", "ActionUrl": "taskaction://executor/approval", "Parameters": {}, "End": True}},
}


@pytest.fixture(scope="module")
def services(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionsServices]:
    with new_namespace(crds, "flyte") as namespace:
        kubectl = crds.kubectl.within(namespace)
        found = ActionsServices(kubectl, namespace, tmp_path_factory.mktemp("actions"))
        verbs = ("get", "list", "watch", "create", "update", "patch", "delete", "abort")
        make_account(kubectl, "editor", *(right(verb, "taskactions") for verb in verbs))
        make_account(kubectl, "creator", *CREATOR)
        found.start(authentication="token", task_types="noop=noop,parent=approval")
        yield found
        found.close()


@pytest.fixture
async def client(services: ActionsServices, operator: Operator) -> AsyncIterator[ActionsServiceClient]:
    async with ActionsServiceClient(services.url) as found:
        yield found


def as_editor(services: ActionsServices) -> dict[str, str]:
    return {"authorization": f"Bearer {services.token('editor')}"}


async def until(client: ActionsServiceClient, services: ActionsServices, run: str, name: str, expected: int) -> list:
    """Follow the children of a run until one has a phase; give every update until then."""
    seen = []
    stream = client.watch_for_updates(watch(run), headers=as_editor(services))
    async with asyncio.timeout(SECONDS), aclosing(stream):
        async for response in stream:
            if response.HasField("action_update"):
                seen.append(response.action_update)
                if (seen[-1].action_id.name, seen[-1].phase) == (name, expected):
                    return seen
    raise AssertionError("the stream has ended")


async def test_s10_an_update_ends_no_condition(client: ActionsServiceClient, services: ActionsServices) -> None:
    headers = as_editor(services)
    await client.enqueue(task("asked", kind="parent"), headers=headers)
    await client.enqueue(condition("asked", "ok", "a0", SimpleType.BOOLEAN), headers=headers)
    await until(client, services, "asked", "ok", ActionPhase.ACTION_PHASE_PAUSED)
    for end in (*ENDS, ActionPhase.ACTION_PHASE_RUNNING):
        request = UpdateRequest(action_id=action_id("asked", "ok"), attempt=1)
        request.status.phase, request.status.attempts = end, 1
        with pytest.raises(ConnectError, match="ends by Signal only") as refused:
            await client.update(request, headers=headers)
        assert refused.value.code == Code.FAILED_PRECONDITION
    assert list_objects(services.kubectl, "ae") == []


async def test_s06_the_service_shows_no_child_that_nobody_enqueued(
    client: ActionsServiceClient, services: ActionsServices
) -> None:
    headers, kubectl = as_editor(services), services.kubectl
    await client.enqueue(task("shown", kind="parent"), headers=headers)
    parent = next(one for one in list_objects(kubectl, "ta") if one["metadata"]["labels"]["flyte.org/run"] == "shown")
    metadata = parent["metadata"]
    ref = {"kind": "TaskAction", "name": metadata["name"], "uid": metadata["uid"]}
    forged = action("forged", parentRef=ref)
    forged["metadata"]["labels"] = metadata["labels"] | {"flyte.org/action": "child"}
    create_object(kubectl, forged, f"--as=system:serviceaccount:{services.namespace}:creator")
    wait_for_phase(kubectl, "forged", "Succeeded")
    await client.enqueue(task("shown", "true", "a0"), headers=headers)
    seen = await until(client, services, "shown", "true", ActionPhase.ACTION_PHASE_SUCCEEDED)
    assert {update.action_id.name for update in seen} == {"true"}


@pytest.mark.parametrize("said", ["Succeeded", "Failed", "TimedOut", "Running"])
def test_s10_an_action_event_ends_no_approval(operator: Operator, victim: Kubectl, said: str) -> None:
    user = make_account(victim, "reporter", right("create", "actionevents"))
    create_object(victim, action("ask", "approval"))
    wait_for_phase(victim, "ask", "Paused")
    report(victim, user, "ask", said)
    assert phase(get(victim, "ask")) == "Paused"
    patch(victim, "ask", {"signal": {"value": True}})
    assert wait_for(victim, "ask")["status"]["output"]["value"] is True


def test_s10_an_action_event_ends_no_flow_with_an_approval(operator: Operator, victim: Kubectl) -> None:
    user = make_account(victim, "reporter", right("create", "actionevents"))
    runs = tuple(right(verb, "actionflowruns") for verb in ("create", "get", "delete"))
    make_account(victim, "runner", *CREATOR, *runs)
    body = action("above", "flow", {"definition": ASK}, runAs={"serviceAccountName": "runner"})
    create_object(victim, body)
    wait_for_phase(victim, "above", "Paused")
    report(victim, user, "above", "Succeeded")
    assert phase(get(victim, "above")) == "Paused"
    (run,) = list_objects(victim, "afr")
    assert phase(get_object(victim, "afr", run["metadata"]["name"])) == "Paused"


def report(victim: Kubectl, user: str, name: str, said: str) -> None:
    """Send a report about the first attempt of an action, and return when the operator has taken it."""
    uid = get(victim, name)["metadata"]["uid"]
    payload = {"attempt": 1, "phase": said}
    spec = {"type": "Update", "target": {"name": name, "uid": uid}, "payload": payload}
    create(victim, manifest("ActionEvent", spec, name="report"), f"--as={user}")
    create_object(victim, action("later"))
    wait_for_object(victim, "ta", "later", lambda found: phase(found) == "Succeeded")
