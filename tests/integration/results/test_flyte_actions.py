"""F1, F3, F7, F9, F11, F12 to F16: what a program of Flyte asks of the Actions service is done, or refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClient, ActionsServiceClientSync
from flyteidl2.actions.actions_service_pb2 import EnqueueRequest, UpdateRequest
from flyteidl2.common.phase_pb2 import ActionPhase
from flyteidl2.core.execution_pb2 import ExecutionError
from flyteidl2.core.types_pb2 import SimpleType
from flyteidl2.workflow.run_definition_pb2 import ConditionPromptType
from flyteidl2.workflow.run_service_connect import RunServiceClientSync
from flyteidl2.workflow.run_service_pb2 import CreateRunRequest
from flyteidl2.workflow.state_service_pb2 import ActionUpdate
from google.protobuf.json_format import MessageToDict, ParseDict

from cluster.clusters import Cluster
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions import condition as progress_of
from support.actions import create, wait_for
from support.actions_services import ActionsServices, action_id, condition, task, watch
from support.api import list_objects, patch_object
from support.bucket import Bucket
from support.flyte_tasks import parameters, pod_task
from support.flytesdk import environment
from support.flytesdk.program import Story, words
from support.hand_kubelet import HandKubelet, waiting
from taskaction.integrations.flyte.executor.model import FlyteParameters
from taskaction.integrations.flyte.executor.places import AttemptPaths

pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.timeout(300)]
SECONDS = 60
FOLDER = "file:///nowhere/flyte"
SETTINGS = {
    "TASKACTION_FLYTE_STORAGE": f"*={FOLDER}",
    "TASKACTION_FLYTE_START_TIMEOUT": "3s",
    "TASKACTION_FLYTE_IMAGE_TIMEOUT": "2s",
    "TASKACTION_STATUS_DELAY": "100ms",
}
GATED = {
    "containers": [{"name": "main", "image": "registry.local/flyte:1"}],
    "schedulingGates": [{"name": "a.test/held"}],
}
"""A pod whose time to start does not count until its gate is removed."""
SERIAL = "one-at-a-time"


@pytest.fixture(scope="module")
def services(crds: Cluster, operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionsServices]:
    del operator
    namespace = "flyte-results"
    crds.kubectl("create", "namespace", namespace)
    kubectl = crds.kubectl.within(namespace)
    kubectl("create", "role", "pods", "--verb=create,get,list,delete", "--resource=pods")
    kubectl("create", "rolebinding", "pods", "--role=pods", f"--serviceaccount={namespace}:default")
    found = ActionsServices(kubectl, namespace, tmp_path_factory.mktemp("results"))
    found.start(task_types="noop=noop,sleep=sleep,fail=fail,parent=approval", queues=f"serial-1={SERIAL}")
    yield found
    found.close()
    crds.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
async def client(services: ActionsServices) -> AsyncIterator[ActionsServiceClient]:
    async with ActionsServiceClient(services.url) as found:
        yield found


@pytest.fixture
def story(services: ActionsServices, tmp_path: Any, request: pytest.FixtureRequest) -> Story:
    """A run whose root stays as it is while the test's program acts for it."""
    run = action_id("".join(filter(str.isalnum, request.node.name))[-30:]).run
    with ActionsServiceClientSync(services.url) as client:
        client.enqueue(parent(run.name))
    return Story(python=environment.python(), address=services.address, run=run, folder=tmp_path)


def parent(run: str) -> EnqueueRequest:
    """Give a root that waits."""
    return task(run, kind="parent", prompt="the program's own action")


async def until(client: ActionsServiceClient, run: str, phases: dict[str, int]) -> dict[str, list[ActionUpdate]]:
    """Follow the children of a run until each has its phase; give all updates of each."""
    seen: dict[str, list[ActionUpdate]] = {}
    async with asyncio.timeout(SECONDS), aclosing(client.watch_for_updates(watch(run))) as stream:
        async for response in stream:
            if response.HasField("action_update"):
                seen.setdefault(response.action_update.action_id.name, []).append(response.action_update)
            if all(name in seen and seen[name][-1].phase == phase for name, phase in phases.items()):
                return seen
    raise AssertionError("the stream has ended")


async def refusal(call: Any) -> ConnectError:
    with pytest.raises(ConnectError) as refused:
        await call
    return refused.value


