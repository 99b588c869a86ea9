"""R34 to R37: a webhook of an Ocean integration that was answered with 202 takes effect, or the action says why."""

import hmac
import json
import os
import random
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import Body, action, create, get_all, phase, wait_for, wait_for_phase
from support.api import list_objects
from support.inboxes import Inboxes, post
from support.operators import PLUGIN, QUICK_LEASES, Operators
from support.plugin.ocean_cases import SECRET

STORAGE = "TASKACTION_STORAGE"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def inboxes(
    operators: Operators, crds: Cluster, storage: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inboxes]:
    found = Inboxes(operators, crds.kubectl, tmp_path_factory.mktemp("inboxes"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(PLUGIN), os.environ.get("PYTHONPATH")))))
        environment.setenv(STORAGE, f"file://{storage}")
        operators.start({**QUICK_LEASES, STORAGE: f"file://{storage}"})
        found.start()
        yield found
    found.close()


def send(inboxes: Inboxes, body: Body) -> tuple[int, str]:
    content = json.dumps(body, indent=1).encode()  # not as it would be written again
    signature = {"X-Signature": hmac.digest(SECRET, content, "sha256").hex()}
    return post(f"{inboxes.url}/integration/webhook/cases", None, signature, content=content)


def started(kubectl: Kubectl, name: str) -> str:
    """Start a run of an executor without webhooks; give its external id."""
    external_id = f"{kubectl.namespace}-{name}"
    create(
        kubectl, [action(name, "ocean-probe", {"started": {"link": "https://target/7", "external_id": external_id}})]
    )
    wait_for(kubectl, name, lambda found: "externalId" in found.get("status", {}))
    return external_id


def uid(kubectl: Kubectl, name: str) -> str:
    return str(get_all(kubectl)[name]["metadata"]["uid"])


SIZES = {"small": 0, "compressed in the event": 100_000, "in the storage": 700_000}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_r34_r36_a_signature_over_the_bytes_holds_for_the_owner(
    kubectl: Kubectl, inboxes: Inboxes, storage: Path, tmp_path: Path, size: int
) -> None:
    external_id = started(kubectl, "one")
    padding = random.Random(size).randbytes(size // 2).hex()
    body = {"ids": [external_id], "effects": str(tmp_path / "effects"), "padding": padding}
    assert send(inboxes, body) == (202, "accepted")
    status = wait_for_phase(kubectl, "one", "Succeeded")["status"]
    assert status["message"] == f"by {external_id}"
    assert (tmp_path / "effects").read_text().split() == [uid(kubectl, "one")]
    shared = Kubectl(kubectl.program, kubectl.kubeconfig, inboxes.operators.namespace)

    def keys() -> list[str]:
        return [event["spec"].get("correlationKey") for event in list_objects(shared, "actionevents")]

    wait_until(lambda: external_id not in keys(), timeout=30, what="the deletion of the event")
    wait_until(
        lambda: not [one for one in storage.glob("*/webhooks/**/*") if one.is_file()], timeout=30, what="no stored body"
    )


def test_r35_a_run_is_found_by_the_second_id_and_by_another_executors_processor(
    kubectl: Kubectl, inboxes: Inboxes, tmp_path: Path
) -> None:
    external_id = started(kubectl, "one")
    body = {"ids": [f"{kubectl.namespace}-unknown", external_id], "effects": str(tmp_path / "effects")}
    assert send(inboxes, body) == (202, "accepted")
    assert wait_for_phase(kubectl, "one", "Succeeded")["status"]["message"] == f"by {external_id}"
    assert (tmp_path / "effects").read_text().split() == [uid(kubectl, "one")]


def test_r37_a_job_of_a_stranger_has_no_effect(kubectl: Kubectl, inboxes: Inboxes, tmp_path: Path) -> None:
    external_id = started(kubectl, "one")
    body: dict[str, Any] = {"effects": str(tmp_path / "effects")}
    assert send(inboxes, {**body, "ids": ["a stranger's"]}) == (202, "accepted")
    assert phase(get_all(kubectl)["one"]) == "Running"
    assert send(inboxes, {**body, "ids": [external_id]}) == (202, "accepted")
    wait_for_phase(kubectl, "one", "Succeeded")
    assert (tmp_path / "effects").read_text().split() == [uid(kubectl, "one")]


def test_r34_a_stored_webhook_that_is_refused_later_says_so_on_the_action(kubectl: Kubectl, inboxes: Inboxes) -> None:
    started(kubectl, "one")
    event = {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionEvent",
        "metadata": {"name": "forged"},
        "spec": {
            "target": {"name": "one"},
            "type": "Webhook",
            "payload": {"headers": {"x-signature": "0"}, "body": {"ids": []}, "executors": ["ocean-case"]},
        },
    }
    create(kubectl, [event])
    refused = "a webhook had no effect: CaseProcessor.should_process_event refused it in the operator"
    wait_for(kubectl, "one", lambda found: found["status"].get("progress", {}).get("message") == refused)


def test_r34_a_request_that_matches_no_action_shows_on_its_provider(kubectl: Kubectl, inboxes: Inboxes) -> None:
    webhook = {"authentication": {"none": True}, "externalIdPath": "id", "ttlSeconds": 2}
    provider = {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionProvider",
        "metadata": {"name": "ci"},
        "spec": {"executor": "noop", "webhook": webhook},
    }
    create(kubectl, [provider])
    hook = f"{inboxes.url}/providers/{kubectl.namespace}/ci"
    wait_until(lambda: post(hook, {"id": "nobody's"})[0] == 202, timeout=30, what="the inbox to know the provider")

    def told() -> list[str]:
        events = list_objects(kubectl, "events")
        return [one["message"] for one in events if one["reason"] == "WebhookUnmatched"]

    wait_until(lambda: bool(told()), timeout=30, what="the Event of the provider")
    assert '"nobody\'s"' in told()[0]
    with urllib.request.urlopen(f"{inboxes.operators.running[0].url}/metrics", timeout=5) as answer:
        assert 'taskaction_action_events_unmatched_total{by="provider"} 1.0' in answer.read().decode()
