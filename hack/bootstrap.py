"""Make `.venv` with everything pinned; runs on the bare Python of the machine, so it may use nothing newer than 3.6."""

import importlib.util
import subprocess
import sys
from pathlib import Path

REQUIRED = (3, 11)
ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PROJECTS = (ROOT, ROOT / "packages" / "taskaction-client")
REQUIREMENTS = ROOT / "hack" / "requirements" / "dev.txt"


def main() -> int:
    """Create the environment, or complete one that an interruption left unfinished."""
    if sys.version_info < REQUIRED:
        version = ".".join(map(str, sys.version_info[:2]))
        return fail(f"Python {version} is too old: install 3.11 or newer, or name one: make PYTHON=...")
    if importlib.util.find_spec("ensurepip") is None:
        return fail("This Python cannot make virtual environments: install its venv package (Debian: python3-venv).")
    if not (PYTHON.exists() and pip("--version", out=subprocess.DEVNULL)):
        print("making .venv", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    print("installing the pinned packages into .venv (about a minute the first time)", flush=True)
    if not install("--require-hashes", f"--requirement={REQUIREMENTS}"):
        return fail("pip could not install the packages: fix what it reports above and run the same command again.")
    if not install("--no-deps", "--no-index", "--no-build-isolation", *(f"--editable={one}" for one in PROJECTS)):
        return fail("pip could not install this project: fix what it reports above and run the same command again.")
    if not pip("check", "--disable-pip-version-check", out=subprocess.DEVNULL):
        print(f"warning: {REQUIREMENTS.name} lacks what pyproject.toml requires: run make lock", file=sys.stderr)
    return 0


def install(*what: str) -> bool:
    """Install packages."""
    return pip("install", "--quiet", "--disable-pip-version-check", *what)


def pip(*arguments: str, out: "int | None" = None) -> bool:
    """Run the environment's pip and tell whether it was content."""
    return subprocess.run([str(PYTHON), "-m", "pip", *arguments], stdout=out, check=False).returncode == 0


def fail(sentence: str) -> int:
    """Print what is missing."""
    print(f"error: {sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command can be run again")
