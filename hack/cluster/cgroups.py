"""The control groups that a node's pods run in: in every hierarchy one of its own, made before and removed after."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cluster.processes import wait_until

ROOT = Path("/sys/fs/cgroup")
UNIFIED = "cgroup.controllers"
WANTED = ("cpuset", "cpu", "io", "memory", "pids")
GONE_SECONDS = 20


def hierarchies(root: Path = ROOT) -> list[Path]:
    """Return the hierarchies: one with cgroup v2, one for each controller with v1."""
    if (root / UNIFIED).exists():
        return [root]
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink() and path.is_mount())


def make(name: str, root: Path = ROOT) -> None:
    """Make the groups, ready to have children."""
    for hierarchy in hierarchies(root):
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for file in "cpuset.cpus", "cpuset.mems":  # empty at first with v1, and then nothing may run there
            if (group / file).exists() and not (group / UNIFIED).exists():
                (group / file).write_text((hierarchy / file).read_text())
        if hierarchy == root:
            delegate(hierarchy)
            delegate(group)


def delegate(group: Path) -> None:
    """Allow children of a v2 group have the controllers that it has itself."""
    offered = (group / UNIFIED).read_text().split()
    (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in WANTED if name in offered))


def remove(name: str, root: Path = ROOT) -> None:
    """Remove the groups, and return when they are gone; their processes have to have ended."""

    def gone() -> bool:
        for group in found(name, root):
            for folder, _, _ in os.walk(group, topdown=False):
                with suppress(OSError):  # a process is still being taken down
                    Path(folder).rmdir()
        return not any(found(name, root))

    wait_until(gone, timeout=GONE_SECONDS, what=f"the end of what ran in the control group {name}")


def found(name: str, root: Path = ROOT) -> Iterator[Path]:
    """Return the groups of a name that are there."""
    if root.exists():
        yield from (hierarchy / name for hierarchy in hierarchies(root) if (hierarchy / name).exists())
