"""The client library on a real API server with a real operator: every verb, both clients, cuts, credentials."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from aiohttp import web

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from local.manifests import ROOT
from support.accounts import create_account
from support.client_wheel import build_wheel, install_wheel, run
from support.lying_server import LyingServer, do_it_and_say_nothing, do_it_first, expire, hang_up, refuse
from taskaction_client import (
    Action,
    ActionFailedError,
    AlreadyExistsError,
    Client,
    ConfigurationError,
    DeletedError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OutputStoredError,
    Request,
    SyncClient,
    WaitTimeoutError,
)
from taskaction_client.failures import (
    ActionAbortedError,
    ActionFlowFailedError,
    ActionInvalidParametersError,
    ActionTotalTimeoutError,
)
from taskaction_client.objects import API_VERSION

SETTINGS = {"TASKACTION_STATUS_DELAY": "50ms"}
PATIENCE = 60
BIN = Path(sys.executable).parent
PAGES = (ROOT / "docs" / "from-python.md", ROOT / "packages" / "taskaction-client" / "README.md")
PRINTED = ("42", "hello Ada", "FailedOnPurpose no disk", str(sum(range(200))), "{'answer': 42}")
APPROVAL = {"executor": "approval", "parameters": {"prompt": "ship?", "failOnReject": True}}
LONG = {"executor": "sleep", "parameters": {"duration": "1h"}}
FLOW = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"n": 7}, "ResultPath": "$.a", "End": True}}}
SUBMITTER = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "submitter"},
    "rules": [
        {"apiGroups": ["taskaction.dev"], "resources": ["taskactions"], "verbs": ["create", "get", "list", "watch"]}
    ],
}
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "submitter"}}


def binding(namespace: str) -> dict:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "submitter"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "submitter"},
        "subjects": [{"kind": "ServiceAccount", "name": "submitter", "namespace": namespace}],
    }


@pytest.fixture
def token(crds: Cluster, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Path:
    """A kubeconfig with the token of an account that may create and see actions, and nothing else."""
    items = [ACCOUNT, SUBMITTER, binding(namespace)]
    placed = [{**one, "metadata": {**one["metadata"], "namespace": namespace}} for one in items]
    return create_account(kubectl, namespace, "submitter", placed, tmp_path / "token")


@pytest_asyncio.fixture
async def client(operator, kubeconfig: Path, namespace: str) -> AsyncIterator[Client]:
    """A client with the certificate of the cluster's administrator, in the test's namespace."""
    async with Client(kubeconfig=kubeconfig, namespace=namespace) as opened:
        yield opened


async def test_run_returns_the_output(client: Client) -> None:
    spec = {"executor": "noop", "parameters": {"output": {"answer": 42, "text": "ä"}}}
    assert await client.actions.run(spec, timeout=PATIENCE) == {"answer": 42, "text": "ä"}


async def test_a_failure_is_an_error_of_the_class_of_its_reason(client: Client) -> None:
    with pytest.raises(ActionInvalidParametersError, match="duration") as caught:
        await client.actions.run({"executor": "sleep", "parameters": {"duration": "x"}}, timeout=PATIENCE)
    assert caught.value.snapshot.status["error"]["kind"] == "User"
    with pytest.raises(ActionTotalTimeoutError):
        await client.actions.run({**LONG, "timeouts": {"total": "1s"}}, timeout=PATIENCE)
    with pytest.raises(ActionFailedError, match="oops") as other:
        await client.actions.run({"executor": "fail", "parameters": {"message": "oops"}}, timeout=PATIENCE)
    assert (type(other.value), other.value.reason) == (ActionFailedError, "FailedOnPurpose")


async def test_abort_ends_an_action_with_its_reason(client: Client) -> None:
    submitted = await client.actions.submit(LONG, name="long", labels={"team": "a"})
    await client.actions.abort("long", reason="no longer needed")
    with pytest.raises(ActionAbortedError, match="no longer needed"):
        await client.actions.result(submitted, timeout=PATIENCE)
    await client.actions.abort(submitted)  # has ended: nothing happens
    assert [one.name for one in await client.actions.list(label_selector="team=a")] == ["long"]


async def wait_for_phase(client: Client, target: Action, phase: str) -> Action:
    async with aclosing(client.actions.stream(target)) as stream:
        async for seen in stream:
            if seen.phase == phase:
                return seen
    raise AssertionError(f"ended without {phase}")


async def test_signals_approve_and_reject(client: Client) -> None:
    for value, ended in ((True, "Succeeded"), (False, "Failed")):
        waiting = await wait_for_phase(client, await client.actions.submit(APPROVAL), "Paused")
        await client.actions.signal(waiting, value)
        assert (await client.actions.wait(waiting, timeout=PATIENCE)).phase == ended


async def test_a_timeout_leaves_the_action_running(client: Client) -> None:
    waiting = await client.actions.submit(APPROVAL)
    with pytest.raises(WaitTimeoutError, match="it continues"):
        await client.actions.wait(waiting, timeout=0.01)
    assert not (await client.actions.get(waiting)).has_ended


async def test_flow_runs_have_the_same_verbs(client: Client) -> None:
    assert await client.flow_runs.run({"definition": FLOW, "input": {"b": 1}}, timeout=PATIENCE) == {
        "a": {"n": 7},
        "b": 1,
    }
    failing = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Oops", "Cause": "bad"}}}
    with pytest.raises(ActionFlowFailedError):
        await client.flow_runs.run({"definition": failing}, timeout=PATIENCE)


async def test_a_name_is_taken_once_and_a_repeated_request_returns_its_object(client: Client) -> None:
    spec = {"executor": "noop"}
    first = await client.actions.submit(spec, name="invoice-42", request_id="42")
    again = await client.actions.submit(spec, name="invoice-42", request_id="42")
    assert again.uid == first.uid
    with pytest.raises(AlreadyExistsError, match="invoice-42"):
        await client.actions.submit(spec, name="invoice-42")


async def test_errors_of_the_api_server_name_the_field(client: Client) -> None:
    with pytest.raises(InvalidError, match="paramters"):
        await client.actions.submit({"executor": "noop", "paramters": {}})
    with pytest.raises(NotFoundError, match="nothing"):
        await client.actions.wait("nothing")


async def raise_at_the_end(stream: AsyncIterator[Action]) -> None:
    """Raise what a stream raises; an operator that was quicker than the deletion makes it an abort."""
    async for seen in stream:
        if seen.has_ended:
            raise DeletedError(f"{seen} is {seen.phase}")


async def test_a_deleted_action_ends_the_wait(client: Client, kubectl: Kubectl) -> None:
    waiting = await client.actions.submit(APPROVAL, name="gone")
    async with aclosing(client.actions.stream(waiting)) as stream:
        await anext(stream)
        await asyncio.to_thread(kubectl, "delete", "ta", "gone")
        with pytest.raises(DeletedError, match="gone"):
            await raise_at_the_end(stream)
    with pytest.raises(NotFoundError):
        await client.actions.get(waiting)


async def test_an_output_in_the_storage_is_an_error_that_names_it(client: Client) -> None:
    with pytest.raises((OutputStoredError, ActionFailedError), match=r"too large|OutputTooLarge"):
        await client.actions.run({"executor": "noop", "parameters": {"output": "x" * 40_000}}, timeout=PATIENCE)


async def test_a_batch_runs_bounded_and_reports_each_failure(client: Client) -> None:
    pulled = open_requests = most = 0

    def requests() -> Iterator[Request]:
        nonlocal pulled, open_requests, most
        for number in range(300):
            pulled += 1
            open_requests += 1
            most = max(most, open_requests)
            parameters = {"output": number} if number % 100 else {"output": number, "typo": 1}
            yield Request(spec={"executor": "noop", "parameters": parameters}, name=f"item-{number}")

    outputs, failures = set(), []
    async with aclosing(client.actions.run_many(requests(), in_flight=40)) as outcomes:
        async for outcome in outcomes:
            open_requests -= 1
            if outcome.error is None:
                outputs.add(outcome.result())
            else:
                failures.append(outcome)
    assert outputs == {number for number in range(300) if number % 100}
    assert {one.request.name for one in failures} == {"item-0", "item-100", "item-200"}
    assert {type(one.error) for one in failures} == {ActionInvalidParametersError}
    assert (pulled, most) == (300, 40)


async def test_a_batch_that_is_repeated_creates_nothing_twice(client: Client) -> None:
    requests = [Request(spec={"executor": "noop"}, name=f"once-{n}", request_id=f"once/{n}") for n in range(20)]
    first = {one.snapshot.uid async for one in client.actions.submit_many(requests[:12])}
    second = {one.snapshot.uid async for one in client.actions.submit_many(requests)}
    ended = {one.snapshot.uid async for one in client.actions.run_many(requests)}
    assert first < second == ended
    assert len(await client.actions.list()) == 20


async def test_cuts_and_lost_answers_lose_and_repeat_nothing(
    client: Client, token: Path, namespace: str, tmp_path: Path
) -> None:
    with LyingServer(token) as server:
        server.tell("POST", answer=do_it_and_say_nothing(token))
        server.tell("POST", answer=refuse(429, "TooManyRequests", retry_after="0"))
        async with Client(kubeconfig=server.write_kubeconfig(tmp_path / "config"), namespace=namespace) as cut:
            waiting = await cut.actions.submit(APPROVAL)
            seen: list[Action] = []
            async with aclosing(cut.actions.stream(waiting)) as stream:
                async for found in stream:
                    seen.append(found)
                    if found.phase == "Paused" and "signal" not in found.body["spec"]:
                        server.tell("watch=true", answer=expire)
                        server.hang_up_watches()
                        await client.actions.signal(found, True)
        assert server.count("POST") == 3
    assert [one.uid for one in await client.actions.list()] == [waiting.uid]
    versions = [one.resource_version for one in seen]
    assert len(set(versions)) == len(versions)
    assert seen[-1].phase == "Succeeded"


async def test_a_batch_sees_the_ends_of_actions_that_ended_before_their_creation_was_answered(
    operator, kubectl: Kubectl, token: Path, namespace: str, tmp_path: Path
) -> None:
    async def wait_for_the_end(request: web.Request, server: LyingServer) -> web.Response:
        name = (await request.json())["metadata"]["name"]
        wait = ("wait", f"ta/{name}", "--for=condition=Finished", f"--timeout={PATIENCE}s")
        await asyncio.to_thread(kubectl, *wait)
        return await hang_up(request, server)

    with LyingServer(token) as server:
        server.tell("POST", answer=do_it_first(token, wait_for_the_end), times=3)
        server.freeze_watches()
        async with Client(kubeconfig=server.write_kubeconfig(tmp_path / "config"), namespace=namespace) as cut:
            requests = [Request(spec={"executor": "noop", "parameters": {"output": n}}) for n in range(3)]
            outcomes = [one async for one in cut.actions.run_many(requests)]
        server.thaw_watches()
    assert sorted(one.result() for one in outcomes) == [0, 1, 2]


async def test_an_account_with_a_token_may_do_what_its_role_says(operator, token: Path, namespace: str) -> None:
    async with Client(kubeconfig=token, namespace=namespace) as client:
        assert await client.actions.run({"executor": "noop", "parameters": {"output": 1}}, timeout=PATIENCE) == 1
        going = await client.actions.submit(APPROVAL)
        with pytest.raises(ForbiddenError, match="cannot patch"):
            await client.actions.abort(going)


def test_a_server_that_is_not_trusted_is_an_error_at_once(own_config: Path) -> None:
    config = yaml.safe_load(own_config.read_text())
    del config["clusters"][0]["cluster"]["certificate-authority-data"]
    own_config.write_text(yaml.safe_dump(config))
    refused = pytest.raises(ConfigurationError, match=r"certificate-authority: .* is not trusted")
    with SyncClient(kubeconfig=own_config) as client, refused:
        client.actions.list()


def test_the_synchronous_client_has_the_same_verbs(operator, kubeconfig: Path, namespace: str) -> None:
    with SyncClient(kubeconfig=kubeconfig, namespace=namespace) as client:
        assert client.actions.run({"executor": "noop", "parameters": {"output": [1]}}, timeout=PATIENCE) == [1]
        waiting = client.actions.submit(APPROVAL)
        for seen in client.actions.stream(waiting):
            if seen.phase == "Paused":
                break
        client.actions.signal(waiting, True)
        assert client.actions.wait(waiting, timeout=PATIENCE).succeeded
        assert client.actions.result(waiting) is not None
        going = client.actions.submit(LONG)
        client.actions.abort(going)
        with pytest.raises(ActionAbortedError):
            client.actions.result(going.name, timeout=PATIENCE)
        requests = (Request(spec=dict(client.actions.get(waiting).spec)) for _ in range(3))  # asks the client itself
        made = [one.snapshot for one in client.actions.submit_many(requests, in_flight=2)]
        assert len({one.uid for one in made}) == 3
        done = client.actions.run_many(Request(spec={"executor": "noop"}) for _ in range(5))
        assert [one.snapshot.phase for one in done] == ["Succeeded"] * 5
        assert client.flow_runs.run({"definition": FLOW}, timeout=PATIENCE) == {"a": {"n": 7}}
        assert len(client.actions.list()) == 11


@pytest.fixture
def own_config(kubeconfig: Path, namespace: str, tmp_path: Path) -> Path:
    """A kubeconfig whose context has the test's namespace."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_programs_of_the_documents_run_from_the_wheel_alone(operator, own_config: Path, tmp_path: Path) -> None:
    python = install_wheel(build_wheel(tmp_path), tmp_path / "clean")
    blocks = [block for page in PAGES for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)]
    text = "".join(
        run(python, "-W", "error", "-c", block, cwd=tmp_path, KUBECONFIG=str(own_config)) for block in blocks
    )
    for line in PRINTED:
        assert f"{line}\n" in text, text
    assert len(set(re.findall(r"^(\S+) Succeeded$", text, re.MULTILINE))) == 1  # one invoice


