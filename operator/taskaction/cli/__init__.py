"""Command line. Servers start directly; typer parses the other commands, and no server ever loads it."""

import gc
import sys
from collections.abc import Sequence

from taskaction.cli.escaping import write_text
from taskaction.cli.exit_codes import Exit
from taskaction.cli.serve import SERVERS, load_structlog
from taskaction.core.errors import TaskActionError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    words = tuple(sys.argv[1:] if arguments is None else arguments)
    serve = SERVERS.get(words)  # a server has no options, so there is nothing to parse
    try:
        if serve is not None:
            load_structlog()
            serve()
            return Exit.DONE
        gc.disable()  # the search for garbage among the modules takes a third of the CPU time of a short command
        from taskaction.cli.program import run

        gc.freeze()
        gc.enable()
        return run(words)
    except TaskActionError as error:
        write_text(f"taskaction: {error}", sys.stderr)
        return Exit.USAGE
