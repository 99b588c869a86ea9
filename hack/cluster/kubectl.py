"""Kubectl as a Python call, for every kind of cluster; never reads the user's own kubeconfig."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import KubectlError


@dataclass(frozen=True)
class Kubectl:
    """Runs one kubectl program against one cluster."""

    program: Path
    kubeconfig: Path | str
    namespace: str | None = None

    def __call__(self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = 60) -> str:
        """Return the command's stdout; with `check`, a failing command raises with its stderr."""
        try:
            done = subprocess.run(
                self.command(*args),
                env=self.environment(),
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"kubectl {' '.join(args)}: no answer within {timeout:.0f} s") from error
        if check and done.returncode:
            raise KubectlError(f"kubectl {' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def command(self, *args: str) -> list[str]:
        """Return the command line, for those who run it themselves (`get -w`), in this `environment`."""
        scope = [f"--namespace={self.namespace}"] if self.namespace else []
        return [str(self.program), *scope, *args]

    def environment(self) -> dict[str, str]:
        """Return an environment in which no other kubeconfig can be picked up; it may name several files."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    def within(self, namespace: str) -> "Kubectl":
        """Return the same with a default namespace."""
        return Kubectl(self.program, self.kubeconfig, namespace)
