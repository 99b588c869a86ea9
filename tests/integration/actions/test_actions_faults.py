"""The Actions service on a real API server when things go wrong, or when twenty want the same at the same moment."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.actions.actions_service_pb2 import AbortRequest, SignalRequest
from flyteidl2.common.phase_pb2 import ActionPhase
from flyteidl2.core.types_pb2 import SimpleType

from cluster.clusters import Cluster
from cluster.controlplane import ControlPlane
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions_services import ActionsServices, action_id, condition, task, watch
from support.api import list_objects
from support.lying_server import LyingServer, expire

NAMESPACE = "flyte-fault-tests"
AT_ONCE = 20
SECONDS = 60


@pytest.fixture(scope="module")
def services(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionsServices]:
    """No operator runs here: actions stay as they are, unless a test writes their status."""
    crds.kubectl("create", "namespace", NAMESPACE)
    found = ActionsServices(crds.kubectl.within(NAMESPACE), NAMESPACE, tmp_path_factory.mktemp("faults"))
    found.start()
    yield found
    found.close()
    crds.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
async def clients(services: ActionsServices) -> AsyncIterator[list[ActionsServiceClient]]:
    """Clients with a connection each."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(ActionsServiceClient(services.url)) for _ in range(AT_ONCE)]


async def answers(calls: Iterable[Awaitable[object]]) -> Counter[str]:
    """Make calls at the same moment, and count how they were answered."""
    return Counter([ended.code.value if isinstance(ended, ConnectError) else "ok" for ended in await ended_of(calls)])


async def ended_of(calls: Iterable[Awaitable[object]]) -> list[Any]:
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert all(not isinstance(one, Exception) or isinstance(one, ConnectError) for one in ended), ended
    return ended


def stored(kubectl: Kubectl, run: str, action: str) -> list[dict[str, Any]]:
    """Give the objects of an action."""
    selector = f"flyte.org/run={run},flyte.org/action={action}"
    found: list[dict[str, Any]] = list_objects(kubectl, "ta", selector)
    return found


