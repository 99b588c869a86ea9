"""An environment that has the client's wheel, what the wheel requires, and nothing else."""

import os
import re
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from local.manifests import ROOT

BUILD = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
REQUIRES = "from importlib.metadata import requires; print(*requires('taskaction-client'), sep='\\n')"
PROJECT = ROOT / "packages" / "taskaction-client"


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program without the checkout's modules, and return what it prints."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    done = subprocess.run([str(one) for one in command], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build_wheel(folder: Path, project: Path = PROJECT) -> Path:
    """Build the wheel of a project into a folder."""
    return folder / run(sys.executable, "-c", BUILD, folder, cwd=project).strip().splitlines()[-1]


def install_wheel(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a new environment, link there what it requires, and return the environment's Python."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=ROOT)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", "--no-deps", "--no-index",
        "--disable-pip-version-check", wheel, cwd=ROOT)  # fmt: skip
    (site,) = folder.glob("lib/python*/site-packages")
    metadata = run(python, "-c", REQUIRES, cwd=folder)
    for found in closure(metadata.splitlines()).values():
        for top in {Path(str(file)).parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            link = site / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))
    return python


def closure(requirements: list[str]) -> dict[str, Distribution]:
    """Return the installed distributions that requirements name, and all that these require."""
    found: dict[str, Distribution] = {}
    waiting = list(requirements)
    while waiting:
        requirement = Requirement(waiting.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found[name] = distribution(name)
            waiting += found[name].requires or []
    return found
