"""Quick start of operators: a process that has loaded their code forks, which saves most of the CPU time of a start.

What runs is the command itself, in a process of its own with the environment that it would have. Tests of the start
of the program use `cluster.processes.start`.
"""

import atexit
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from cluster.processes import Program

SERVER = Path(__file__).with_name("fork_server.py")


class ForkServer:
    """One process that has loaded the operator."""

    def __init__(self, command: tuple[str, ...]) -> None:
        """Start it; its command line contains that of the operator, by which `Program` recognizes its forks."""
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SERVER), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def fork(self, env: Mapping[str, str], log: Path) -> int:
        """Start an operator, and return its pid."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps({"env": dict(env), "log": str(log)}) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it, and with it its operators."""
        self._process.communicate()


@cache
def fork_server(command: tuple[str, ...]) -> ForkServer:
    """Return the server of a command, which lives as long as the tests."""
    server = ForkServer(command)
    atexit.register(server.close)
    return server


def start(name: str, command: list[str], *, mark: str, log: Path, tied: bool, env: Mapping[str, str]) -> Program:
    """Start a program as `cluster.processes.start` does."""
    assert tied, "a fork dies with its server"
    return Program(name, fork_server(tuple(command)).fork(env, log), mark, log)
