"""The virtual environment of `globus-action-provider-tools`, pinned and kept in the user's cache; runs nothing in it.

It is apart because the toolkit needs pydantic 1 and Flask 2 (reference, section 1.9).
"""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import HACK, Cache, Compile, Say
from cluster.errors import ClusterError

REQUIREMENTS = HACK / "globus" / "requirements.txt"
SECONDS = 600
VENV = "venv"


@dataclass(frozen=True)
class VenvRecipe:
    """One environment, by what is pinned and by the Python that made it."""

    packages: tuple[tuple[str, str], ...] = ((VENV, str(REQUIREMENTS)),)

    @property
    def name(self) -> str:
        """Name the cache folder."""
        told = f"{sys.version} {sys.base_prefix} {REQUIREMENTS.read_text()}"
        return f"globus-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    def maker(self, say: Say) -> Compile:  # noqa: ARG002 - pip is quiet
        """Make the environment and install what is pinned, and nothing that is not."""
        return make


def make(requirements: str, out: Path) -> None:
    """Make one environment; it is moved afterwards, so only its Python is used, and none of its scripts."""
    python = out / "bin" / "python"
    _run(sys.executable, "-m", "venv", "--clear", str(out))
    _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", requirements)


def python(say: Say = print) -> Path:
    """Give the Python of the environment, which is built where it is missing: about half a minute, once."""
    return Cache(recipe=VenvRecipe()).build(say=say) / VENV / "bin" / "python"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode:
        raise ClusterError(f"globus-action-provider-tools: {(done.stderr or done.stdout).strip()}")
