"""The Actions service beside a real operator and API server: what clients of Connect, gRPC and plain HTTP see."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial

import grpc
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.actions.actions_service_pb2 import (
    AbortRequest,
    SignalRequest,
    UpdateRequest,
    WatchForUpdatesRequest,
    WatchForUpdatesResponse,
)
from flyteidl2.actions.actions_service_pb2_grpc import ActionsServiceStub
from flyteidl2.common.phase_pb2 import ActionPhase
from flyteidl2.core.catalog_pb2 import CatalogCacheStatus
from flyteidl2.core.types_pb2 import SimpleType
from google.protobuf import descriptor_pool
from google.protobuf.json_format import MessageToJson
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.manifests import ROOT
from local.operator_process import Operator
from support.actions_services import ActionsServices, action_id, condition, task, trace, watch

pytestmark = pytest.mark.usefixtures("operator")
SECONDS = 60


@pytest.fixture(scope="module")
def services(crds: Cluster, operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionsServices]:
    del operator
    namespace = "flyte-actions-tests"
    crds.kubectl("create", "namespace", namespace)
    found = ActionsServices(crds.kubectl.within(namespace), namespace, tmp_path_factory.mktemp("actions"))
    found.start(task_types="noop=noop,sleep=sleep,fail=fail,parent=approval")
    yield found
    found.close()
    crds.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def objects(services: ActionsServices) -> Kubectl:
    return services.kubectl


@pytest.fixture
async def client(services: ActionsServices) -> AsyncIterator[ActionsServiceClient]:
    async with ActionsServiceClient(services.url) as found:
        yield found


def parent(run: str):
    return task(run, kind="parent", prompt="a parent that goes on")


async def until(client: ActionsServiceClient, request: WatchForUpdatesRequest, phases: dict[str, int]) -> dict:
    """Follow until each child has the phase; give the newest update of each."""
    seen: dict[str, WatchForUpdatesResponse] = {}
    async with asyncio.timeout(SECONDS), aclosing(client.watch_for_updates(request)) as stream:
        async for response in stream:
            if response.HasField("action_update"):
                seen[response.action_update.action_id.name] = response.action_update
            if all(name in seen and seen[name].phase == phase for name, phase in phases.items()):
                return seen
    raise AssertionError("the stream has ended")


async def refusal(call) -> ConnectError:
    with pytest.raises(ConnectError) as refused:
        await call
    return refused.value


async def test_a_child_is_run_and_its_parent_is_told(client):
    await client.enqueue(parent("told"))
    await client.enqueue(task("told", "child", "a0"))
    seen = await until(client, watch("told"), {"child": ActionPhase.ACTION_PHASE_SUCCEEDED})
    assert seen["child"].action_id == action_id("told", "child")


async def test_a_failure_is_told_with_its_error(client):
    await client.enqueue(parent("failing"))
    await client.enqueue(task("failing", "child", "a0", kind="fail", message="it broke", code="Broken"))
    seen = await until(client, watch("failing"), {"child": ActionPhase.ACTION_PHASE_FAILED})
    assert (seen["child"].error.code, seen["child"].error.message) == ("Broken", "it broke")


async def test_a_snapshot_holds_what_has_ended_and_then_a_sentinel(client):
    await client.enqueue(parent("snapshot"))
    await client.enqueue(task("snapshot", "child", "a0"))
    await until(client, watch("snapshot"), {"child": ActionPhase.ACTION_PHASE_SUCCEEDED})
    async with asyncio.timeout(SECONDS), aclosing(client.watch_for_updates(watch("snapshot"))) as stream:
        first, second = await anext(stream), await anext(stream)
    assert first.action_update.phase == ActionPhase.ACTION_PHASE_SUCCEEDED
    assert second.control_message.sentinel


async def test_equal_runs_of_two_projects_do_not_meet(client):
    await client.enqueue(parent("shared"))
    other = task("shared", project="office")
    await client.enqueue(other)
    assert (await refusal(client.enqueue(other))).code == Code.ALREADY_EXISTS


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(task("refused", "child", "missing"), Code.NOT_FOUND, id="missing parent"),
        pytest.param(task("r" * 31), Code.INVALID_ARGUMENT, id="name too long"),
        pytest.param(condition("refused", "c", "", SimpleType.DATETIME), Code.INVALID_ARGUMENT, id="odd condition"),
    ],
)
async def test_what_cannot_be_enqueued_is_refused_with_the_right_code(client, request_, code):
    assert (await refusal(client.enqueue(request_))).code == code


async def test_enqueueing_twice_is_told_from_asking_for_something_else(client):
    await client.enqueue(parent("twice"))
    await client.enqueue(task("twice", "child", "a0", output="one"))
    assert (await refusal(client.enqueue(task("twice", "child", "a0", output="one")))).code == Code.ALREADY_EXISTS
    assert (await refusal(client.enqueue(task("twice", "child", "a0", output="two")))).code == Code.INVALID_ARGUMENT


async def test_an_abort_is_kept_on_record_and_reaches_the_children(client, objects):
    await client.enqueue(parent("aborted"))
    await client.enqueue(task("aborted", "child", "a0", kind="sleep", duration="1h"))
    await client.abort(AbortRequest(action_id=action_id("aborted"), reason="no longer needed"))
    await until(client, watch("aborted"), {"child": ActionPhase.ACTION_PHASE_ABORTED})
    stored = json.loads(objects("get", "ta", "--selector=flyte.org/run=aborted,flyte.org/is-root=true", "-ojson"))
    abort = stored["items"][0]["spec"]["abort"]
    assert abort["reason"] == "no longer needed"
    assert abort["by"]
    assert abort["at"]
    await client.abort(AbortRequest(action_id=action_id("aborted")))
    assert (await refusal(client.enqueue(task("aborted", "late", "a0")))).code == Code.ABORTED
    assert (await refusal(client.abort(AbortRequest(action_id=action_id("nowhere"))))).code == Code.NOT_FOUND


async def test_a_signal_answers_a_condition_once(client):
    await client.enqueue(parent("asked"))
    await client.enqueue(condition("asked", "ok", "a0", SimpleType.BOOLEAN))
    await until(client, watch("asked"), {"ok": ActionPhase.ACTION_PHASE_PAUSED})

    def answer(**value: object) -> SignalRequest:
        request = SignalRequest(action_id=action_id("asked", "ok"), parent_action_name="a0")
        for name, said in value.items():
            setattr(request.value.scalar.primitive, name, said)
        return request

    assert (await refusal(client.signal(answer(integer=1)))).code == Code.INVALID_ARGUMENT
    await client.signal(answer(boolean=True))
    seen = await until(client, watch("asked"), {"ok": ActionPhase.ACTION_PHASE_SUCCEEDED})
    assert seen["ok"].value.scalar.primitive.boolean
    await client.signal(answer(boolean=True))
    assert (await refusal(client.signal(answer(boolean=False)))).code == Code.FAILED_PRECONDITION


async def test_a_trace_is_told_at_once_and_to_whoever_starts_again(client, objects):
    await client.enqueue(parent("traced"))
    failed = trace("traced", "failed", ActionPhase.ACTION_PHASE_FAILED)
    async with asyncio.timeout(SECONDS), aclosing(client.watch_for_updates(watch("traced"))) as stream:
        assert (await anext(stream)).control_message.sentinel
        await client.enqueue(trace("traced", "step"))
        live = (await anext(stream)).action_update
    assert (live.action_id, live.phase) == (action_id("traced", "step"), ActionPhase.ACTION_PHASE_SUCCEEDED)
    assert live.output_uri == "s3://out/step/outputs.pb"
    await client.enqueue(failed)
    assert (await refusal(client.enqueue(failed))).code == Code.ALREADY_EXISTS
    seen = await until(client, watch("traced"), {"step": live.phase, "failed": ActionPhase.ACTION_PHASE_FAILED})
    assert not seen["failed"].HasField("error")  # the SDK finds it in storage, and would replay a made-up one
    found = json.loads(objects("get", "actionevents", "--selector=flyte.org/run=traced", "-ojson"))["items"]
    assert [one["metadata"]["ownerReferences"][0]["kind"] for one in found] == ["TaskAction"] * 2
    assert (await refusal(client.enqueue(trace("nowhere", "step")))).code == Code.NOT_FOUND


def update(run: str, name: str, phase: int, attempt: int = 1) -> UpdateRequest:
    request = UpdateRequest(action_id=action_id(run, name), attempt=attempt)
    request.status.phase, request.status.attempts = phase, attempt
    return request


async def test_an_update_is_applied_by_the_owner_and_one_of_an_attempt_that_is_over_is_refused(client, objects):
    await client.enqueue(parent("updated"))
    for name in ("child", "aborted"):
        await client.enqueue(task("updated", name, "a0", kind="sleep", duration="1h"))
    running = dict.fromkeys(("child", "aborted"), ActionPhase.ACTION_PHASE_RUNNING)
    await until(client, watch("updated"), running)
    second = update("updated", "child", ActionPhase.ACTION_PHASE_PAUSED, attempt=2)
    second.status.cache_status = CatalogCacheStatus.CACHE_MISS
    await client.update(second)
    await until(client, watch("updated"), {"child": ActionPhase.ACTION_PHASE_PAUSED})
    stale = update("updated", "child", ActionPhase.ACTION_PHASE_SUCCEEDED)
    assert (await refusal(client.update(stale))).code == Code.FAILED_PRECONDITION
    done = update("updated", "child", ActionPhase.ACTION_PHASE_SUCCEEDED, attempt=2)
    await client.update(done)
    await client.update(update("updated", "aborted", ActionPhase.ACTION_PHASE_ABORTED))
    ended = {"child": ActionPhase.ACTION_PHASE_SUCCEEDED, "aborted": ActionPhase.ACTION_PHASE_ABORTED}
    await until(client, watch("updated"), ended)
    await client.update(done)  # told again, as after an answer that was lost
    failed = update("updated", "child", ActionPhase.ACTION_PHASE_FAILED, attempt=2)
    assert (await refusal(client.update(failed))).code == Code.FAILED_PRECONDITION
    found = json.loads(objects("get", "ta", "--selector=flyte.org/run=updated,flyte.org/action=child", "-ojson"))
    status = found["items"][0]["status"]
    assert (status["attempt"], status["cacheStatus"]) == (2, "Miss")
    assert [one["phase"] for one in status["attempts"]] == ["Failed", "Succeeded"]


@pytest.mark.parametrize("kind", ["connect", "grpc"])
async def test_a_watch_ends_with_its_client_and_not_only_with_the_next_message(client, services, kind):
    await client.enqueue(parent(f"left-{kind}"))
    before = services.metric("taskaction_actions_watches")
    if kind == "connect":
        async with aclosing(client.watch_for_updates(watch(f"left-{kind}"))) as stream:
            await anext(stream)
            assert services.metric("taskaction_actions_watches") == before + 1
    else:
        with grpc.insecure_channel(services.address) as channel:
            stream = ActionsServiceStub(channel).WatchForUpdates(watch(f"left-{kind}"))  # ends when nobody holds it
            next(stream)
            assert services.metric("taskaction_actions_watches") == before + 1
    gone = partial(wait_until, lambda: services.metric("taskaction_actions_watches") == before)
    await asyncio.to_thread(gone, timeout=10, what="the end of the watch")  # the heartbeat is three times as long
    log = services.running[-1].log.read_text()
    assert any(f"left-{kind}" in line and "code=canceled" in line for line in log.splitlines())


def test_the_stubs_of_grpcio_work(services):
    with grpc.insecure_channel(services.address) as channel:
        stub = ActionsServiceStub(channel)
        stub.Enqueue(parent("grpc"))
        stub.Enqueue(task("grpc", "child", "a0"))
        for response in stub.WatchForUpdates(watch("grpc"), timeout=SECONDS):
            if response.action_update.phase == ActionPhase.ACTION_PHASE_SUCCEEDED:
                break
        with pytest.raises(grpc.RpcError) as refused:
            stub.Enqueue(task("grpc", "child", "missing"))
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_service_that_is_killed_in_the_middle_of_a_watch_is_found_again(client, services):
    await client.enqueue(parent("crash"))
    await client.enqueue(task("crash", "child", "a0", kind="sleep", duration="5s"))
    await until(client, watch("crash"), {"child": ActionPhase.ACTION_PHASE_RUNNING})
    async with asyncio.timeout(SECONDS), aclosing(client.watch_for_updates(watch("crash"))) as stream:
        await anext(stream)
        services.kill()
        with pytest.raises(ConnectError) as ended:
            async for _ in stream:
                pass
    assert ended.value.code in {Code.UNAVAILABLE, Code.INTERNAL, Code.UNKNOWN}
    await asyncio.to_thread(services.start, task_types="noop=noop,sleep=sleep,fail=fail,parent=approval")
    await until(client, watch("crash"), {"child": ActionPhase.ACTION_PHASE_SUCCEEDED})


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_a_client_of_reflection_finds_the_service_and_all_that_it_is_made_of(services, version):
    request, response = reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
    with grpc.insecure_channel(services.address) as channel:
        ask = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        asked = [
            request(list_services=""),
            request(file_containing_symbol="flyteidl2.actions.ActionsService"),
            request(file_containing_symbol=f"grpc.reflection.{version}.ServerReflection"),
            request(all_extension_numbers_of_type="google.protobuf.FieldOptions"),
            request(file_by_filename="nothing.proto"),
        ]
        listed, found, itself, extensions, missing = ask(iter(asked))
    names = {one.name for one in listed.list_services_response.service}
    assert {"flyteidl2.actions.ActionsService", "grpc.health.v1.Health"} < names
    pool = descriptor_pool.DescriptorPool()
    for file in reversed([*found.file_descriptor_response.file_descriptor_proto]):
        pool.AddSerializedFile(file)
    service = pool.FindServiceByName("flyteidl2.actions.ActionsService")
    assert {method.name for method in service.methods} == {"Enqueue", "WatchForUpdates", "Update", "Abort", "Signal"}
    assert len(itself.file_descriptor_response.file_descriptor_proto) == 1
    assert 1159 in extensions.all_extension_numbers_response.extension_number  # the rules of protovalidate
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_the_published_client_of_reflection_works(services):
    with grpc.insecure_channel(services.address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(database)
        assert "grpc.health.v1.Health" in database.get_services()
        assert pool.FindServiceByName("flyteidl2.actions.ActionsService").methods_by_name["Signal"]


def test_a_script_needs_no_more_than_curl_as_the_page_shows_it(services):
    page = (ROOT / "docs" / "actions-service.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    commands = [one for block in blocks for one in re.findall(r"^\$ (.*(?:\n    .*)*)", block, re.MULTILINE)]
    script = "\n".join(one for one in commands if "actions serve" not in one and not one.startswith("kubectl"))
    script = script.replace("127.0.0.1:8094", services.address).replace("--max-time 10", "--max-time 3")
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=SECONDS, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer for answer in answers if not answer] == [{}] * 6, done.stdout + done.stderr
    told = {one["actionUpdate"]["actionId"]["name"]: one["actionUpdate"] for one in answers if "actionUpdate" in one}
    assert told["sure"]["value"] == {"scalar": {"primitive": {"boolean": True}}}, answers
    assert told["one"]["phase"] == "ACTION_PHASE_SUCCEEDED"
    assert {"controlMessage": {"sentinel": True}} in answers


def test_a_script_is_told_what_is_wrong(services):
    url = f"{services.url}/flyteidl2.actions.ActionsService/Enqueue"
    request = MessageToJson(task("script", "child", "missing"))
    command = ["curl", "--silent", "--write-out", "\n%{http_code}", "--header", "Content-Type: application/json"]
    answer, _, code = subprocess.check_output([*command, "--data", request, url], text=True).rpartition("\n")
    assert (int(code), json.loads(answer)["code"]) == (404, "not_found")
    answer, _, code = subprocess.check_output([*command, "--data", '{"action": 7}', url], text=True).rpartition("\n")
    assert (int(code), json.loads(answer)["code"]) == (400, "invalid_argument")


@pytest.mark.parametrize(
    ("option", "version"),
    [
        ("--http1.1", "1.1"),
        ("--http2", "1.1"),  # asks for an upgrade, which need not be followed where there is a body
        ("--http2-prior-knowledge", "2"),
    ],
)
def test_a_script_may_speak_any_version_of_http(services, option, version):
    request = MessageToJson(task(f"http{option.replace('-', '').replace('.', '')}"), indent=None)
    url = f"{services.url}/flyteidl2.actions.ActionsService/Enqueue"
    command = ["curl", "--silent", option, "--write-out", "\n%{http_version} %{http_code}"]
    command += ["--header", "Content-Type: application/json", "--data", request, url]
    assert subprocess.check_output(command, text=True).split("\n") == ["{}", f"{version} 200"]
