"""Quick start of commands: a process that has loaded their code forks, which saves most of the CPU time of a start.

What runs is the command itself, in a process of its own with the environment that it would have. Tests of the start
of a program use `cluster.processes.start` and `subprocess`.
"""

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from json import dumps
from pathlib import Path
from typing import IO

from cluster import processes
from cluster.processes import Program
from local.operator_process import Launch

SERVER = Path(__file__).with_name("fork_server.py")
COMMAND = Path(sys.executable).with_name("taskaction")
CODE_BYTES = 8


class Fork:
    """A process that the server has started, and its exit code once it has ended; negative after a signal."""

    def __init__(self, pid: int, exit_code: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._exit_code = exit_code

    def poll(self, seconds: float = 0) -> int | None:
        """Return the exit code, or None while the process runs; wait for it for some time."""
        if self.returncode is None and select.select([self._exit_code], [], [], seconds)[0]:
            code = os.read(self._exit_code, CODE_BYTES)
            os.close(self._exit_code)
            self.returncode = int(code) if code else -signal.SIGKILL  # the server has ended, and the fork with it
        return self.returncode


class ForkServer:
    """One process that has loaded what commands load."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-P", str(SERVER), str(theirs.fileno())]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])

    def fork(self, command: list[str], env: Mapping[str, str], out: IO[bytes] | int, err: IO[bytes] | int) -> Fork:
        """Start a command without input."""
        read, write = os.pipe()
        with Path(os.devnull).open("rb") as none, self._lock:
            content = dumps({"command": command, "env": dict(env)}).encode()
            socket.send_fds(self._requests, [content], [none.fileno(), descriptor(out), descriptor(err), write])
            os.close(write)
            return Fork(int(self._requests.recv(CODE_BYTES)), read)

    def close(self) -> None:
        """End it, and with it its forks."""
        self._requests.close()
        self._process.wait()


def descriptor(file: IO[bytes] | int) -> int:
    """Return the descriptor of an open file."""
    return file if isinstance(file, int) else file.fileno()


@cache
def fork_server() -> ForkServer:
    """Return the server, which lives as long as the tests."""
    server = ForkServer()
    atexit.register(server.close)
    return server


def fork(name: str, command: list[str], *, mark: str, log: Path, tied: bool, env: Mapping[str, str]) -> Program:
    """Start a program as `cluster.processes.start` does."""
    assert tied, "a fork dies with its server"
    with log.open("ab") as out:
        child = fork_server().fork(command, env, out, out)
    return Program(name, child.pid, mark, log, child)


start: Launch = fork if sys.platform == "linux" else processes.start
"""The quickest start that there is here."""


def run(words: list[str], env: Mapping[str, str], *, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command of `taskaction` to its end, and return what it printed."""
    command = [str(COMMAND), *words]
    if sys.platform != "linux":
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=seconds)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = fork_server().fork(command, env, out, err)
        if child.poll(seconds) is None:
            os.killpg(child.pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(command, seconds)
        said = [os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode() for file in (out, err)]
    assert child.returncode is not None
    return subprocess.CompletedProcess(command, child.returncode, *said)
