"""The built-in executors; an executor never writes a TaskAction."""

from pathlib import Path

# Plug-ins of the last release import the contract from here. These modules only warn and name the new path.
__path__.append(str(Path(__file__).parents[1] / "compat" / "executors"))
