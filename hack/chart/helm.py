"""Helm, built from its pinned Go module and kept in the user's cache; runs one command at a time."""

import os
import subprocess
from pathlib import Path

from cluster.binaries import HACK, Cache, GoRecipe, Say
from cluster.errors import ClusterError

CHART = HACK.parent / "charts" / "taskaction-operator"
HELM = "helm.sh/helm/v4"
RECIPE = GoRecipe(title="helm", module=HACK / "helm", pin=HELM, packages=(("helm", f"{HELM}/cmd/helm"),))
SECONDS = 300


class HelmError(ClusterError):
    """Helm has refused or failed; the message is its own."""


class Helm:
    """One helm for one cluster, or for none."""

    def __init__(self, program: Path, kubeconfig: Path | None = None) -> None:
        """Run nothing yet."""
        self._program = program
        self._kubeconfig = kubeconfig

    @classmethod
    def built(cls, kubeconfig: Path | None = None, *, say: Say = print) -> "Helm":
        """Build it where it is not in the cache yet: about 2 minutes, once."""
        return cls(Cache(recipe=RECIPE).build(say=say) / "helm", kubeconfig)

    def __call__(self, *arguments: str, timeout: float = SECONDS) -> str:
        """Return what a command prints; raises ``HelmError`` with what it complains about."""
        env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        if self._kubeconfig is not None:
            env["KUBECONFIG"] = str(self._kubeconfig)
        done = subprocess.run(
            [str(self._program), *arguments], env=env, capture_output=True, text=True, check=False, timeout=timeout
        )
        if done.returncode:
            raise HelmError(f"helm {arguments[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout
