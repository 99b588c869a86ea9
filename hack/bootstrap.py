"""Make `.venv` with everything pinned; runs on the bare Python of the machine, so it may use nothing newer than 3.6."""

import importlib.util
import subprocess
import sys
from pathlib import Path

REQUIRED = (3, 11)
ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
CONSTRAINTS = ROOT / "hack" / "constraints.txt"
BUILD_BACKEND = ("hatchling", "hatch-vcs", "editables")  # installed here, so that they are pinned as well


def main() -> int:
    """Make the environment, or mend one that an interruption left half done."""
    if sys.version_info < REQUIRED:
        version = ".".join(map(str, sys.version_info[:2]))
        return fail(f"Python {version} is too old: install 3.11 or newer, or name one: make PYTHON=...")
    if importlib.util.find_spec("ensurepip") is None:
        return fail("This Python cannot make virtual environments: install its venv package (Debian: python3-venv).")
    if not (PYTHON.exists() and pip("--version", out=subprocess.DEVNULL)):
        print("making .venv", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    print("installing the pinned packages into .venv (about a minute the first time)", flush=True)
    if not (install(*BUILD_BACKEND) and install("--no-build-isolation", "--editable", f"{ROOT}[dev,actions]")):
        return fail("pip could not install the packages: mend what it says above and run the same command again.")
    return 0


def install(*what: str) -> bool:
    """Install packages, in the pinned versions."""
    return pip("install", "--quiet", "--disable-pip-version-check", f"--constraint={CONSTRAINTS}", *what)


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
