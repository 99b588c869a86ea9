"""The command line against a cluster: in this process, because the start of one costs more than most commands."""

import gc
import os
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from cluster.kubectl import Kubectl
from taskaction.cli.program import run


class CommandLine:
    """Runs `taskaction` in the namespace of a kubectl."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._where = [f"--namespace={kubectl.namespace}", f"--kubeconfig={kubectl.kubeconfig}"]

    def __call__(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Return stdout and stderr of a command that ends with this exit code."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            ended = run([*words, *self._where])
        with warnings.catch_warnings():  # the loop of a command ends before its last connections are closed
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        assert ended == code, out.getvalue() + err.getvalue()
        return out.getvalue(), err.getvalue()

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command that does not end by itself, as a process."""
        program = str(Path(sys.executable).parent / "taskaction")
        return subprocess.Popen([program, *words, *self._where], env=os.environ, stdout=subprocess.PIPE, text=True)
