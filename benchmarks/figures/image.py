"""How large the operator's image is, as a node would fetch it."""

from collections.abc import Iterator

from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import Stage
from image.build import build

SIZE = Figure("image_mb", "MB", Target(100))


def measure(stage: Stage) -> Iterator[Row]:
    """Build it, and weigh the archive: its layers are compressed."""
    yield SIZE.measured(build(say=stage.say).megabytes)


GROUP = Group("image", (SIZE,), measure)
