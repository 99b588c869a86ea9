"""What Jobs and pods cost as actions, beside what they cost by themselves; their pods are played by kwok."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures.group import Group
from benchmarks.load import ACTIONS, JOBS, Collection
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import RAW, WATCH_ONE, WORK, Stage
from cluster import equipment
from cluster.binaries import Say
from cluster.controlplane import ControlPlane
from cluster.simulated import SimulatedNode

COUNT = 400
WARM_UP = 50
PODS = 50
TIMEOUT = 300
CONTROLLER_QPS = 200
"""So that the API server decides the pace, and not the Job controller's own brake."""
ORDER = "ABABA"
IMAGE = "none"
BARE = Figure("bare_jobs_per_second", "Jobs/s")
RATE = Figure("job_actions_per_second", "actions/s")
SHARE = Figure("job_share_of_bare", "share", Target(0.8, at_least=True))
WRITES = Figure("pod_writes_per_action", "writes", Target(3.0))
TEMPLATE = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": IMAGE}]}}
Body = dict[str, Any]


def simulated(programs: Path, say: Say) -> ControlPlane:
    """Give a control plane with a node that kwok plays."""
    return SimulatedNode(equipment.build(programs, equipment.SIMULATED, say=say), kube_api_qps=CONTROLLER_QPS)


def measure(stage: Stage) -> Iterator[Row]:
    """Alternate between bare Jobs and Jobs by actions over the same connections; then count the writes of pods."""
    allow(stage)
    with stage.operator(WATCH_ONE):
        stage.say(f"warming up with {WARM_UP} Jobs each")
        bare(stage, "warm", WARM_UP)
        by_actions(stage, "warm", WARM_UP)
        bares: list[float] = []
        rates: list[float] = []
        for number, kind in enumerate(ORDER):
            run, found, what = (bare, bares, "bare") if kind == "A" else (by_actions, rates, "by actions")
            found.append(run(stage, f"run{number}", COUNT))
            stage.say(f"[{number + 1}/{len(ORDER)}] {what}: {found[-1]:.1f} Jobs/s")
        yield BARE.measured(median(bares))
        yield RATE.measured(median(rates))
        yield SHARE.measured(median(rates) / median(bares))
        yield WRITES.measured(writes_of_pods(stage))


def allow(stage: Stage) -> None:
    """Let the default account of the operator's namespace run workloads."""
    kubectl = stage.plane.kubectl.within(WORK)
    kubectl("create", "role", "workloads", "--verb=create,get,list,delete", "--resource=pods,jobs.batch")
    kubectl("create", "rolebinding", "workloads", "--role=workloads", f"--serviceaccount={WORK}:default")


def bare(stage: Stage, prefix: str, count: int) -> float:
    """Give the Jobs a second that complete by themselves."""
    return count / stage.run(burst(stage, JOBS, RAW, prefix, count))


def by_actions(stage: Stage, prefix: str, count: int) -> float:
    """Give the actions a second that complete, each by a Job."""
    return count / stage.run(burst(stage, ACTIONS, WORK, prefix, count))


async def burst(stage: Stage, kind: Collection, namespace: str, prefix: str, count: int) -> float:
    """Give the seconds from the first creation until the last has been seen to succeed."""

    async def create(number: int) -> None:
        await stage.load.post(kind, namespace, manifest(kind, f"{prefix}-{number}"))

    async with stage.load.finished(namespace, kind) as seen:
        begun = time.perf_counter()
        await stage.load.many(count, create)
        return await seen.reach(count, timeout=TIMEOUT) - begun


def manifest(kind: Collection, name: str) -> Body:
    """Give a Job, or the action that runs the very same."""
    if kind is JOBS:
        spec: Body = {"backoffLimit": 0, "template": TEMPLATE}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
    return action(name, "job")


def action(name: str, executor: str) -> Body:
    """Give an action that runs one container."""
    spec = {"executor": executor, "parameters": {"image": IMAGE}}
    metadata = {"name": name, "labels": {"bench": executor}}
    return {"apiVersion": "taskaction.dev/v1alpha1", "kind": "TaskAction", "metadata": metadata, "spec": spec}


def writes_of_pods(stage: Stage) -> float:
    """Give what the operator writes for a `pod` action: all but the actions' creation, and what nodes say of pods."""
    stage.say(f"{PODS} pod actions by kubectl")
    before = stage.settle()
    items = {"apiVersion": "v1", "kind": "List", "items": [action(f"pod-{number}", "pod") for number in range(PODS)]}
    kubectl = stage.plane.kubectl.within(WORK)
    kubectl("apply", "-f", "-", stdin=json.dumps(items))
    kubectl("wait", "taskaction", "--selector=bench=pod", "--for=condition=Succeeded", "--timeout=120s", timeout=130)
    counted = stage.settle().since(before)
    stage.say(f"  {counted}")
    created = counted.counts.get(("", "pods", "", "POST"), 0)
    return (counted.of_resource("taskactions") - PODS + created) / PODS


GROUP = Group("workloads", (BARE, RATE, SHARE, WRITES), measure, simulated)
