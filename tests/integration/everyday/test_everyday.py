"""The first day with the operator: what stops or misleads people, on a real API server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions import API_VERSION, action, create, get, phase, wait_for, wait_for_phase
from support.api import create_object, get_object, list_objects, wait_for_object
from support.command_line import CommandLine
from support.operators import QUICK_LEASES, Operators
from taskaction.cli.field_checks import check_fields
from taskaction.cli.findings import Severity
from taskaction.cli.session import Flags, connect_to_cluster
from taskaction.cluster.gateway import PODS

pytestmark = pytest.mark.usefixtures("operator")
SETTINGS = QUICK_LEASES
RIGHTS = ("create", "get", "list", "delete")


@pytest.fixture
def taskaction(kubectl: Kubectl) -> CommandLine:
    """The command line in the test's namespace."""
    return CommandLine(kubectl)


@pytest.fixture
def maker(kubectl: Kubectl) -> Kubectl:
    """The test's namespace, whose default account may make Jobs, pods, Deployments and ConfigMaps."""
    resources = "--resource=pods,jobs.batch,deployments.apps,configmaps"
    kubectl("create", "role", "maker", f"--verb={','.join(RIGHTS)}", resources)
    kubectl("create", "rolebinding", "maker", "--role=maker", f"--serviceaccount={kubectl.namespace}:default")
    return kubectl


def deployment(**spec: Any) -> dict[str, Any]:
    labels = {"app": "x"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "x", "image": "busybox:1.36"}]}}
    body = {"selector": {"matchLabels": labels}, "template": pod, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": body}


# -- U1 ----------------------------------------------------------------------------------------------------------------


def test_u01_misspelt_fields_of_manifests_are_refused_by_name(
    taskaction: CommandLine, kubectl: Kubectl, tmp_path: Path
) -> None:
    run = {"apiVersion": API_VERSION, "kind": "ActionFlowRun", "metadata": {"name": "r"}}
    flow = {"definition": {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}}
    cases = {
        "spec.retryPolcy": action("a", retryPolcy={"limit": 1}),
        "spec.inputs": run | {"spec": {**flow, "inputs": {"a": 1}}},
        "spec.timeouts.totl": action("b", timeouts={"totl": "1s"}),
    }
    for field, body in cases.items():
        file = tmp_path / "manifest.yaml"
        file.write_text(yaml.safe_dump(body))
        _, err = taskaction("run", "-f", str(file), code=2)
        assert f'unknown field "{field}"' in err
        assert "correct the spelling or remove the field" in err
    assert list_objects(kubectl, "ta") == list_objects(kubectl, "afr") == []


def test_u01_misspelt_fields_of_created_objects_fail_the_action(maker: Kubectl) -> None:
    pod = {"spec": {"containers": [{"name": "x", "image": "busybox:1.36", "comand": ["true"]}]}}
    create(
        maker,
        [
            action("deployment", "resource", {"manifest": deployment(replcas=3)}),
            action("job", "job", {"image": "busybox:1.36", "spec": {"activeDeadlineSecond": 5}}),
            action("pod", "pod", {"template": pod}),
        ],
    )
    fields = {"deployment": "spec.replcas", "job": "spec.activeDeadlineSecond", "pod": "spec.containers[0].comand"}
    for name, field in fields.items():
        found = wait_for_phase(maker, name, "Failed")
        assert found["status"]["error"]["code"] == "InvalidParameters"
        assert f'unknown field "{field}"; correct the spelling' in found["status"]["error"]["message"]


async def test_u01_warnings_of_the_api_server_are_shown(kubectl: Kubectl, capsys: pytest.CaptureFixture[str]) -> None:
    kubectl("label", "namespace", str(kubectl.namespace), "pod-security.kubernetes.io/warn=restricted")
    container = {"name": "x", "image": "busybox:1.36"}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "w"}, "spec": {"containers": [container]}}
    async with connect_to_cluster(Flags(str(kubectl.namespace), kubeconfig=Path(kubectl.kubeconfig))) as session:
        for _ in range(2):
            await session.cluster.check_create(PODS, body, str(kubectl.namespace))
    assert capsys.readouterr().err.count('Warning: would violate PodSecurity "restricted:latest"') == 1