def child(services: ActionsServices, run: str, name: str) -> dict[str, Any]:
    (found,) = list_objects(services.kubectl, "ta", f"flyte.org/run={run},flyte.org/action={name}")
    return dict(found)


def raw_prefix(base: str) -> str:
    """Return where the pods of a run write files of their own, as the executor tells them."""
    return AttemptPaths.of(FlyteParameters.model_validate(parameters(runOutputBase=base)), 1).raw


@pytest.mark.parametrize("kind", ["volume", "bucket"])
def test_f01_files_that_a_program_creates_are_in_the_storage_of_its_run(
    story: Story, tmp_path: Path, kind: str
) -> None:
    base = f"file://{tmp_path}/runs" if kind == "volume" else "s3://runs"
    story = replace(story, raw=raw_prefix(base))
    with Bucket() as bucket:
        made = words(story.ended(story.start("files", bucket.environment), SECONDS))

    if kind == "volume":
        assert [Path(path).read_bytes() for path in made] == [b"1", b"2"]
        assert all(Path(path).is_relative_to(tmp_path / "runs" / "a1" / "1") for path in made)
    else:
        assert [bucket.files[path.removeprefix("s3:/")] for path in made] == [b"1", b"2"]
        assert all(path.startswith("s3://runs/a1/1/raw/") for path in made)


@pytest.mark.parametrize("kind", ["volume", "bucket"])
def test_f01_a_data_frame_that_a_program_returns_is_in_the_storage_of_its_run(
    story: Story, tmp_path: Path, kind: str
) -> None:
    base = f"file://{tmp_path}/runs" if kind == "volume" else "s3://runs"
    story = replace(story, raw=raw_prefix(base))
    with Bucket() as bucket:
        dataset = story.ended(story.start("frame", bucket.environment), SECONDS).scalar.structured_dataset

    prefix = f"{tmp_path}/runs" if kind == "volume" else "s3://runs"
    assert dataset.uri.startswith(f"{prefix}/a1/1/raw/")
    file = f"{dataset.uri}/data.csv"
    assert (Path(file).read_bytes() if kind == "volume" else bucket.files[file.removeprefix("s3:/")]) == b"a\n1\n"


def test_f03_a_condition_that_nobody_answers_in_time_raises_the_sdks_own_error(
    services: ActionsServices, story: Story
) -> None:
    program = story.start("late_condition")

    assert words(story.ended(program, SECONDS)) == ["not answered in time"]
    (asked,) = list_objects(services.kubectl, "ta", f"flyte.org/run={story.run.name},flyte.org/is-root=false")
    assert asked["status"]["phase"] == "TimedOut"
    # F12: the SDK warns of every update that names no folder for outputs.
    assert "has no output URI" not in program.log.read_text()


@pytest.mark.parametrize(
    ("kind", "custom", "below"), [("fail", {"message": "it broke"}, "Aborted"), ("noop", {}, "Running")]
)
async def test_f07_children_end_with_a_parent_that_failed(
    client: ActionsServiceClient, services: ActionsServices, kind: str, custom: dict[str, str], below: str
) -> None:
    run = f"left-by-{kind}"
    root = task(run, kind="sleep", duration="1h")
    root.action.task.spec.task_template.metadata.timeout.seconds = 2 if kind == "fail" else 0
    if kind == "noop":
        root.action.task.spec.task_template.custom.update({"duration": "2s"})
    await client.enqueue(root)
    await client.enqueue(task(run, "child", "a0", kind="sleep", duration="1h"))
    await until(client, run, {"child": ActionPhase.ACTION_PHASE_RUNNING})

    def ended() -> bool:
        return bool(child(services, run, "a0").get("status", {}).get("finishedAt"))

    await asyncio.to_thread(wait_until, ended, timeout=SECONDS, what="the parent's end")
    expected = "TimedOut" if kind == "fail" else "Succeeded"
    assert child(services, run, "a0")["status"]["phase"] == expected
    if below == "Aborted":
        await until(client, run, {"child": ActionPhase.ACTION_PHASE_ABORTED})
    assert child(services, run, "child")["status"]["phase"] == below


