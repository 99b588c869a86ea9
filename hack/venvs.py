"""Virtual environments of other projects' packages, pinned and kept in the user's cache; runs nothing in them.

They are apart where their pins and ours exclude each other, and where a test is to meet them as their users do.
"""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import Cache, Compile, Say
from cluster.errors import ClusterError

SECONDS = 600
VENV = "venv"


@dataclass(frozen=True)
class VenvRecipe:
    """One environment, by what is pinned and by the Python that made it."""

    title: str
    requirements: Path

    @property
    def packages(self) -> tuple[tuple[str, str], ...]:
        """The one thing that is made."""
        return ((VENV, str(self.requirements)),)

    @property
    def name(self) -> str:
        """Name the cache folder."""
        told = f"{sys.version} {sys.base_prefix} {self.requirements.read_text()}"
        return f"{self.title}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    def maker(self, say: Say) -> Compile:  # noqa: ARG002 - pip is quiet
        """Make the environment and install what is pinned, and nothing that is not."""
        return make


def make(requirements: str, out: Path) -> None:
    """Make one environment; it is moved afterwards, so only its Python is used, and none of its scripts."""
    python = out / "bin" / "python"
    _run(sys.executable, "-m", "venv", "--clear", str(out))
    _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", requirements)


def python_of(title: str, requirements: Path, say: Say = print) -> Path:
    """Return the Python of an environment, which is built where it is missing: about half a minute, once."""
    return Cache(recipe=VenvRecipe(title, requirements)).build(say=say) / VENV / "bin" / "python"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode:
        raise ClusterError(f"{command[-1]}: {(done.stderr or done.stdout).strip()}")
