"""States too large for their object, on a real API server: a crash between the file and the status that names it."""

from pathlib import Path
from typing import Any

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.api import get_object, list_objects
from support.lying_server import LyingServer, say_nothing
from support.operators import QUICK_LEASES, Operators, metric
from support.refusals import create, manifest

TEXT = "x" * 60_000
NAP = {
    "Type": "Action",
    "ActionUrl": "taskaction://executor/sleep",
    "Parameters": {"duration": "2s"},
    "ResultPath": "$.done",
    "Next": "Shrink",
}
LARGE = {
    "StartAt": "Grow",
    "States": {
        "Grow": {"Type": "ExpressionEval", "Parameters": {"x.=": "[s] * 5"}, "ResultPath": "$.x", "Next": "Nap"},
        "Nap": NAP,
        "Shrink": {"Type": "Pass", "Parameters": {"last.$": "$.x.x[4]"}, "End": True},
    },
}


def status(kubectl: Kubectl) -> dict[str, Any]:
    return dict(get_object(kubectl, "afr", "subject")["status"])


def test_a_run_shows_that_the_storage_refuses_to_write_and_continues_when_it_does_not(
    kubectl: Kubectl, operators: Operators, tmp_path: Path
) -> None:
    folder = tmp_path / "states"
    folder.mkdir()
    link = folder / str(kubectl.namespace)
    link.symlink_to(tmp_path)  # it leads out of the folder, so the operator refuses to write there, also as root
    operator = operators.start({**QUICK_LEASES, "TASKACTION_STORAGE": f"file://{folder}"})
    create(kubectl, manifest("ActionFlowRun", {"definition": LARGE, "input": {"s": TEXT}}))

    kubectl("wait", "afr/subject", "--for=jsonpath={.status.reason}=StorageUnavailable", "--timeout=30s")
    held = status(kubectl)
    shown = {one["type"]: one["reason"] for one in held["conditions"]}
    assert (shown["Finished"], "there is a link on the way" in held["message"]) == ("StorageUnavailable", True)
    wait_until(
        lambda: any(one["reason"] == "StorageUnavailable" for one in list_objects(kubectl, "events")),
        timeout=10,
        what="the Event",
    )
    assert metric(operator, 'storage_errors_total{error="denied"}') >= 1

    link.unlink()
    kubectl("wait", "afr/subject", "--for=condition=Finished", "--timeout=30s")
    assert status(kubectl)["output"] == {"last": TEXT}
    assert len(list_objects(kubectl, "ta")) == 1
    operators.kill()


def test_an_operator_that_is_killed_between_file_and_status_loses_nothing_and_leaves_nothing_behind(
    kubectl: Kubectl, operators: Operators, tmp_path: Path
) -> None:
    folder = tmp_path / "states"
    settings = {**QUICK_LEASES, "TASKACTION_STORAGE": f"file://{folder}"}
    with LyingServer(operators.kubeconfig) as liar:
        operators.start(settings, kubeconfig=liar.write_kubeconfig(tmp_path / "kubeconfig"))
        silent = liar.tell("PUT", "actionflowruns", "status", answer=say_nothing, times=1_000)
        run = {"definition": LARGE, "input": {"s": TEXT}, "ttlSecondsAfterFinished": 1}
        create(kubectl, manifest("ActionFlowRun", run))
        wait_until(lambda: silent.told > 0, timeout=30, what="the status that names the file")
        operators.kill()
    assert len(list(folder.rglob("*.json"))) == 1
    assert "startedAt" not in status(kubectl)

    operators.start(settings)
    kubectl("wait", "afr/subject", "--for=jsonpath={.status.states[0].name}=Nap", "--timeout=30s")
    found = status(kubectl)
    assert "state" not in found
    assert Path(found["stateUri"].removeprefix("file://")).is_relative_to(folder)
    kubectl("wait", "afr/subject", "--for=condition=Finished", "--timeout=30s")
    assert status(kubectl)["output"] == {"last": TEXT}
    assert len(list_objects(kubectl, "ta")) == 1
    wait_until(lambda: not list(folder.rglob("*.json")), timeout=30, what="the files to go with the run")
    assert not kubectl("get", "afr", "subject", "--ignore-not-found")