async def test_f09_a_condition_keeps_all_that_people_should_read(
    client: ActionsServiceClient, services: ActionsServices
) -> None:
    await client.enqueue(parent("asked"))
    request = condition("asked", "sure", "a0", SimpleType.BOOLEAN)
    request.action.condition.name = "Release to production"
    request.action.condition.prompt, request.action.condition.description = "**Sure?**", "Version 1.2"
    request.action.condition.prompt_type = ConditionPromptType.CONDITION_PROMPT_TYPE_MARKDOWN

    await client.enqueue(request)

    assert child(services, "asked", "sure")["spec"]["parameters"] == {
        "type": "boolean",
        "title": "Release to production",
        "prompt": "**Sure?**",
        "promptType": "Markdown",
        "description": "Version 1.2",
    }
    called = condition("asked", "called", "a0", SimpleType.BOOLEAN)
    called.action.condition.webhook.url = "https://hooks.example/it"
    refused = await refusal(client.enqueue(called))
    assert (refused.code, "condition.webhook" in refused.message) == (Code.INVALID_ARGUMENT, True)


async def test_f11_a_queue_is_the_provider_that_a_setting_maps_it_to(
    client: ActionsServiceClient, services: ActionsServices
) -> None:
    provider = {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionProvider",
        "metadata": {"name": SERIAL},
        "spec": {"executor": "sleep", "limits": {"maxConcurrent": 1}},
    }
    create(services.kubectl, [provider])
    await client.enqueue(parent("queued"))
    for name in ("first", "second"):
        request = task("queued", name, "a0", kind="sleep", duration="1s")
        request.action.task.queue = "serial-1"
        await client.enqueue(request)

    done = dict.fromkeys(("first", "second"), ActionPhase.ACTION_PHASE_SUCCEEDED)
    await until(client, "queued", done)

    first, second = (child(services, "queued", name) for name in ("first", "second"))
    assert first["spec"]["providerRef"]["name"] == SERIAL
    assert "executor" not in first["spec"]
    begun, over = sorted([first, second], key=lambda one: str(one["status"]["startedAt"]))
    assert over["status"]["startedAt"] >= begun["status"]["finishedAt"]
    unknown = task("queued", "third", "a0")
    unknown.action.task.queue = "gpu"
    refused = await refusal(client.enqueue(unknown))
    assert (refused.code, "TASKACTION_ACTIONS_QUEUES" in refused.message) == (Code.INVALID_ARGUMENT, True)


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        ("cluster_pool", {"clusterPool": "gpu"}),
        ("notification_rules", {"notificationRuleName": "mail"}),
        ("max_action_concurrency", {"maxActionConcurrency": 5}),
        ("recover", {"recover": {}}),
    ],
)
async def test_f11_what_has_no_meaning_here_is_refused(client: ActionsServiceClient, field: str, spec: Any) -> None:
    request = task("meaningless")
    ParseDict(spec, request.run_spec)

    refused = await refusal(client.enqueue(request))

    assert (refused.code, f"run_spec.{field}" in refused.message) == (Code.INVALID_ARGUMENT, True)


async def test_f11_what_does_no_harm_is_named_in_the_answer(services: ActionsServices) -> None:
    request = task("overwriting")
    request.run_spec.overwrite_cache = True
    url = f"{services.url}/flyteidl2.actions.ActionsService/Enqueue"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=MessageToDict(request)) as answer,
    ):
        assert (answer.status, await answer.json(content_type=None)) == (200, {})
        assert "overwrite_cache has no effect" in answer.headers["taskaction-warning"]


async def test_f12_every_update_names_the_folder_of_the_attempt(client: ActionsServiceClient) -> None:
    await client.enqueue(parent("folders"))
    await client.enqueue(task("folders", "child", "a0"))
    await client.enqueue(condition("folders", "sure", "a0", SimpleType.BOOLEAN))

    seen = await until(
        client,
        "folders",
        {"child": ActionPhase.ACTION_PHASE_SUCCEEDED, "sure": ActionPhase.ACTION_PHASE_PAUSED},
    )

    assert {update.output_uri for update in seen["child"]} == {"s3://out/child/1"}
    assert {update.output_uri for update in seen["sure"]} == {"s3://out/sure/1"}


