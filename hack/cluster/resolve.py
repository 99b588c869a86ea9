"""Which cluster is used, decided in one place; the decision itself is pure and looks only at its `Surroundings`."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import GO_REQUIRED, PACKAGES, Cache, go_version
from cluster.errors import ClusterError

MEND = (
    "Nothing here can run a Kubernetes API server: install Go {go} or newer, or start a Docker daemon, "
    "or set KUBECONFIG to a cluster that may be used."
)
TOO_OLD = "The Go on the PATH is older than {go} and may not fetch that: install a newer one, or unset GOTOOLCHAIN."


@dataclass(frozen=True)
class Existing:
    """A cluster that is there already."""

    kubeconfig: str
    context: str | None = None


@dataclass(frozen=True)
class Programs:
    """A folder of programs from which a control plane can be started."""

    folder: Path


@dataclass(frozen=True)
class Kind:
    """A kind cluster, by the Docker daemon that answers."""


@dataclass(frozen=True)
class Build:
    """Programs that have to be built first."""


Choice = Existing | Programs | Kind | Build


@dataclass(frozen=True)
class Surroundings:
    """What the decision depends on; the costly questions are asked only when it comes to them."""

    env: Mapping[str, str]
    own_state: Path
    cache: Cache
    docker_answers: Callable[[], bool]
    go_version: Callable[[], tuple[int, int] | None]

    @classmethod
    def here(cls, own_state: Path) -> "Surroundings":
        """Look at this machine."""
        return cls(os.environ, own_state, Cache(), docker_answers, go_version)


def choose(around: Surroundings, *, own: bool = False) -> Choice:
    """Get the first way that is open; with `own`, only ways to a control plane whose programs can be killed count."""
    env = around.env
    kubeconfig, context = env.get("KUBECONFIG"), env.get("TASKACTION_CONTEXT")
    if not own and (context or (kubeconfig and not is_within(kubeconfig, around.own_state))):
        return Existing(kubeconfig or str(Path.home() / ".kube/config"), context)
    assets = env.get("KUBEBUILDER_ASSETS")
    if assets:
        return Programs(checked_assets(Path(assets)))
    if around.cache.is_complete():
        return Programs(around.cache.folder)
    if not own and around.docker_answers():
        return Kind()
    found = around.go_version()
    if found is None:
        raise ClusterError(MEND.format(go=".".join(map(str, GO_REQUIRED))))
    if found < GO_REQUIRED:
        raise ClusterError(TOO_OLD.format(go=".".join(map(str, GO_REQUIRED))))
    return Build()


def checked_assets(folder: Path) -> Path:
    """Insist on all programs: without controllers nothing is garbage collected, and tests hang instead of failing."""
    missing = [name for name in PACKAGES if not (folder / name).exists()]
    if missing:
        raise ClusterError(f"KUBEBUILDER_ASSETS={folder} has no {', '.join(missing)}: add it there, or unset it.")
    return folder


def is_within(kubeconfig: str, own_state: Path) -> bool:
    """Distinguish the kubeconfig that `make up` asks people to export from one of their own."""
    return Path(kubeconfig).resolve().is_relative_to(own_state.resolve())


def docker_answers() -> bool:
    """Whether a Docker daemon, not only its client, is there."""
    if not shutil.which("docker"):
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=10).returncode == 0
    except subprocess.TimeoutExpired:
        return False
