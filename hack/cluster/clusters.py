"""From a choice to a cluster that answers: a control plane of one's own, kind, or one that is there already."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest_kind.cluster

from cluster import equipment, pods
from cluster.binaries import Cache, Say
from cluster.controlplane import SETTINGS, ControlPlane
from cluster.equipment import Equipment
from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.node.nodecluster import NodeCluster
from cluster.pods import Pods, Way
from cluster.resolve import Build, Choice, Existing, Kind, Programs
from cluster.simulated import SimulatedNode

KIND_VERSION = "v0.33.0"  # pytest-kind's own default is a Kubernetes of years ago, and so is its kubectl
KUBECTL_VERSION = "v1.36.3"

WAYS: dict[Way, tuple[type[ControlPlane], Equipment | None]] = {
    Way.REAL: (NodeCluster, equipment.REAL),
    Way.SIMULATED: (SimulatedNode, equipment.SIMULATED),
    Way.NONE: (ControlPlane, None),
}
"""What is started for each way, and what it needs beside a control plane's programs."""


class Cluster(Protocol):
    """What everything above needs of a cluster."""

    kubeconfig: Path
    kubectl: Kubectl

    def stop(self) -> None:
        """Remove what was brought up, and nothing else."""


class ExistingCluster:
    """Somebody else's cluster; stopping leaves it as it is."""

    def __init__(self, choice: Existing, *, state: Path | None = None) -> None:
        """Copy the one context that is used, so that nothing else in the user's kubeconfig can be touched."""
        program = find_kubectl()
        view = ["config", "view", "--raw", "--minify", "--flatten"]
        chosen = [f"--context={choice.context}"] if choice.context else []
        content = Kubectl(program, choice.kubeconfig)(*view, *chosen)
        self._folder = state or Path(tempfile.mkdtemp(prefix="taskaction-kubeconfig-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        self.kubeconfig = self._folder / "kubeconfig"
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(content)
        self.kubectl = Kubectl(program, self.kubeconfig)

    def stop(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self._folder, ignore_errors=True)


class KindCluster:
    """A kind cluster, by pytest-kind."""

    def __init__(self, kind: pytest_kind.cluster.KindCluster) -> None:
        """Create it, or find it again."""
        kind.create()
        kind.ensure_kubectl()
        self._kind = kind
        self.kubeconfig = Path(kind.kubeconfig_path).resolve()
        self.kubectl = Kubectl(Path(kind.kubectl_path).resolve(), self.kubeconfig)

    @classmethod
    def named(cls, name: str) -> "KindCluster":
        """Use the cluster of this name."""
        use_current_kind()
        return cls(pytest_kind.cluster.KindCluster(name))

    def import_image(self, archive: Path) -> None:
        """Return the node an image from a tar file."""
        load = [str(self._kind.kind_path), "load", "image-archive", str(archive), f"--name={self._kind.name}"]
        done = subprocess.run(load, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"kind could not read the image {archive}: {done.stderr.strip()}")

    def stop(self) -> None:
        """Delete it."""
        self._kind.delete()


def bring_up(choice: Choice, *, name: str, state: Path | None = None, say: Say = print) -> Cluster:
    """Return a running cluster; with `state` it outlives this process, and a second call finds it again."""
    if isinstance(choice, Existing):
        say(f"cluster: the one of {choice.kubeconfig}{f', context {choice.context}' if choice.context else ''}")
        return ExistingCluster(choice, state=state)
    if isinstance(choice, Kind):
        say(f"cluster: kind, named {name}")
        return KindCluster.named(name)
    folder = programs_folder(choice, say=say)
    decided = kept_pods(state) or pods.choose(pods.Surroundings.here(folder))
    say(f"cluster: {decided}")
    plane = control_plane(folder, decided.way, state=state, say=say).start()
    say(f"cluster: ready at {plane.url}, from {folder}")
    return plane


def control_plane(folder: Path, way: Way, *, state: Path | None = None, say: Say = print) -> ControlPlane:
    """Return a control plane of one's own with what its pods need, built if it has to be; starts nothing."""
    kind, needed = WAYS[way]
    return kind(equipment.build(folder, needed, say=say) if needed else folder, state=state)


def prepare_pods(folder: Path, *, say: Say = print) -> Pods:
    """Build what pods need here, also what plays them, and tell what becomes of them."""
    around = pods.Surroundings.here(folder)
    decided = pods.choose(around)
    for needed in WAYS[decided.way][1], equipment.SIMULATED:
        if needed and not around.lacking(needed):
            equipment.build(folder, needed, say=say)
    return decided


def kept_pods(state: Path | None) -> Pods | None:
    """Find what a kept control plane was made for: it stays so, whatever the environment says by now."""
    if state is None or not (state / SETTINGS).exists():
        return None
    kept = json.loads((state / SETTINGS).read_text())
    return Pods(Way(kept.get("pods", Way.NONE)), "as when it was brought up first (`make down` ends that)")


def programs_folder(choice: Programs | Build, *, say: Say = print) -> Path:
    """Return the folder of the programs, built if they have to be."""
    if isinstance(choice, Programs):
        return choice.folder
    say("building etcd and Kubernetes from their Go modules: minutes the first time, never again for this version")
    return Cache().build(say=say)


def find_kubectl(env: Mapping[str, str] = os.environ) -> Path:
    """Find a kubectl for a cluster that brings none."""
    on_path = shutil.which("kubectl")
    places = [Path(on_path)] if on_path else []
    if assets := env.get("KUBEBUILDER_ASSETS"):
        places.append(Path(assets) / "kubectl")
    places.append(Cache().folder / "kubectl")
    found = next((place for place in places if place.exists()), None)
    if not found:
        raise ClusterError("There is no kubectl on the PATH to reach the cluster of KUBECONFIG with: install it.")
    return found


def use_current_kind() -> None:
    """Make pytest-kind use a kind and a kubectl of today, unless the user has chosen them."""
    if "KIND_VERSION" not in os.environ:
        pytest_kind.cluster.KIND_VERSION = KIND_VERSION
    if "KUBECTL_VERSION" not in os.environ:
        pytest_kind.cluster.KUBECTL_VERSION = KUBECTL_VERSION
