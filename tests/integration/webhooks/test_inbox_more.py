"""The inbox with an Ocean integration, with several replicas, while it is stopped, and as its page describes it."""

import hmac
import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.manifests import ROOT
from support.actions import action, create, is_finished, phase, wait_for, wait_for_all
from support.api import list_objects
from support.inboxes import Inboxes, Target, post
from support.operators import QUICK_LEASES, Operators, metric
from taskaction.executors.http.model import HttpModel

PAGE = (ROOT / "docs" / "webhooks.md").read_text()
REPLICAS = 3
ACTIONS = 60
PER_SECOND = 100


@pytest.fixture(scope="module")
def inboxes(operators: Operators, crds: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inboxes]:
    found = Inboxes(operators, crds.kubectl, tmp_path_factory.mktemp("inboxes"))
    replicas = [operators.start({**QUICK_LEASES, **found.operator_settings}) for _ in range(REPLICAS)]
    wait_until(lambda: all(metric(one, "shards_held") for one in replicas), timeout=60, what="shards for each replica")
    found.start()
    yield found
    found.close()


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as found:
        yield found


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def ocean_signature(body: Any) -> dict[str, str]:
    content = json.dumps(body).encode()
    return {"X-Kind": "job", "X-Signature": hmac.new(b"signed with this", content, "sha256").hexdigest()}


def test_an_ocean_executor_ends_by_its_webhook_processor(kubectl: Kubectl, inboxes: Inboxes) -> None:
    hook = f"{inboxes.url}/integration/webhook/ocean"
    create(kubectl, [action("one", "ocean-trigger", {"job": "7"}), action("two", "ocean-trigger", {"job": "8"})])
    for name in ("one", "two"):
        wait_for(kubectl, name, lambda item: "externalId" in item["status"])
    body = {"job": "7", "ok": True, "text": "built"}
    assert post(hook, body, ocean_signature({}))[0] == 401
    assert post(hook, body, ocean_signature(body)) == (202, "accepted")
    assert phase(wait_for(kubectl, "one")) == "Succeeded"
    assert not is_finished(wait_for(kubectl, "two", lambda item: True))


def test_ocean_d12_an_ocean_webhook_that_is_faster_than_the_external_id_is_not_lost(
    kubectl: Kubectl, inboxes: Inboxes
) -> None:
    body = {"job": "9", "ok": True}
    assert post(f"{inboxes.url}/integration/webhook/ocean", body, ocean_signature(body)) == (202, "accepted")
    create(kubectl, [action("one", "ocean-trigger", {"job": "9"})])
    assert phase(wait_for(kubectl, "one")) == "Succeeded"


def test_of_several_replicas_the_owner_of_each_action_is_told(
    kubectl: Kubectl, inboxes: Inboxes, target: Target
) -> None:
    names = [f"n{number}" for number in range(ACTIONS)]
    request = {"method": "POST", "url": f"{target.url}/jobs", "callback": {"timeout": "10m"}}
    create(
        kubectl,
        [action(name, "http", request | {"json": {"name": name, "notify": "{{ callbackUrl }}"}}) for name in names],
    )
    wait_for_all(kubectl, lambda found: all("externalId" in item["status"] for item in found.values()))
    holders = {item["status"]["claim"]["holder"] for item in wait_for_all(kubectl, bool).values()}
    assert len(holders) > 1
    for name in names:
        assert post(target.notify[name], {"is": name}) == (202, "accepted")
    found = wait_for_all(kubectl, lambda all_: all(is_finished(item) for item in all_.values()))
    assert {name: item["status"]["output"] for name, item in found.items()} == {name: {"is": name} for name in names}
    deadline = time.monotonic() + 30
    while list_objects(kubectl, "ae"):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_inbox_that_is_stopped_answers_what_it_was_sent(kubectl: Kubectl, inboxes: Inboxes, target: Target) -> None:
    create(
        kubectl,
        [
            action(
                "one",
                "http",
                {
                    "method": "POST",
                    "url": f"{target.url}/jobs",
                    "json": {"name": "one", "notify": "{{ callbackUrl }}"},
                    "callback": {"success": {"path": "state", "equals": "done"}, "timeout": "10m"},
                },
            )
        ],
    )
    wait_for(kubectl, "one", lambda item: "externalId" in item["status"])
    inboxes.stop()
    inboxes.start(shutdown_delay="3s")
    answers: list[tuple[int, str]] = []
    over = threading.Event()

    def send(sender: int) -> None:
        for number in range(10_000):
            if over.wait(0.01):
                return
            answers.append(post(target.notify["one"], {"state": f"{sender}-{number}"}))

    senders = [threading.Thread(target=send, args=[sender]) for sender in range(4)]
    for sender in senders:
        sender.start()
    while len(answers) < PER_SECOND:
        assert not over.wait(0.05)
    stopped = inboxes.running[-1]
    stopped.signal(signal.SIGTERM)
    wait_until(lambda: not inboxes.is_ready(), timeout=20, what="the inbox to say that it stops")
    before = len(answers)
    wait_until(lambda: len(answers) > before + 8, timeout=20, what="answers of one that stops", program=stopped)
    over.set()  # as a Service does: nothing new for one that is not ready
    for sender in senders:
        sender.join()
    wait_until(lambda: not stopped.is_running(), timeout=20, what="the end of the inbox")
    inboxes.stop()
    inboxes.start()
    assert {status for status, _ in answers} <= {202, 429}
    assert "Traceback" not in inboxes.logs()


def test_the_page_s_manifests_are_ones(kubectl: Kubectl) -> None:
    found = [yaml.safe_load(text) for text in blocks("yaml")]
    assert [item["kind"] for item in found] == ["ActionProvider", "TaskAction"]
    HttpModel.model_validate(found[0]["spec"]["config"])
    HttpModel.model_validate(found[1]["spec"]["parameters"])
    for item in found:
        item["metadata"]["namespace"] = kubectl.namespace
        kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(item))


def test_the_page_s_commands_send_what_the_provider_takes(kubectl: Kubectl, inboxes: Inboxes, tmp_path: Any) -> None:
    if any(shutil.which(program) is None for program in ("curl", "openssl", "sed")):
        pytest.skip("needs curl, openssl and sed, which the page uses")
    namespace = str(kubectl.namespace)
    provider = yaml.safe_load(blocks("yaml")[0])
    provider["metadata"]["namespace"] = namespace
    binding = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    create(
        kubectl,
        [
            provider,
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ci-webhook"}, "stringData": {"secret": "s3"}},
            {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": "read"}, "rules": [rule]},
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "read"},
                "roleRef": {"apiGroup": group, "kind": "Role", "name": "read"},
                "subjects": [binding],
            },
        ],
    )
    (session,) = [text for text in blocks("console") if "curl" in text]
    script = "\n".join(re.findall(r"^(?:\$ (.*?(?:\\\n.*?)*))$", session, re.MULTILINE))
    script = script.replace("http://localhost:8090/providers/team/ci", f"{inboxes.url}/providers/{namespace}/ci")
    deadline = time.monotonic() + 30
    while "202 Accepted" not in (
        said := subprocess.run(
            ["bash", "-c", f"secret=s3\n{script}"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    ):
        assert time.monotonic() < deadline, said
        time.sleep(0.5)
    assert '{"result": "accepted"}' in said
