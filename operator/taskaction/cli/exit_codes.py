"""What the exit codes mean: scripts branch on them, so none ever changes its meaning."""

from enum import IntEnum


class Exit(IntEnum):
    """The exit code of every command."""

    DONE = 0
    """What was asked for has happened; of commands that follow actions: all have Succeeded."""
    FAILED = 1
    """An action Failed; of checks: something was found."""
    USAGE = 2
    """The command line, a file or an object is wrong; nothing was done."""
    ABORTED = 3
    """An action was Aborted, or is gone before its end was seen."""
    TIMED_OUT = 4
    """An action has TimedOut."""
    UNFINISHED = 5
    """The time of --timeout is over; the actions go on."""
    CLUSTER = 6
    """The cluster cannot be reached, refuses, or has not what was asked for."""
    INTERRUPTED = 130
    """Ctrl-C; actions go on."""
