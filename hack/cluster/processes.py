"""Start programs, recognise them later, end them for certain; knows nothing of what the programs are.

A pid alone is no identity: the kernel uses it again. Every program therefore has a mark, a text on its command line
that nothing else has (such as the folder of its state), and no pid without the mark gets a signal.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cluster.errors import ClusterError

LAUNCH = Path(__file__).with_name("launch.py")
POLL_SECONDS = 0.05
PAUSE_FACTOR = 4
"""Length of the pause after a check in lengths of the check: a kubectl takes CPU time from what it waits for."""
LONGEST_PAUSE_SECONDS = 0.5
END_SECONDS = 20
EXEC_SECONDS = 0.1

# The kernel ties a child to the thread that made it, not to the process: so one thread, which lives as long as the
# interpreter, makes them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="programs")


class Child(Protocol):
    """A process of which this one learns the end."""

    @property
    def returncode(self) -> int | None:
        """The exit code, negative after a signal; None as long as nobody has asked for it after the end."""

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""


@dataclass
class Program:
    """One started program."""

    name: str
    pid: int
    mark: str
    log: Path
    popen: Child | None = field(default=None, repr=False, compare=False)

    def is_running(self) -> bool:
        """Whether the pid is alive and still this program."""
        if self.popen is not None:
            return self.popen.poll() is None  # a pid of our own is not used again before its end was collected
        return self.mark in command_line(self.pid)

    def signal(self, number: int) -> None:
        """Send a signal to the program and its children, but never to a stranger that got the same pid."""
        if self.is_running():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)  # it leads the group that `start` has made

    def end(self, *, grace: float = 0) -> None:
        """Return when the program is gone; with `grace` it is asked before it is killed."""
        if grace:
            self.signal(signal.SIGTERM)
            with suppress(ClusterError):
                wait_until(lambda: not self.is_running(), timeout=grace, what=f"the end of {self.name}")
        if self.is_running():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        wait_until(lambda: not self.is_running(), timeout=END_SECONDS, what=f"the end of {self.name} (pid {self.pid})")

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        return log_tail(self.log)

    def to_record(self) -> dict[str, str | int]:
        """Return what another process needs to find this program again."""
        return {"name": self.name, "pid": self.pid, "mark": self.mark, "log": str(self.log)}

    @classmethod
    def from_record(cls, record: Mapping[str, str | int]) -> "Program":
        """Find a program again that another process started."""
        return cls(str(record["name"]), int(record["pid"]), str(record["mark"]), Path(record["log"]))  # type: ignore[arg-type]


def start(
    name: str,
    command: list[str],
    *,
    mark: str,
    log: Path,
    tied: bool,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Program:
    """Start a program in a session of its own, so that Ctrl-C reaches only its starter.

    A tied program dies with its starter, however that ends; another one lives until it is ended.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    full = [sys.executable, "-IS", str(LAUNCH), str(os.getpid()), *command] if tied else command

    def make() -> subprocess.Popen[bytes]:
        with log.open("ab") as out:
            return subprocess.Popen(
                full, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd, start_new_session=True
            )

    popen = _starter.submit(make).result()
    return Program(name, popen.pid, mark, log, popen)


def log_tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log."""
    with suppress(FileNotFoundError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""


def command_line(pid: int) -> str:
    """Return a process's command line; empty when it is gone or only waits to be collected."""
    if Path("/proc/self").exists():
        with suppress(OSError):
            deadline = time.monotonic() + EXEC_SECONDS
            while not (found := Path(f"/proc/{pid}/cmdline").read_bytes()) and time.monotonic() < deadline:
                if has_ended(pid):
                    break
                time.sleep(EXEC_SECONDS / 20)  # a program that is just being exchanged for another one has none
            return found.replace(b"\0", b" ").decode(errors="replace")
        return ""
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


def has_ended(pid: int) -> bool:
    """Detect a process that only waits to be collected, by /proc."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # its name may contain anything
    return after_name[0] in {"Z", "X"}


def wait_until(
    check: Callable[[], bool], *, timeout: float, what: str, program: Program | None = None, every: float | None = None
) -> None:
    """Return when `check` holds; fail early when the program that should bring it about is gone.

    Pauses grow with the time that a check takes, unless `every` sets them: what is measured must be seen at once.
    """
    deadline = time.monotonic() + timeout
    begun = time.monotonic()
    while not check():
        if program is not None and not program.is_running():
            raise ClusterError(f"waited for {what}, but {program.name} has ended; its log says:\n{program.log_tail()}")
        if time.monotonic() > deadline:
            tail = f"; the log of {program.name} says:\n{program.log_tail()}" if program else ""
            raise ClusterError(f"waited {timeout:.0f} s for {what} in vain{tail}")
        time.sleep(pause_seconds(time.monotonic() - begun) if every is None else every)
        begun = time.monotonic()


def pause_seconds(check_seconds: float, *, every: float = POLL_SECONDS) -> float:
    """Return how long to wait after a check that took some time; `every` is the shortest pause."""
    return max(every, min(PAUSE_FACTOR * check_seconds, LONGEST_PAUSE_SECONDS))
