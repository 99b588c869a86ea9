"""Runs tasks of `programs/story.py` by the SDK's own runtime, as a pod of Flyte would, as a process; judges nothing."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from flyteidl2.common.identifier_pb2 import RunIdentifier
from flyteidl2.core.execution_pb2 import ErrorDocument
from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.task.common_pb2 import Inputs, NamedLiteral, Outputs

from cluster.errors import ClusterError
from cluster.processes import Program, start, wait_until

PROGRAMS = Path(__file__).with_name("programs")
RESOLVER = "flyte._internal.resolvers.default.DefaultTaskResolver"
RUST = MappingProxyType({"_F_USE_RUST_CONTROLLER": "1"})
FAST = MappingProxyType({"_F_MAX_QPS": "1000"})
"""Lets a program make as many children a second as it can."""
ROOT = "a0"


@dataclass(frozen=True)
class Story:
    """One task of the program as the root of a run, and the folder that stands for the run's storage.

    Attributes:
        python: of the environment that has the SDK.
        address: host and port of the Actions service; with a scheme, tokens are sent, which `insecure` forbids the SDK.
        raw: where the program's files are to go; by default a folder of the storage.
    """

    python: Path
    address: str
    run: RunIdentifier
    folder: Path
    raw: str = ""

    def start(self, task: str, env: Mapping[str, str] = MappingProxyType({}), **inputs: int) -> Program:
        """Start the task; started again, it is another attempt of the same action."""
        self.folder.mkdir(parents=True, exist_ok=True)
        given = self.folder / "inputs.pb"
        literals = [NamedLiteral(name=name, value=_integer(value)) for name, value in inputs.items()]
        given.write_bytes(Inputs(literals=literals).SerializeToString())
        for name in ("outputs.pb", "error.pb"):
            (self.folder / name).unlink(missing_ok=True)
        command = [
            *(str(self.python), "-m", "flyte._bin.runtime", "a0", "--inputs", str(given)),
            *(
                "--outputs-path",
                str(self.folder),
                "--run-base-dir",
                (self.folder / "children").as_uri(),
                "--version",
                "1",
            ),
            *("--raw-data-path", self.raw or str(self.folder / "raw"), "--run-name", self.run.name, "--name", ROOT),
            *("--project", self.run.project, "--domain", self.run.domain, "--org", self.run.org),
            *("--resolver", RESOLVER, "mod", "story", "instance", task),
        ]
        own = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(PROGRAMS),
            "STEPS": str(self.folder / "steps"),
            "FSSPEC_FILE_AUTO_MKDIR": "true",  # folders of a bucket need no making
            "LOG_LEVEL": "40",
            "_U_USE_ACTIONS": "1",
            "_U_EP_OVERRIDE": self.address,
            "_U_INSECURE": "" if "://" in self.address else "true",
            **env,
        }
        log = self.folder / "program.log"
        return start("Flyte program", command, mark="flyte._bin.runtime", log=log, tied=True, env=own, cwd=PROGRAMS)

    def ended(self, program: Program, timeout: float) -> Literal:
        """Wait for its end and give its output; raises ``ClusterError`` with its error where it has failed."""
        wait_until(lambda: not program.is_running(), timeout=timeout, what=f"the end of {program.log}")
        said = self.folder / "outputs.pb"
        if not said.exists():
            raise ClusterError(f"the program failed: {self.error()}; its log says:\n{program.log_tail()}")
        outputs = Outputs.FromString(said.read_bytes())
        return outputs.literals[0].value

    def error(self) -> str:
        """Give what the program left of its failure; empty where it left nothing."""
        left = self.folder / "error.pb"
        return str(ErrorDocument.FromString(left.read_bytes()).error) if left.exists() else ""

    def steps(self) -> list[str]:
        """Give which steps have really been done, each as often as it was."""
        left = self.folder / "steps"
        return left.read_text(encoding="utf-8").split() if left.exists() else []


def by_command(*command: str) -> dict[str, str]:
    """Give the environment of a program that gets its token by a command, as one in a pod reads its account's."""
    return {"FLYTE_AUTH_TYPE": "ExternalCommand", "FLYTE_AUTH_COMMAND": shlex.join(command)}


def words(literal: Literal) -> list[str]:
    """Read a list of texts."""
    return [one.scalar.primitive.string_value for one in literal.collection.literals]


def _integer(value: int) -> Literal:
    literal = Literal()
    literal.scalar.primitive.integer = value
    return literal
