"""Console of commands, which escapes all texts that it prints."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from taskaction.cli.escaping import escape


class Terminal(Console):
    """Console that escapes all texts; its own colours and cursor movements remain."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render with escaped texts; every way to print ends here."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escape(segment.text), segment.style)
