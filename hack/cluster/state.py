"""Where a control plane keeps its files and the record of its processes; decides nothing about the programs.

A throw-away folder is locked by its starter for as long as that lives. So a folder without a holder was abandoned
(`kill -9`), and the next start clears it away.
"""

import fcntl
import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from cluster import cgroups
from cluster.processes import Program

PREFIX = "taskaction-plane-"
LOCK = "starter.lock"
RECORD = "processes.json"
CGROUP = "cgroup"
"""The file that names the control group of a cluster that runs pods."""


class StateFolder:
    """One control plane's files."""

    def __init__(self, path: Path, *, kept: bool) -> None:
        """Open an existing folder."""
        self.path = path
        self.kept = kept
        self._lock: IO[str] | None = None

    @classmethod
    def throw_away(cls) -> "StateFolder":
        """Make a folder that goes with its starter, after clearing those whose starter is gone."""
        clear_abandoned()
        folder = cls(Path(tempfile.mkdtemp(prefix=PREFIX)), kept=False)
        # Locked before it has its name: nobody may see it without its holder.
        unnamed = folder.path / f".{LOCK}"
        folder._lock = unnamed.open("w")
        fcntl.flock(folder._lock, fcntl.LOCK_EX)
        unnamed.rename(folder.path / LOCK)
        return folder

    @classmethod
    def at(cls, path: Path) -> "StateFolder":
        """Use a folder that stays until somebody removes it."""
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(path.resolve(), kept=True)

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file that only its owner can read."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def programs(self) -> dict[str, Program]:
        """Return the recorded programs, running or not."""
        with suppress(FileNotFoundError):
            return {r["name"]: Program.from_record(r) for r in json.loads((self.path / RECORD).read_text())}
        return {}

    def record(self, programs: dict[str, Program]) -> None:
        """Replace the record in one step, so that it is whole whenever its writer dies."""
        new = self.write(f"{RECORD}.new", json.dumps([p.to_record() for p in programs.values()], indent=1))
        new.rename(self.path / RECORD)

    def end_programs(self) -> None:
        """End every recorded program, and what the kernel does not take away with the last of them."""
        for program in self.programs().values():
            program.end()
        with suppress(FileNotFoundError):
            cgroups.remove((self.path / CGROUP).read_text())

    def remove(self) -> None:
        """Remove the folder, and with it the hold on it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock:
            self._lock.close()


def clear_abandoned(parent: Path | None = None) -> None:
    """End and remove what starters that were killed have left behind."""
    for lock in (parent or Path(tempfile.gettempdir())).glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError), lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its starter lives
            folder = StateFolder(lock.parent, kept=False)
            folder.end_programs()
            folder.remove()
