"""Exit codes of commands: scripts depend on them, so none ever changes its meaning."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit code of a command."""

    DONE = 0
    """The command succeeded; for commands that follow actions: all of them Succeeded."""
    FAILED = 1
    """An action Failed; for checks: there are problems."""
    USAGE = 2
    """The command line, a file or an object is invalid; nothing was changed."""
    ABORTED = 3
    """An action was Aborted, or deleted before the command saw its end."""
    TIMED_OUT = 4
    """An action TimedOut."""
    UNFINISHED = 5
    """The --timeout of the command expired; the actions continue."""
    CLUSTER = 6
    """The cluster is unreachable, refused the request, or does not have the object."""
    INTERRUPTED = 130
    """Ctrl-C; the actions continue."""