def report(kubectl: Kubectl, run: str, action: str, **status: str) -> None:
    """Write a status, as an operator does."""
    (found,) = stored(kubectl, run, action)
    name = found["metadata"]["name"]
    if status["phase"] != "Running":
        status["finishedAt"] = found["metadata"]["creationTimestamp"]
    kubectl("patch", "ta", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


async def test_of_many_who_enqueue_the_same_one_makes_it(clients, services):
    await clients[0].enqueue(task("race"))
    found = await answers([client.enqueue(task("race", "same", "a0")) for client in clients])
    assert found == {"ok": 1, "already_exists": AT_ONCE - 1}
    assert len(stored(services.kubectl, "race", "same")) == 1


async def test_of_many_who_enqueue_different_things_under_one_name_one_gets_it(clients, services):
    await clients[0].enqueue(task("names"))
    requests = [task("names", "one", "a0", output=f"value {number}") for number in range(AT_ONCE)]
    found = await answers([client.enqueue(one) for client, one in zip(clients, requests, strict=True)])
    assert found == {"ok": 1, "invalid_argument": AT_ONCE - 1}
    assert len(stored(services.kubectl, "names", "one")) == 1


async def test_of_many_who_abort_all_are_heard_and_the_first_is_on_record(clients, services):
    await clients[0].enqueue(task("unwanted"))
    requests = [AbortRequest(action_id=action_id("unwanted"), reason=f"reason {number}") for number in range(AT_ONCE)]
    found = await answers([client.abort(one) for client, one in zip(clients, requests, strict=True)])
    assert found == {"ok": AT_ONCE}
    (body,) = stored(services.kubectl, "unwanted", "a0")
    assert body["spec"]["abort"]["reason"] in {one.reason for one in requests}
    assert body["metadata"]["generation"] == 2


def answer(run: str, **value: Any) -> SignalRequest:
    request = SignalRequest(action_id=action_id(run, "asked"), parent_action_name="a0")
    ((name, said),) = value.items()
    setattr(request.value.scalar.primitive, name, said)
    return request


async def test_of_many_who_answer_a_condition_the_first_counts(clients):
    await clients[0].enqueue(task("asked"))
    await clients[0].enqueue(condition("asked", "asked", "a0", SimpleType.INTEGER))
    requests = [answer("asked", integer=number) for number in range(AT_ONCE)]
    found = await answers([client.signal(one) for client, one in zip(clients, requests, strict=True)])
    assert found == {"ok": 1, "failed_precondition": AT_ONCE - 1}


async def test_of_many_who_answer_the_same_all_are_heard(clients):
    await clients[0].enqueue(task("agreed"))
    await clients[0].enqueue(condition("agreed", "asked", "a0", SimpleType.STRING))
    assert await answers([client.signal(answer("agreed", string_value="yes")) for client in clients]) == {"ok": AT_ONCE}


async def test_the_longest_names_that_there_are_fit(clients, services):
    request = task("r" * 30, "a" * 30)
    run = request.action.action_id.run
    run.org, run.project, run.domain = "o" * 63, "p" * 63, "d" * 63
    await clients[0].enqueue(request)
    (body,) = stored(services.kubectl, "r" * 30, "a" * 30)
    assert len(body["metadata"]["name"]) <= 63
    await clients[0].enqueue(task("run-01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAV"))
    with pytest.raises(ConnectError, match="a valid label") as refused:
        await clients[0].enqueue(task("spaced", "a name"))
    assert refused.value.code == Code.INVALID_ARGUMENT


async def test_what_no_object_can_hold_is_refused_for_good(clients):
    with pytest.raises(ConnectError, match="more than the maximum") as refused:
        await clients[0].enqueue(task("huge", output="x" * 1_600_000))
    assert refused.value.code == Code.INVALID_ARGUMENT


async def test_events_that_only_look_like_traces_do_no_harm(clients, services):
    await clients[0].enqueue(task("forged"))
    (root,) = stored(services.kubectl, "forged", "a0")
    name = root["metadata"]["name"]
    for number, payload in enumerate(
        (
            {"place": {"a": 1}, "parent": name},
            {"place": "x", "parent": ["y"]},
            {"place": "x", "parent": name, "outputUri": 7},
        )
    ):
        event = {
            "apiVersion": "taskaction.dev/v1alpha1",
            "kind": "ActionEvent",
            "metadata": {"name": f"forged-{number}", "labels": {"flyte.org/action-type": "trace"}},
            "spec": {"target": {"name": name}, "type": "Trace", "payload": {**payload, "phase": "Succeeded"}},
        }
        services.kubectl("create", "-f", "-", stdin=json.dumps(event))
    async with asyncio.timeout(SECONDS), aclosing(clients[0].watch_for_updates(watch("forged"))) as stream:
        while not (await anext(stream)).HasField("control_message"):
            pass
        await clients[0].enqueue(task("forged", "child", "a0"))
        while (await anext(stream)).action_update.action_id.name != "child":
            pass


async def followed(client: ActionsServiceClient, run: str, told: dict[str, str], sentinels: list[str]) -> None:
    """Follow a run as the SDK does: connect again whenever a watch ends."""
    while True:
        try:
            async for response in client.watch_for_updates(watch(run)):
                if response.HasField("control_message"):
                    sentinels.append(run)
                else:
                    told[run] = response.action_update.output_uri
        except ConnectError as ended:
            if ended.code == Code.CANCELED:  # what the client makes of the end of its task
                return
            await asyncio.sleep(0.2)


async def until(is_so: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(partial(wait_until, is_so, timeout=SECONDS, what=what))


async def test_fifty_watchers_of_a_service_that_is_killed_all_learn_what_has_come_of_it(services):
    runs = [f"many{number}" for number in range(50)]
    told: dict[str, str] = {}
    sentinels: list[str] = []
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(ActionsServiceClient(services.url)) for _ in runs]
        for client, run in zip(clients, runs, strict=True):
            await client.enqueue(task(run))
            await client.enqueue(task(run, "child", "a0"))
        following = [
            asyncio.create_task(followed(client, run, told, sentinels))
            for client, run in zip(clients, runs, strict=True)
        ]
        try:
            await until(lambda: set(sentinels) == set(runs), "fifty watches")
            services.kill()
            for run in runs[:5]:  # while nobody looks
                await asyncio.to_thread(
                    report, services.kubectl, run, "child", phase="Succeeded", outputUri="s3://missed"
                )
            sentinels.clear()
            await asyncio.to_thread(services.start)
            await until(lambda: set(sentinels) == set(runs), "fifty watches again")
            for run in runs[5:10]:
                await asyncio.to_thread(report, services.kubectl, run, "child", phase="Running", outputUri="s3://live")
            changed = dict.fromkeys(runs[:5], "s3://missed") | dict.fromkeys(runs[5:10], "s3://live")
            await until(lambda: {run: told[run] for run in changed} == changed, "what has changed")
            assert set(told) == set(runs)
            assert all(told[run].startswith("s3://out/") for run in runs[10:])
        finally:
            for one in following:
                one.cancel()
            await asyncio.gather(*following, return_exceptions=True)


async def test_what_happens_while_the_history_of_the_api_server_is_lost_is_told_all_the_same(services):
    services.kill()
    own = services.kubeconfig
    with LyingServer(own) as lying:
        try:
            services.kubeconfig = lying.write_kubeconfig(services.folder / "lying-kubeconfig")
            await asyncio.to_thread(services.start)
            async with ActionsServiceClient(services.url) as client:
                for name, parent in (("a0", None), ("changed", "a0"), ("deleted", "a0"), ("ended", "a0")):
                    await client.enqueue(task("gap", name, parent))
                async with asyncio.timeout(2 * SECONDS), aclosing(client.watch_for_updates(watch("gap"))) as stream:
                    while not (await anext(stream)).HasField("control_message"):
                        pass
                    lying.freeze_watches()
                    report(services.kubectl, "gap", "changed", phase="Succeeded", outputUri="s3://unseen")
                    (gone,) = stored(services.kubectl, "gap", "deleted")
                    services.kubectl("delete", "ta", gone["metadata"]["name"])
                    report(services.kubectl, "gap", "ended", phase="Failed")
                    with pytest.raises(ConnectError, match="'ended' has ended: Failed") as late:
                        await client.abort(AbortRequest(action_id=action_id("gap", "ended")))
                    assert late.value.code == Code.FAILED_PRECONDITION
                    lies = lying.tell("GET", "taskactions", "watch=true", answer=expire)
                    lying.hang_up_watches()
                    phases = {}
                    while not {"changed", "deleted"} <= set(phases):
                        update = (await anext(stream)).action_update
                        if update.action_id.name:
                            phases[update.action_id.name] = update.phase
        finally:
            services.kill()
            services.kubeconfig = own
    assert lies.told == 1
    assert phases == {
        "changed": ActionPhase.ACTION_PHASE_SUCCEEDED,
        "deleted": ActionPhase.ACTION_PHASE_ABORTED,
        "ended": ActionPhase.ACTION_PHASE_FAILED,
    }
    await asyncio.to_thread(services.start)


async def test_a_watch_outlives_an_api_server_that_goes_and_comes_back(control_plane: ControlPlane, clients, services):
    client = clients[0]
    await client.enqueue(task("outage"))
    await client.enqueue(task("outage", "child", "a0"))
    async with asyncio.timeout(2 * SECONDS), aclosing(client.watch_for_updates(watch("outage"))) as stream:
        assert (await anext(stream)).action_update.action_id.name == "child"
        assert (await anext(stream)).control_message.sentinel
        await asyncio.to_thread(control_plane.kill_apiserver)
        with pytest.raises(ConnectError) as refused:
            await client.enqueue(task("outage", "late", "a0"))
        assert refused.value.code == Code.UNAVAILABLE
        await asyncio.to_thread(control_plane.start_apiserver)
        report_it = partial(report, services.kubectl, "outage", "child", phase="Succeeded", outputUri="s3://done")
        await asyncio.to_thread(report_it)
        while True:
            update = (await anext(stream)).action_update
            if update.phase == ActionPhase.ACTION_PHASE_SUCCEEDED:
                break
    assert update.output_uri == "s3://done"
