"""The one version of a checkout, from git's tags, in the spellings of Python, Helm and image registries."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version as PythonVersion

from cluster.errors import ClusterError

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Version:
    """A version, as Python spells it: `1.2.3`, `1.2.3rc1`, `1.2.4.dev5` between releases."""

    python: str

    @property
    def semantic(self) -> str:
        """As charts and image tags spell it: `1.2.3`, `1.2.3-rc.1`, `1.2.4-dev.5`."""
        read = PythonVersion(self.python)
        more = [str(part) for part in (*(read.pre or ()), *(("dev", read.dev) if read.dev is not None else ()))]
        return f"{read.major}.{read.minor}.{read.micro}" + (f"-{'.'.join(more)}" if more else "")

    @property
    def is_released(self) -> bool:
        """Whether a tag names this very commit."""
        return not PythonVersion(self.python).is_devrelease

    @classmethod
    def of_checkout(cls) -> "Version":
        """Ask the build backend, which asks git; a checkout without tags has a version, too."""
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "version"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ClusterError(f"The version of this checkout cannot be found: {done.stderr.strip()}")
        return cls(done.stdout.strip())
