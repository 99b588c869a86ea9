"""R25: everybody who reads an output also reads one that is in the storage; what no object needs goes from there."""

import asyncio
import json
import os
import uuid
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.actions.actions_service_pb2 import SignalRequest
from flyteidl2.common.phase_pb2 import ActionPhase
from flyteidl2.core.types_pb2 import SimpleType

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support import preloaded
from support.actions import action, create, get, wait_for, wait_for_phase
from support.actions_services import ActionsServices, action_id, condition, task, watch
from support.api import create_object
from support.operators import QUICK_LEASES, Operators

TEXT = "x" * 60_000
GROW = {"Type": "ExpressionEval", "Parameters": {"x.=": "[s] * 5"}, "ResultPath": "$.x", "End": True}
GROWN = {"StartAt": "Grow", "States": {"Grow": GROW}}
ANSWER = "y" * 2000
OLD_DAY = "2020-01-01"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


def settings(folder: Path) -> dict[str, str]:
    """Small outputs are stored, too, and the storage is swept all the time."""
    return {
        **QUICK_LEASES,
        "TASKACTION_STORAGE": f"file://{folder}",
        "TASKACTION_MAX_OUTPUT_BYTES": "1024",
        "TASKACTION_STORAGE_SWEEP_INTERVAL": "500ms",
    }


@pytest.fixture
def running(operators: Operators, folder: Path) -> Operators:
    """The operators of this module, of which one runs."""
    if not operators.running:
        operators.start(settings(folder))
    return operators


def taskaction(kubectl: Kubectl, *words: str, code: int = 0) -> tuple[str, str]:
    """Run a command of a person without a storage; return what it printed."""
    env = {name: text for name, text in os.environ.items() if not name.startswith("TASKACTION_")}
    told = preloaded.run([*words, f"--namespace={kubectl.namespace}"], env | {"KUBECONFIG": str(kubectl.kubeconfig)})
    assert told.returncode == code, told.stdout[-500:] + told.stderr
    return told.stdout, told.stderr


def grant_flows(kubectl: Kubectl) -> None:
    """Create the account `runner`, which may start flows."""
    kubectl("create", "serviceaccount", "runner")
    rules = [
        {"apiGroups": ["taskaction.dev"], "resources": ["taskactions"], "verbs": ["create"]},
        {"apiGroups": ["taskaction.dev"], "resources": ["actionflowruns"], "verbs": ["create", "get", "delete"]},
    ]
    metadata = {"name": "runner"}
    create_object(
        kubectl, {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    )
    kubectl("create", "rolebinding", "runner", "--role=runner", f"--serviceaccount={kubectl.namespace}:runner")


@pytest.mark.usefixtures("running")
def test_r25_the_stored_output_of_a_nested_flow_is_that_of_its_action_and_is_printed(
    kubectl: Kubectl, folder: Path
) -> None:
    grant_flows(kubectl)
    parameters = {"definition": GROWN, "input": {"s": TEXT}}
    create(kubectl, [action("outer", "flow", parameters, runAs={"serviceAccountName": "runner"})])
    ended = wait_for_phase(kubectl, "outer", "Succeeded", seconds=40)
    expected = {"s": TEXT, "x": {"x": [TEXT] * 5}}
    file = Path(ended["status"]["outputUri"].removeprefix("file://"))
    assert file.parent == folder / str(kubectl.namespace) / ended["metadata"]["uid"]
    assert json.loads(file.read_bytes()) == expected
    out, _ = taskaction(kubectl, "output", "outer", "--storage", f"file://{folder}")
    assert json.loads(out) == expected
    _, err = taskaction(kubectl, "output", "outer", code=2)
    assert f"--storage file://{folder}/" in err


async def answered(services: ActionsServices) -> str:
    """Ask for a text, answer it, and return the answer that a watch shows."""
    async with ActionsServiceClient(services.url) as client, asyncio.timeout(60):
        await client.enqueue(task("stored", kind="parent", prompt="the program's own action"))
        await client.enqueue(condition("stored", "word", "a0", SimpleType.STRING))
        request = SignalRequest(action_id=action_id("stored", "word"), parent_action_name="a0")
        request.value.scalar.primitive.string_value = ANSWER
        await client.signal(request)
        async with aclosing(client.watch_for_updates(watch("stored"))) as stream:
            async for response in stream:
                update = response.action_update
                if update.phase == ActionPhase.ACTION_PHASE_SUCCEEDED:
                    assert update.output_uri == "s3://out/word/1"
                    return str(update.value.scalar.primitive.string_value)
    raise AssertionError("the stream has ended")


@pytest.mark.usefixtures("running")
def test_r25_a_stored_answer_of_a_condition_reaches_the_client_of_the_actions_service(
    crds: Cluster, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = f"answers-{uuid.uuid4().hex[:8]}"
    crds.kubectl("create", "namespace", namespace)
    monkeypatch.setenv("TASKACTION_STORAGE", f"file://{folder}")
    services = ActionsServices(crds.kubectl.within(namespace), namespace, tmp_path)
    try:
        services.start(task_types="parent=approval")
        assert asyncio.run(answered(services)) == ANSWER
    finally:
        services.close()
        crds.kubectl("delete", "namespace", namespace, "--wait=false")


def plant(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    return path


def stored_file(folder: Path, item: dict[str, Any]) -> Path:
    (found,) = (folder / item["metadata"]["namespace"] / item["metadata"]["uid"]).iterdir()
    return found


@pytest.fixture
def pending(running: Operators, kubectl: Kubectl, folder: Path) -> Path:
    """The stored body of a request of two days ago, whose event still waits; the operator has marked the folder."""
    digest = sha256(b"{}").hexdigest()
    event = {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionEvent",
        "metadata": {"name": "waiting"},
        "spec": {
            "type": "Webhook",
            "correlationKey": "of no action",
            "receivedAt": f"{OLD_DAY}T12:00:00.000Z",
            "ttlSeconds": 3600,
            "content": {"size": 2, "sha256": digest},
        },
    }
    create_object(kubectl, event)
    return plant(folder, f"{kubectl.namespace}/webhooks/{OLD_DAY}/120000000-waiting-{digest}")


def test_r25_r36_files_that_nobody_needs_go_and_others_stay(
    kubectl: Kubectl, operators: Operators, folder: Path, pending: Path
) -> None:
    create(kubectl, [action(name, "noop", {"output": ANSWER}) for name in ("kept", "deleted")])
    kept, deleted = (stored_file(folder, wait_for(kubectl, name)) for name in ("kept", "deleted"))
    operators.kill()
    kubectl("delete", "ta", "deleted")
    left = [
        deleted,
        plant(folder, f"a-namespace-that-is-gone/{uuid.uuid4()}/{'0' * 64}.json"),
        plant(folder, f"{kubectl.namespace}/{uuid.uuid4()}/2-{'0' * 64}.json"),
        plant(folder, f"{kubectl.namespace}/webhooks/2020-01-02/120000000-never-created-{'0' * 64}"),
    ]
    foreign = plant(folder, f"{kubectl.namespace}/{uuid.uuid4()}/a0/1/outputs.pb")
    operators.start(settings(folder))
    wait_until(lambda: not any(path.exists() for path in left), timeout=30, what="what nobody needs to go")
    assert all(path.exists() for path in (kept, pending, foreign))
    assert json.loads(stored_file(folder, get(kubectl, "kept")).read_bytes()) == ANSWER