def test_the_shell_steps_of_the_page_from_ci_run(operator, own_config: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "from-ci.md").read_text(), re.DOTALL)
    again = blocks[1].splitlines()[-1]  # the job is repeated
    script = "set -e\n" + "\n".join([*blocks[:2], again, *blocks[2:]])
    assert run("bash", "-c", script, cwd=tmp_path, **command_line(own_config)).startswith("released v7\n")


@pytest.mark.parametrize(("executor", "code"), [("noop", 0), ("fail", 1)])
def test_the_reusable_workflow_ends_with_the_result(
    operator, kubeconfig: Path, namespace: str, tmp_path: Path, executor: str, code: int
) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "run-action.yml").read_text())
    step = workflow["jobs"]["run"]["steps"][-1]
    metadata = {"generateName": "deploy-"}
    made = {"apiVersion": API_VERSION, "kind": "TaskAction", "metadata": metadata, "spec": {"executor": executor}}
    (tmp_path / "deploy.yaml").write_text(yaml.safe_dump(made))
    values = {"CONTENT": kubeconfig.read_text(), "MANIFEST": "deploy.yaml", "NAMESPACE": namespace, "TIMEOUT": "1m"}
    values |= command_line(tmp_path / "written")
    assert set(step["env"]) == set(values) - {"PATH"}
    done = subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=os.environ | values, check=False)
    assert done.returncode == code


def command_line(kubeconfig: Path) -> dict[str, str]:
    """Return the environment in which `taskaction` is on the PATH."""
    return {"KUBECONFIG": str(kubeconfig), "PATH": os.pathsep.join((str(BIN), os.environ["PATH"]))}
