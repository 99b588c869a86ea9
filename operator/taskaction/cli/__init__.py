"""The command line. Servers start at once; people's commands are read by typer, which no server ever loads."""

import sys
from collections.abc import Sequence

from taskaction.cli.exit_codes import Exit
from taskaction.cli.serve import SERVERS, load_structlog
from taskaction.core.errors import TaskActionError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give the process's exit code."""
    words = tuple(sys.argv[1:] if arguments is None else arguments)
    serve = SERVERS.get(words)  # a server has no options, so there is nothing to parse
    try:
        if serve is not None:
            load_structlog()
            serve()
            return Exit.DONE
        from taskaction.cli.program import run

        return run(words)
    except TaskActionError as error:
        print(f"taskaction: {error}", file=sys.stderr)
        return Exit.USAGE