async def test_u01_doctor_lists_misspelt_fields_before_the_upgrade(kubectl: Kubectl) -> None:
    envelope = {"apiVersion": API_VERSION, "metadata": {"name": "web"}}
    config = {"manifest": deployment(replcas="{{ parameters.replicas }}")}
    create_object(kubectl, envelope | {"kind": "ActionProvider", "spec": {"executor": "resource", "config": config}})
    state = {
        "Type": "Action",
        "ActionUrl": "taskaction://executor/job",
        "Parameters": {"template": {"spec": {"containers.$": "$.x", "restartPolcy": "Never"}}},
        "End": True,
    }
    spec = {"definition": {"StartAt": "Build", "States": {"Build": state}}}
    create_object(kubectl, envelope | {"kind": "ActionFlow", "spec": spec})
    flags = Flags(namespace=kubectl.namespace, kubeconfig=Path(kubectl.kubeconfig))
    async with connect_to_cluster(flags) as session:
        (finding,) = await check_fields(session)
    assert finding.level is Severity.PROBLEM
    assert "ActionProvider web: manifest.spec.replcas (did you mean replicas?)" in finding.text
    assert "ActionFlow web, state Build: template.spec.restartPolcy (did you mean restartPolicy?)" in finding.text


# -- U2 ----------------------------------------------------------------------------------------------------------------


def test_u02_values_of_runs_and_parameters_are_not_in_the_log(kubectl: Kubectl, operators: Operators) -> None:
    secret, large = "a-value-of-the-input", "x" * 50_000
    parameters = {"output.$": "$"}
    state = {"Type": "Action", "ActionUrl": "taskaction://executor/noop", "Parameters": parameters, "End": True}
    spec = {
        "definition": {"StartAt": "Echo", "States": {"Echo": state}},
        "input": {"word": secret, "large": large},
    }
    create_object(
        kubectl, {"apiVersion": API_VERSION, "kind": "ActionFlowRun", "metadata": {"name": "r"}, "spec": spec}
    )
    create(kubectl, [action("bad", "sleep", {"duration": secret})])
    before = len(operators.log())
    wait_for_object(kubectl, "afr", "r", lambda found: found["status"].get("phase") == "Succeeded")
    failed = wait_for_phase(kubectl, "bad", "Failed")
    assert "parameters.duration: invalid duration; use e.g. 90s" in failed["status"]["message"]
    wait_until(lambda: "run ended" in operators.log()[before:], timeout=10, what="the end of the run in the log")
    log = operators.log()
    assert "ActionStarted" in log
    assert "Echo" in log
    assert secret not in log
    assert secret not in failed["status"]["message"]
    assert len(log) - before < 20_000


# -- U3 ----------------------------------------------------------------------------------------------------------------


def test_u03_describe_says_what_an_action_waits_for(taskaction: CommandLine, kubectl: Kubectl) -> None:
    nap = {"executor": "sleep", "parameters": {"duration": "1h"}, "partitionKey": "db"}
    create(kubectl, [action("first", **nap)])
    wait_for_phase(kubectl, "first", "Running")
    create(kubectl, [action(name, **nap) for name in ("second", "third")])
    wait_for(kubectl, "third", lambda item: phase(item) == "Queued")
    out, _ = taskaction("describe", "third")
    assert "first (Running), second (Queued) in partition 'db'; position 2 of 2 in the queue" in out
    second, _ = taskaction("describe", "second")
    assert "first (Running) in partition 'db'; position 1 of 2" in second
    assert get(kubectl, "first")["status"]["partitionKey"] == "db"
    assert "db" in taskaction("get", "-o", "wide")[0]


def test_u03_the_key_of_a_providers_path_is_found(taskaction: CommandLine, kubectl: Kubectl) -> None:
    spec = {"executor": "sleep", "partitionKeyPath": "duration"}
    create_object(
        kubectl, {"apiVersion": API_VERSION, "kind": "ActionProvider", "metadata": {"name": "p"}, "spec": spec}
    )
    own = {"providerRef": {"name": "p"}, "parameters": {"duration": "1h"}}
    create(kubectl, [action("one", **own)])
    wait_for_phase(kubectl, "one", "Running")
    create(kubectl, [action("two", **own)])
    out, _ = taskaction("describe", "two")
    assert "one (Running) in partition '1h'; position 1 of 1" in out
    assert get(kubectl, "one")["status"]["partitionKey"] == "1h"


# -- U11, U12, U13 -----------------------------------------------------------------------------------------------------


def test_u11_watch_prints_to_stdout(taskaction: CommandLine, kubectl: Kubectl) -> None:
    create(kubectl, [action("one", "sleep", {"duration": "1500ms"})])
    out, err = taskaction("watch", "one")
    assert "one  Succeeded" in out
    assert err == ""


