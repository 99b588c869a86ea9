"""Process that has loaded the operator and starts one per request by a fork; run as a script by `support.preloaded`.

Its arguments are the command line of the program that it stands for. Each line on stdin is a request: the environment
and the log file of one operator, in JSON. Each line on stdout is the pid of the operator. It ends when stdin does.
"""

import ctypes
import importlib.metadata
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1


def serve(command: list[str]) -> None:
    """Load what every operator loads, then fork for each request."""
    own = python_path(os.environ)
    installed = [path for path in sys.path if path not in own]
    load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel collects operators that have ended
    server = os.getpid()
    for line in sys.stdin:
        if os.fork() == 0:
            become_operator(command, json.loads(line), installed, server)


def load() -> None:
    """Import the operator and the executors of this package; imports neither read settings nor start threads."""
    import taskaction.app.operator
    import taskaction.cli
    import taskaction.cli.servers  # noqa: F401

    own = importlib.metadata.distribution("taskaction-operator").entry_points  # and not those of tests
    for executor in own.select(group="taskaction.executors"):
        executor.load()


def become_operator(command: list[str], request: dict[str, Any], installed: list[str], server: int) -> NoReturn:
    """Take on what a process that was started by the command would have, and run the command."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)  # the server died before the request above was in place
    os.write(sys.stdout.fileno(), f"{os.getpid()}\n".encode())  # only now, so that signals to its group reach it
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = command
    sys.path[:] = [str(Path(command[0]).parent), *python_path(os.environ), *installed]
    sys.modules["__main__"].__file__ = command[0]  # worker processes of the operator look at it

    from taskaction.cli import main

    sys.exit(main())


def python_path(env: Any) -> list[str]:
    """Return the folders that an environment adds to the path of imports."""
    return [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]


if __name__ == "__main__":
    serve(sys.argv[1:])