async def test_f14_the_address_of_an_attempt_is_kept_and_watchers_get_it(
    client: ActionsServiceClient, services: ActionsServices
) -> None:
    await client.enqueue(parent("reached"))
    await client.enqueue(task("reached", "child", "a0", kind="sleep", duration="1h"))
    await until(client, "reached", {"child": ActionPhase.ACTION_PHASE_RUNNING})
    request = UpdateRequest(action_id=action_id("reached", "child"), attempt=1)
    address = {"pod": {"namespace": "flyte", "name": "p", "ip": "10.0.0.7", "port": 8080}, "path": "/ui"}
    ParseDict(address, request.address)
    request.status.phase, request.status.attempts = ActionPhase.ACTION_PHASE_RUNNING, 1

    async with asyncio.timeout(SECONDS), aclosing(client.watch_for_updates(watch("reached"))) as stream:
        await client.update(request)
        async for response in stream:
            if response.action_update.HasField("address"):
                break

    assert MessageToDict(response.action_update.address) == address
    assert child(services, "reached", "child")["status"]["address"] == address


async def test_f15_kubectl_shows_the_name_of_the_task(client: ActionsServiceClient, services: ActionsServices) -> None:
    request = task("shown", kind="parent", prompt="stays")
    request.action.task.spec.task_template.id.name = "sums.square root"
    await client.enqueue(request)
    await client.enqueue(condition("shown", "sure", "a0", SimpleType.BOOLEAN))

    lines = services.kubectl("get", "ta", "-l", "flyte.org/run=shown").splitlines()

    column = lines[0].index("TASK")
    assert {line[column:].split()[0] for line in lines[1:]} == {"sums.square-root", "sure"}


@pytest.mark.parametrize(
    ("why", "code"), [("CreateContainerConfigError", "CannotStart"), ("ErrImagePull", "ImageNotPulled")]
)
async def test_f13_a_task_that_cannot_start_fails_soon_with_the_reason(
    client: ActionsServiceClient, services: ActionsServices, why: str, code: str
) -> None:
    run = code.lower()
    await client.enqueue(parent(run))
    request = task(run, "child", "a0")
    request.action.task.spec.task_template.MergeFrom(pod_task(GATED, primary="main"))
    request.action.run_output_base = f"{FOLDER}/{run}"
    await client.enqueue(request)
    name = child(services, run, "child")["metadata"]["name"]
    kubelet = HandKubelet(services.kubectl)
    pod = await asyncio.to_thread(kubelet.wait_for_pod, name)

    def report(scheduled: datetime) -> None:
        """Report what keeps the container from its start; its time counts from when the pod was scheduled."""
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": scheduled.isoformat()}
        kubelet.report(pod, "Pending", container=waiting(why, "no such thing"), conditions=[condition])

    report(datetime.now(UTC) + timedelta(hours=1))
    patch_object(services.kubectl, "pod", pod["metadata"]["name"], {"spec": {"schedulingGates": None}})

    def shows(item: dict[str, Any]) -> bool:
        return f"{why}: no such thing" in progress_of(item, "Progressing").get("message", "")

    shown = await asyncio.to_thread(wait_for, services.kubectl, name, shows)
    report(datetime.now(UTC))
    seen = await until(client, run, {"child": ActionPhase.ACTION_PHASE_FAILED})

    assert shown["status"]["phase"] == "Initializing"
    error = seen["child"][-1].error
    assert (error.code, error.kind) == (code, ExecutionError.ErrorKind.USER)
    assert f"{why}: no such thing" in error.message


@pytest.mark.parametrize("kind", ["connect", "grpc", "json"])
async def test_f16_another_service_of_flyte_is_refused_in_words(services: ActionsServices, kind: str) -> None:
    said = "flyteidl2.workflow.RunService/CreateRun is not implemented: this address serves"
    if kind == "connect":
        with RunServiceClientSync(services.url) as client, pytest.raises(ConnectError, match=said) as refused:
            client.create_run(CreateRunRequest())
        assert refused.value.code == Code.UNIMPLEMENTED
    elif kind == "grpc":
        with grpc.insecure_channel(services.address) as channel, pytest.raises(grpc.RpcError) as error:
            channel.unary_unary("/flyteidl2.workflow.RunService/CreateRun")(b"")
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert said in error.value.details()
    else:
        url = f"{services.url}/flyteidl2.workflow.RunService/CreateRun"
        async with aiohttp.ClientSession() as session, session.post(url, json={"unknown": 1}) as answer:
            found = json.loads(await answer.text())
        assert (answer.status, found["code"], said in found["message"]) == (501, "unimplemented", True)