def test_u12_the_error_is_of_the_attempt(taskaction: CommandLine, kubectl: Kubectl) -> None:
    broken = {"apiVersion": "v1", "kind": "ConfigMap", "name": "late"}
    retry = {"limit": 60, "backoff": {"initial": "500ms", "factor": 1}}
    source = {"parameter": "output", "configMapKeyRef": {"name": "late", "key": "x"}}
    kubectl("create", "role", "reader", "--verb=get", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={kubectl.namespace}:default")
    create(kubectl, [action("once", parametersFrom=[source], retryPolicy=retry)])
    wait_for(kubectl, "once", lambda item: bool(item["status"].get("error")))
    running, _ = taskaction("describe", "once")
    assert "Error of attempt " in running
    kubectl("create", "configmap", broken["name"], "--from-literal=x=done")
    wait_for_phase(kubectl, "once", "Succeeded")
    ended, _ = taskaction("describe", "once")
    head, _, attempts = ended.partition("Attempts:")
    assert "Error" not in head
    assert "has no key" in attempts or "does not exist" in attempts


def test_u13_lists_are_chosen_and_ordered_by_the_server(
    taskaction: CommandLine, kubectl: Kubectl, tmp_path: Path
) -> None:
    create(kubectl, [action(name) for name in ("b", "a", "c-10", "c-9")])
    for name in ("b", "a", "c-10", "c-9"):
        wait_for_phase(kubectl, name, "Succeeded")
    create(kubectl, [action("asks", "approval", {"prompt": "?"}), action("child-10", parentRef={"name": "asks"})])
    create(kubectl, [action("child-9", parentRef={"name": "asks"})])
    wait_for_phase(kubectl, "asks", "Paused")
    names = lambda out: [line.split()[0] for line in out.splitlines()[1:]]  # noqa: E731 - short
    assert names(taskaction("get", "--phase", "Paused")[0]) == ["asks"]
    newest = names(taskaction("get", "--limit", "2", "--sort-by", "age")[0])
    assert len(newest) == 2
    assert names(taskaction("get", "--since", "1h", "--sort-by", ".metadata.name")[0])[0] == "a"
    out, err = taskaction("tree", "-A", "--since", "1h")
    assert f"{kubectl.namespace}/asks" in out, err
    described, _ = taskaction("describe", "asks")
    assert "child-9" in described
    with taskaction.start("get", "-w") as watching:
        assert watching.stdout is not None
        assert any(line.startswith("asks") for line in watching.stdout)
        create(kubectl, [action("new")])
        assert any(line.startswith("new") for line in watching.stdout)
        watching.terminate()
    file = tmp_path / "parameters.yaml"
    file.write_text("output: {answer: 42}\n")
    assert json.loads(taskaction("run", "-e", "noop", "-p", f"@{file}")[0]) == {"answer": 42}


def test_u14_an_account_that_does_not_exist_is_named(kubectl: Kubectl) -> None:
    account = {"serviceAccountName": "nobody"}
    source = {"parameter": "x", "secretKeyRef": {"name": "s", "key": "k"}}
    create(
        kubectl,
        [
            action("job", "job", {"image": "busybox:1.36"}, runAs=account),
            action("reads", parametersFrom=[source], runAs=account),
        ],
    )
    for name in ("job", "reads"):
        found = wait_for_phase(kubectl, name, "Failed")
        message = found["status"]["error"]["message"]
        assert f"ServiceAccount 'nobody' does not exist in namespace '{kubectl.namespace}': create it" in message


# -- U15: the last one, because it ends the operator -------------------------------------------------------------------


@pytest.fixture
def released(operators: Operators, crds: Cluster) -> Iterator[Kubectl]:
    """The operator's namespace, with the Deployment that would run it."""
    home = crds.kubectl.within(operators.namespace)
    body = deployment(replicas=1)
    create_object(home, body | {"metadata": {"name": "operator"}})
    yield home
    home("delete", "deployment", "operator", "--wait=false")


def test_u15_an_uninstallation_gives_the_leases_back(
    released: Kubectl, operators: Operators, operator: Operator, kubectl: Kubectl
) -> None:
    create(kubectl, [action("unfinished", "approval", {"prompt": "?"})])
    wait_for_phase(kubectl, "unfinished", "Paused")
    leases = lambda: list_objects(released, "leases.coordination.k8s.io", LEASES)  # noqa: E731 - short
    assert len(leases()) > 1
    settings = {"TASKACTION_NAMESPACE": str(released.namespace), "TASKACTION_WATCH_NAMESPACES": str(kubectl.namespace)}
    words = [str(Path(sys.executable).parent / "taskaction"), "operator", "release", "--timeout=20s"]
    with subprocess.Popen(
        [*words, "--deployment=operator"],
        env={**os.environ, "KUBECONFIG": str(released.kubeconfig), **settings},
        stdout=subprocess.PIPE,
        text=True,
    ) as releasing:
        stopped = lambda: get_object(released, "deployments", "operator")["spec"]["replicas"] == 0  # noqa: E731 - short
        wait_until(stopped, timeout=30, what="the Deployment to be scaled down")
        operators.stop()
        out, _ = releasing.communicate(timeout=60)
    assert releasing.returncode == 0, out
    assert leases() == []
    assert phase(get(kubectl, "unfinished")) == "Aborted"
    operators.start(SETTINGS)
    create(kubectl, [action("after")])
    wait_for_phase(kubectl, "after", "Succeeded")


LEASES = "app.kubernetes.io/managed-by=taskaction-operator"
