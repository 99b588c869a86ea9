"""Loopback ports for one control plane; reserves nothing, so a start that loses a race is told by its program's log."""

import random
import socket
from dataclasses import asdict, dataclass

HOST = "127.0.0.1"
RANGE = range(20_000, 30_000)
"""Below what the kernel hands to outgoing connections, so that a port is still free when its program is restarted."""


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
        candidates = random.sample(RANGE, 200)
        free = [port for port in candidates if is_free(port)][:4]
        return cls(*free)

    def to_dict(self) -> dict[str, int]:
        """Return the form that is kept in a file."""
        return asdict(self)


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
