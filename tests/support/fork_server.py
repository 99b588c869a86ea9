"""Process that has loaded the package and runs one command per request in a fork; a script of `support.preloaded`.

The descriptor of its socket is its argument. A request is a command with its environment in JSON, with the descriptors
that become stdin, stdout and stderr of the fork, and one on which the exit code is written. The answer is the pid.
The server ends when the socket is closed, and its forks with it.
"""

import ctypes
import gc
import importlib.metadata
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
REQUEST_BYTES = 1024 * 1024
DESCRIPTORS = 4


def serve(requests: socket.socket) -> None:
    """Load what commands load, then fork for each request."""
    own = python_path(os.environ)
    installed = [path for path in sys.path if path not in own]
    gc.disable()
    load()
    gc.freeze()  # otherwise each fork searches all of it for garbage when it ends, which costs more than its start
    gc.enable()
    exits: dict[int, int] = {}
    signal.signal(signal.SIGCHLD, lambda *_: report_exits(exits))
    server = os.getpid()
    while True:
        content, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, DESCRIPTORS)
        if not content:
            return
        *standard, exit_code = descriptors
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # until it is known where to report the end
        pid = os.fork()
        if pid == 0:
            become(json.loads(content), standard, installed, server, requests)
        exits[pid] = exit_code
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for descriptor in standard:
            os.close(descriptor)


def report_exits(exits: dict[int, int]) -> None:
    """Write the exit codes of the forks that have ended."""
    while exits:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        descriptor = exits.pop(pid)
        os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(descriptor)


def load() -> None:
    """Import commands, servers and the executors of this package; imports neither read settings nor start threads."""
    import taskaction.app.operator
    import taskaction.cli
    from taskaction.cli.serve import load_structlog

    load_structlog()  # as servers do, before people's commands load what it is to do without
    import taskaction.cli.program
    import taskaction.integrations.flyte.service.service
    import taskaction.integrations.port.agent.agent
    import taskaction.services.console.service
    import taskaction.services.history.service
    import taskaction.services.webhooks.service  # noqa: F401

    own = importlib.metadata.distribution("taskaction-operator").entry_points  # and not those of tests
    for executor in own.select(group="taskaction.executors"):
        executor.load()


def become(
    request: dict[str, Any], standard: list[int], installed: list[str], server: int, answers: socket.socket
) -> NoReturn:
    """Take on what a process that was started by the command would have, and run the command."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)  # the server died before the request above was in place
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    answers.send(str(os.getpid()).encode())  # only now, so that signals to its group reach it
    answers.close()
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = command = request["command"]
    sys.path[:] = [str(Path(command[0]).parent), *python_path(os.environ), *installed]
    sys.modules["__main__"].__file__ = command[0]  # worker processes of the operator look at it

    from taskaction.cli import main

    sys.exit(main())


def python_path(env: Any) -> list[str]:
    """Return the folders that an environment adds to the path of imports."""
    return [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
