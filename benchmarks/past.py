"""Fills a cluster with actions that have finished, by one write each; nothing else may use the cluster meanwhile.

A status is written by a request of its own, unless the kind has no such subresource: so it has none for this while.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from benchmarks.load import ACTIONS, NOOP
from benchmarks.stage import RAW, Stage
from cluster.errors import KubectlError
from cluster.processes import wait_until

CRD = "taskactions.taskaction.dev"
PROBE = "finished-probe"
EFFECTIVE_SECONDS = 30
EVERY_SECONDS = 0.5
NOW = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"  # what has finished long ago would expire
TRUE = {"status": "True", "reason": "Completed", "lastTransitionTime": NOW}
FINISHED = {
    "phase": "Succeeded",
    "reason": "Completed",
    "conditions": [TRUE | {"type": "Succeeded"}, TRUE | {"type": "Finished"}],
    "observedGeneration": 1,
    "attempt": 1,
    "startedAt": NOW,
    "finishedAt": NOW,
}


def fill(stage: Stage, count: int) -> None:
    """Create finished actions."""
    with without_subresource(stage):
        stage.run(stage.load.create_many(RAW, "finished", count, NOOP, status=FINISHED, say=stage.say))


@contextmanager
def without_subresource(stage: Stage) -> Iterator[None]:
    """Have the API server take a status with the creation, for as long as the block lasts."""
    change(stage, [{"op": "remove", "path": "/spec/versions/0/subresources"}])
    wait_until(lambda: takes_status(stage), timeout=EFFECTIVE_SECONDS, what="a status to be taken", every=EVERY_SECONDS)
    yield
    change(stage, [{"op": "add", "path": "/spec/versions/0/subresources", "value": {"status": {}}}])
    wait_until(
        lambda: has_subresource(stage), timeout=EFFECTIVE_SECONDS, what="the status's own path", every=EVERY_SECONDS
    )


def change(stage: Stage, patch: list[dict[str, object]]) -> None:
    """Change the kind."""
    stage.plane.kubectl("patch", "crd", CRD, "--type=json", "-p", json.dumps(patch))


def takes_status(stage: Stage) -> bool:
    """Tell whether an action can be created with a status."""
    item = {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "TaskAction",
        "metadata": {"name": PROBE, "namespace": RAW},
        "spec": NOOP,
        "status": FINISHED,
    }
    kubectl = stage.plane.kubectl.within(RAW)
    try:
        kubectl("delete", "taskaction", PROBE, "--ignore-not-found")
        return kubectl("create", "-f", "-", "-o", "jsonpath={.status.phase}", stdin=json.dumps(item)) == "Succeeded"
    except KubectlError:  # the kind is being served anew
        return False


def has_subresource(stage: Stage) -> bool:
    """Tell whether a status has a path of its own again, and the API server has read everything anew by now."""
    try:
        stage.plane.kubectl("get", "--raw", f"{ACTIONS.path(RAW)}/{PROBE}/status")
        stage.plane.kubectl("get", "--raw", f"{ACTIONS.path(RAW)}?resourceVersion=0&labelSelector=nobody%3Dnone")
    except KubectlError:
        return False
    return True
