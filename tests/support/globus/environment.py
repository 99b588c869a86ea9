"""Where `globus-action-provider-tools` is installed: apart from ours, since it needs pydantic 1 and Flask 2."""

from pathlib import Path

from cluster.binaries import Say
from venvs import python_of

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def python(say: Say = print) -> Path:
    """Give the Python of the environment."""
    return python_of("globus", REQUIREMENTS, say)
