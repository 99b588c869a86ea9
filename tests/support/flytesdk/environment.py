"""Where the published `flyte` SDK is installed: apart from ours, since it pins stubs and libraries of its own."""

from pathlib import Path

from cluster.binaries import Say
from venvs import python_of

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def python(say: Say = print) -> Path:
    """Give the Python of the environment."""
    return python_of("flytesdk", REQUIREMENTS, say)
