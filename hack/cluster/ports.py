"""Loopback ports that no other process picks at the same time.

A port that is free when it is picked is not free for long: it is bound only when its program has started. So each
process that picks ports first takes a block of them for itself, with a lock that ends with the process.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import cycle

from cluster.cache import cache_root
from cluster.errors import ClusterError

HOST = "127.0.0.1"
RANGE = range(20_000, 30_000)
"""Below what the kernel hands to outgoing connections, so that a port is still free when its program is restarted."""
BLOCK = 200


@dataclass(frozen=True)
class Ports:
    """The ports of one control plane."""

    apiserver: int
    etcd: int
    etcd_peer: int
    controllers: int

    @classmethod
    def free(cls) -> "Ports":
        """Pick ports on which nothing listens."""
        return cls(*(free_port() for _ in range(4)))

    def to_dict(self) -> dict[str, int]:
        """Return the form that is kept in a file."""
        return asdict(self)


def free_port() -> int:
    """Pick a port on which nothing listens; this process picks it again only after all others of its block."""
    picks = _picks_of(os.getpid())
    for _ in range(BLOCK):
        if is_free(port := next(picks)):
            return port
    raise ClusterError(f"all {BLOCK} ports of this process's block are in use")


def is_free(port: int) -> bool:
    """Whether a program could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the programs do
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def is_listening(port: int) -> bool:
    """Whether a program accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


@cache
def _picks_of(pid: int) -> Iterator[int]:
    """Take a block for this process, and go round it; `pid` keeps a forked child from going on with its parent's."""
    locks = cache_root() / "ports"
    locks.mkdir(parents=True, exist_ok=True)
    count = len(RANGE) // BLOCK
    for number in ((pid + further) % count for further in range(count)):
        lock = os.open(locks / str(number), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return cycle(RANGE[number * BLOCK : (number + 1) * BLOCK])  # the lock stays open as long as the process lives
    raise ClusterError(f"all {count} blocks of ports are taken; the locks are in {locks}")
