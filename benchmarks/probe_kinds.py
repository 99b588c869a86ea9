"""Kinds that a measurement adds to a cluster, and what the API server's CPU pays for their objects."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.load import ACTIONS, NOOP, Collection
from benchmarks.metrics import cpu_of
from benchmarks.stage import RAW, Stage
from cluster.commands import APISERVER
from cluster.processes import wait_until
from local import manifests

ESTABLISHED_SECONDS = 60


@dataclass(frozen=True)
class ProbeKind:
    """A kind whose objects are created and finished in the namespace that no operator watches."""

    collection: Collection
    api_version: str
    kind: str

    def body(self, name: str) -> dict[str, Any]:
        """Return the manifest of an object."""
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": name}, "spec": NOOP}


ACTION = ProbeKind(ACTIONS, "taskaction.dev/v1alpha1", "TaskAction")


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds of the API server for one creation, and for one status that replaces the first."""

    create: float
    write: float


def install_kind(stage: Stage, crd: Mapping[str, Any]) -> ProbeKind:
    """Add a kind, and return when the API server serves it."""
    spec, name = crd["spec"], crd["metadata"]["name"]
    api_version = f"{spec['group']}/{spec['versions'][0]['name']}"
    kubectl = stage.plane.kubectl
    kubectl("create", "-f", "-", stdin=json.dumps(crd))
    limit = f"--timeout={ESTABLISHED_SECONDS}s"
    kubectl("wait", "--for=condition=Established", limit, f"crd/{name}", timeout=ESTABLISHED_SECONDS + 10)
    collection = Collection(f"/apis/{api_version}", spec["names"]["plural"], "status.phase=Succeeded")
    path = collection.path(RAW)
    wait_until(lambda: manifests.answers(kubectl, path), timeout=ESTABLISHED_SECONDS, what=f"{name} to be served")
    return ProbeKind(collection, api_version, spec["names"]["kind"])


def cost(stage: Stage, kind: ProbeKind, prefix: str, count: int, status: bytes) -> Cost:
    """Return what ``count`` objects cost on average."""
    load, versions = stage.load, [""] * count
    bodies = [kind.body(f"{prefix}-{number}") for number in range(count)]

    async def create(number: int) -> None:
        versions[number] = await load.post(kind.collection, RAW, bodies[number])

    async def write(number: int) -> None:
        await load.put_status(kind.collection, RAW, bodies[number], versions[number], status)

    pid = stage.plane.pids[APISERVER]
    begun = cpu_of(pid)
    stage.run(load.many(count, create))
    created = cpu_of(pid)
    stage.run(load.many(count, write))
    return Cost((created - begun) * 1000 / count, (cpu_of(pid) - created) * 1000 / count)
