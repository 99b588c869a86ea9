"""What runs during an upgrade ends as it would have: statuses and objects as revision f5525c2 left them, and its ends.

``tests/data/former_release`` holds what that revision wrote on a real API server, and how it ended the same actions.
"""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from local.manifests import ROOT
from support.actions import TERMINAL, Body, get_all, patch, wait_for_all
from support.api import create_object, get_object, list_objects, patch_object, wait_for_object
from support.cluster import new_namespace
from support.hand_kubelet import HandKubelet, ended
from support.operators import QUICK_LEASES, Operators
from support.raw_target import RawRequest, RawTarget, raw_target, response
from taskaction.core.json_values import is_same
from taskaction.core.names import child_name, visit_name

FORMER = json.loads((ROOT / "tests" / "data" / "former_release" / "running.json").read_text())
RECORDED_AT = datetime(2026, 11, 30, 15, 33, 20, tzinfo=UTC)
GENERATED = re.compile(r"-[0-9a-f]{6}-1(-[a-z0-9]{5})?")
TIME = re.compile(r"2026-11-30T15:33:[0-9.]+Z")
EPOCH = "1796052798"
TARGET, TARGET_HASH = "http://127.0.0.1:39541", '"6c4630a90400bc312224a82d219237de"'
RUNNING = {"running": {"startedAt": "2026-11-30T15:33:21Z"}}
ACTIONS = ("pod", "pod-fails", "job", "job-fails", "http", "resource", "approval")


def shifted(text: str) -> str:
    """Return recorded objects as if they had been recorded five seconds ago."""
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)

    def shift(match: re.Match[str]) -> str:
        return (
            (datetime.fromisoformat(match[0]) - RECORDED_AT + now)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )

    return TIME.sub(shift, text).replace(EPOCH, str(int(time.time()) - 10))


class Restored:
    """Objects of the former release, created again: the API server gives them other uids, which their names contain."""

    def __init__(self, kubectl: Kubectl, target: str) -> None:
        self.kubectl = kubectl
        # The target has another port, so the fingerprint of the parameters is another one.
        self.text = shifted(json.dumps(FORMER["running"])).replace(TARGET, target).replace(TARGET_HASH, "null")

    def create(self, *kinds: str) -> None:
        """Create the objects of some kinds, with their statuses."""
        for place, body in enumerate(json.loads(self.text)):
            if body["kind"] in kinds:
                self._create(json.loads(self.text)[place])

    def _create(self, body: Body) -> None:
        metadata, status = body["metadata"], body.pop("status", None)
        old = metadata.pop("uid")
        new = create_object(self.kubectl, body)["metadata"]["uid"]
        self.text = self.text.replace(old, new)
        for name_of, last in ((child_name, 1), (visit_name, "1")):
            before, now = (name_of(metadata["name"], uid, last) for uid in (old, new))
            self.text = self.text.replace(f'"{before}"', f'"{now}"')
        if status is not None:
            whole = next(one for one in json.loads(self.text) if one["metadata"]["uid"] == new)
            patch_object(
                self.kubectl, body["kind"], metadata["name"], {"status": whole["status"]}, "--subresource=status"
            )


def answer(request: RawRequest) -> bytes:
    return response(body=b'{"state": "done", "rows": 7}' if request.line.startswith("GET") else b'{"id": "again"}')


@pytest.fixture(scope="module")
def target() -> Iterator[RawTarget]:
    with raw_target(answer) as found:
        yield found


@pytest.fixture(scope="module")
def kubectl(crds: Cluster) -> Iterator[Kubectl]:
    with new_namespace(crds, "test") as name:
        yield crds.kubectl.within(name)


@pytest.fixture(scope="module")
def ends(kubectl: Kubectl, operators: Operators, target: RawTarget) -> dict[str, Body]:
    """The statuses at the end of all actions that ran during the upgrade."""
    resources = "--resource=pods,jobs.batch,persistentvolumeclaims"
    kubectl("create", "role", "work", "--verb=create,get,list,delete", resources)
    kubectl("create", "rolebinding", "work", "--role=work", f"--serviceaccount={kubectl.namespace}:default")
    restored, kubelet = Restored(kubectl, target.url), HandKubelet(kubectl)
    for kinds in (["ActionFlowRun"], ["TaskAction"], ["Job"], ["Pod", "PersistentVolumeClaim"]):
        restored.create(*kinds)
    pods = {name: kubelet.wait_for_pod(name) for name in ACTIONS[:4]}
    for pod in pods.values():
        kubelet.report(pod, "Running", container=RUNNING)
    before = get_all(kubectl)

    operators.start(QUICK_LEASES)

    wait_for_all(
        kubectl, lambda found: all(is_taken_over(found[name], before[name]) for name in ("http", "pod", "job"))
    )
    for name, pod in pods.items():
        fails = name.endswith("-fails")
        left = ended(3, message="no such table") if fails else ended(0, message='{"rows": 7}')
        kubelet.report(pod, "Failed" if fails else "Succeeded", container=left)
    (claim,) = list_objects(kubectl, "pvc")
    patch_object(kubectl, "pvc", claim["metadata"]["name"], {"status": {"phase": "Bound"}}, "--subresource=status")
    patch(kubectl, "approval", {"signal": {"value": True}})
    found = wait_for_all(kubectl, lambda found: all(found[name]["status"]["phase"] in TERMINAL for name in ACTIONS))
    assert {found[name]["status"]["attempt"] for name in ACTIONS} == {1}
    for name in ACTIONS:
        assert found[name]["status"]["startedAt"] == before[name]["status"]["startedAt"]
    return {name: item["status"] for name, item in found.items()}


def is_taken_over(item: Body, before: Body) -> bool:
    return item["status"] != before["status"]


def verdict_of(status: Body) -> Body:
    """Return what an end says, in the form of the recorded ends."""
    error = status.get("error") or {}
    said = {name: status.get(name) for name in ("phase", "reason", "output", "message")}
    return said | {"code": error.get("code"), "kind": error.get("kind")}


def without_names(verdict: Body) -> Any:
    """Return a verdict without the part of an object's name that follows from a uid."""
    return json.loads(GENERATED.sub("", json.dumps(verdict)))


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_that_runs_during_the_upgrade_ends_as_it_would_have(ends: dict[str, Body], name: str) -> None:
    expected, found = without_names(FORMER["ended"][name]), without_names(verdict_of(ends[name]))
    if name == "approval":  # it says when it was answered
        expected["output"]["at"] = found["output"]["at"]
    assert is_same(found, expected), found


def test_a_request_that_started_work_is_not_made_again(ends: dict[str, Body], target: RawTarget) -> None:
    assert ends["http"]["externalId"] == "j1"
    assert {request.line for request in target.received} == {"GET /jobs/j1"}


@pytest.mark.usefixtures("ends")
def test_a_run_that_waits_for_an_action_of_the_former_release_fails_and_names_it(kubectl: Kubectl) -> None:
    found = wait_for_object(kubectl, "afr", "run", lambda run: run["status"]["phase"] in TERMINAL)["status"]
    name = visit_name("run", get_object(kubectl, "afr", "run")["metadata"]["uid"], "1")
    assert found["phase"] == "Failed"
    assert f"TaskAction '{name}' exists and was not created by this run" in found["message"]
