"""The first process of a node's namespaces: gives it private views of the host, then only collects orphans.

Run as a script by `unshare`; when it dies, the kernel ends everything that runs beside it and drops every mount.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

HIDDEN = ("/run", "/var/lib", "/var/log")
"""What containerd, runc, kubelet and CNI plug-ins write to at fixed places."""
WORK = Path("/run/node")
"""The node's part of the state, at a path that is short enough for sockets."""
SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
"""What kubelet insists on and would set for the whole host: it is shown files that say so already."""


def main() -> None:
    """Expect the state folder, the file that tells that all is prepared, and what else has to stay visible."""
    state, told, *needed = map(Path, sys.argv[1:])
    pid = Path("/proc/self").readlink().name  # still the host's /proc, so this is the pid by which the host knows it
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    for folder in HIDDEN:
        hide(Path(folder).resolve(), [state, *needed])
    mount("-t", "proc", "proc", "/proc")
    bind(state / "node", WORK)
    for name, value in SYSCTLS.items():
        show(Path("/proc/sys", name), value)
    Path("/proc/sys/net/ipv4/ip_forward").write_text(
        "0"
    )  # of this network namespace only: pods reach the node, no more
    part = told.with_suffix(".part")
    part.write_text(pid)
    part.rename(told)
    while True:
        signal.sigwait([signal.SIGCHLD])
        collect()


def hide(folder: Path, needed: list[Path]) -> None:
    """Put an empty folder over one of the host's, with what is needed of it still in its place."""
    kept = {path: os.open(path, os.O_PATH) for path in needed if path.is_relative_to(folder)}
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))
    for path, handle in kept.items():
        os.set_inheritable(handle, True)  # noqa: FBT003 - the standard library's signature
        bind(Path(f"/proc/self/fd/{handle}"), path, pass_fds=(handle,))
        os.close(handle)


def bind(source: Path, place: Path, *, pass_fds: tuple[int, ...] = ()) -> None:
    """Show a folder at a second place."""
    place.mkdir(parents=True, exist_ok=True)
    mount("--bind", str(source), str(place), pass_fds=pass_fds)


def show(path: Path, value: int) -> None:
    """Show a value instead of the kernel's, where the kernel has one."""
    if path.exists():
        stand_in = WORK.parent / path.name
        stand_in.write_text(f"{value}\n")
        mount("--bind", str(stand_in), str(path))


def mount(*arguments: str, pass_fds: tuple[int, ...] = ()) -> None:
    """Mount inside of this namespace."""
    subprocess.run(["mount", "--no-canonicalize", *arguments], check=True, pass_fds=pass_fds)


def collect() -> None:
    """Record every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:  # none is left
        return


if __name__ == "__main__":
    main()
