"""R25: an output that does not fit into its object is stored before anything follows from the end of the action."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.action_provider import ActionProvider
from support.actions import action, create, get, patch, wait_for
from support.api import create_object, wait_for_object
from support.bucket import Bucket
from support.lying_server import LyingServer, say_nothing
from support.operators import QUICK_LEASES, Operators
from support.refusals import manifest

SOON = {"initial": "100ms", "factor": 1, "max": "100ms"}
SIZE = 300_000


@pytest.fixture
def provider() -> Iterator[ActionProvider]:
    with ActionProvider() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture
def running(operators: Operators, folder: Path) -> Operators:
    """The operators of this module, of which one runs with a storage in ``folder``."""
    if not operators.running:
        operators.start(settings(folder))
    return operators


def settings(folder: Path) -> dict[str, str]:
    return {**QUICK_LEASES, "TASKACTION_STORAGE": f"file://{folder}", "TASKACTION_SCAN_INTERVAL": "2s"}


def large(provider: ActionProvider, name: str = "large", **spec: Any) -> dict[str, Any]:
    return action(name, "globus", {"url": provider.url, "body": {"size": SIZE}, "poll": SOON}, **spec)


def files_of(folder: Path, item: dict[str, Any]) -> list[Path]:
    metadata = item["metadata"]
    return sorted((folder / metadata["namespace"] / metadata["uid"]).glob("*.json"))


def assert_stored(item: dict[str, Any], folder: Path) -> None:
    """Check that the status names the one file of an action, whose content is the output."""
    status = item["status"]
    (file,) = files_of(folder, item)
    content = file.read_bytes()
    assert (status["phase"], "output" in status) == ("Succeeded", False), status
    assert status["outputUri"] == f"file://{file}"
    assert status["outputDigest"] == f"sha256:{sha256(content).hexdigest()}"
    assert status["outputSize"] == len(content)
    assert len(json.loads(content)["details"]["text"]) == SIZE


@pytest.mark.usefixtures("running")
def test_r25_a_large_result_is_stored_then_released_and_removed_with_the_action(
    kubectl: Kubectl, provider: ActionProvider, folder: Path
) -> None:
    create(kubectl, [large(provider), large(provider, "kept")])
    ended, kept = wait_for(kubectl, "large"), wait_for(kubectl, "kept")
    assert_stored(ended, folder)
    wait_until(lambda: provider.asked["release"] == 2, timeout=20, what="the releases")
    assert provider.asked["run"] == 2
    kubectl("delete", "ta", "large")
    wait_until(lambda: not files_of(folder, ended), timeout=30, what="the file to go")
    assert_stored(kept, folder)


@pytest.mark.usefixtures("running")
def test_r25_a_flow_reads_the_stored_result_of_its_action(kubectl: Kubectl, provider: ActionProvider) -> None:
    states = {
        "Only": {
            "Type": "Action",
            "ActionUrl": provider.url,
            "Parameters": {"size": SIZE},
            "ResultPath": "$.done",
            "Next": "Last",
        },
        "Last": {
            "Type": "Pass",
            "Parameters": {"status.$": "$.done.status", "text.$": "$.done.details.text"},
            "End": True,
        },
    }
    definition = {"StartAt": "Only", "States": states}
    create_object(kubectl, manifest("ActionFlowRun", {"definition": definition}))
    found = wait_for_object(kubectl, "afr", "subject", lambda item: "finishedAt" in item.get("status", {}), 40)
    assert found["status"]["phase"] == "Succeeded", found["status"]
    output = json.loads(Path(found["status"]["outputUri"].removeprefix("file://")).read_bytes())
    assert (output["status"], len(output["text"])) == ("SUCCEEDED", SIZE)


@pytest.mark.usefixtures("running")
def test_r25_nothing_is_released_while_the_storage_is_away(
    kubectl: Kubectl, provider: ActionProvider, folder: Path
) -> None:
    in_the_way = folder / kubectl.namespace
    in_the_way.write_text("a file where the folder of the namespace should be")
    create(kubectl, [large(provider, timeouts={"attempt": "2s", "total": "3s"}), large(provider, "unwanted")])
    for name in ("large", "unwanted"):
        waiting = wait_for(kubectl, name, lambda item: item["status"].get("reason") == "StorageUnavailable")
        assert str(in_the_way) in waiting["status"]["message"]
        assert waiting["status"]["externalId"].startswith("provider-")
    create(kubectl, [action("neighbour")])
    wait_for(kubectl, "neighbour")
    patch(kubectl, "unwanted", {"abort": {}})
    assert wait_for(kubectl, "unwanted")["status"]["phase"] == "Aborted"
    wait_until(lambda: provider.asked["release"] == 1, timeout=20, what="the release of what was aborted")
    assert get(kubectl, "large")["status"]["phase"] == "Running"
    in_the_way.unlink()
    assert_stored(wait_for(kubectl, "large"), folder)
    wait_until(lambda: provider.asked["release"] == 2, timeout=20, what="the release")
    assert provider.asked["run"] == 2


def test_r25_an_operator_that_is_killed_between_file_and_status_repeats_nothing(
    kubectl: Kubectl, operators: Operators, provider: ActionProvider, folder: Path, tmp_path: Path
) -> None:
    operators.kill()
    with LyingServer(operators.kubeconfig) as liar:
        operators.start(settings(folder), kubeconfig=liar.write_kubeconfig(tmp_path / "kubeconfig"))
        provider.holds = True
        create(kubectl, [large(provider)])
        started = wait_for(kubectl, "large", lambda item: "externalId" in item.get("status", {}))
        silent = liar.tell("PUT", "taskactions", "/large/status", answer=say_nothing, times=1_000)
        provider.holds = False
        wait_until(lambda: bool(files_of(folder, started)), timeout=30, what="the file")
        wait_until(lambda: silent.told > 0, timeout=30, what="the status that names the file")
        operators.kill()
    assert "outputUri" not in get(kubectl, "large")["status"]
    assert provider.asked["release"] == 0
    operators.start(settings(folder))
    ended = wait_for(kubectl, "large", seconds=40)
    assert_stored(ended, folder)
    wait_until(lambda: provider.asked["release"] == 1, timeout=20, what="the release")
    assert len(provider.by_request) == 1


def test_r25_a_bucket_that_refuses_delays_the_end(
    kubectl: Kubectl, operators: Operators, provider: ActionProvider
) -> None:
    operators.kill()
    with Bucket() as bucket:
        bucket.refuses = True
        operators.start({**QUICK_LEASES, **bucket.environment, "TASKACTION_FLOWS_STORAGE": "s3://bucket/results"})
        create(kubectl, [large(provider)])
        waiting = wait_for(
            kubectl, "large", lambda item: item.get("status", {}).get("reason") == "StorageUnavailable", 40
        )
        assert "s3://bucket/results/" in waiting["status"]["message"]
        assert provider.asked["release"] == 0
        bucket.refuses = False
        ended = wait_for(kubectl, "large", seconds=40)
        assert ended["status"]["phase"] == "Succeeded", ended["status"]
        path = ended["status"]["outputUri"].removeprefix("s3:/")
        assert f"sha256:{sha256(bucket.files[path]).hexdigest()}" == ended["status"]["outputDigest"]
        operators.kill()
