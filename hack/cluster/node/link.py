"""The one link between the host and a node's network namespace; knows nothing of what runs behind it."""

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.processes import wait_until

NUMBERS = range(16_384)
"""A number gives each cluster a name and four addresses of the network; like ports, it is picked and not reserved."""
NETWORK = "10.213.0.0/16"
GATEWAY = "10.244.0.1"
"""The node's address towards its pods; the same in every cluster, since each has a network of its own."""
PODS = "10.244.0.0/16"
BRIDGE = "pods"
GONE_SECONDS = 20


@dataclass(frozen=True)
class Link:
    """A pair of interfaces, one on the host and one inside."""

    number: int

    @classmethod
    def free(cls) -> "Link":
        """Pick a number that nothing uses now."""
        return next(link for number in random.sample(NUMBERS, 200) if not (link := cls(number)).exists())

    @property
    def name(self) -> str:
        """The name of the host's end, and of all else that must not clash with another cluster's."""
        return f"taskaction{self.number}"

    @property
    def host(self) -> str:
        """The host's address."""
        return self._address(1)

    @property
    def node(self) -> str:
        """The address at which the host reaches what runs inside."""
        return self._address(2)

    def exists(self) -> bool:
        """Whether the host has an interface of this name."""
        return Path("/sys/class/net", self.name).exists()

    def connect(self, pid: int, service: str) -> None:
        """Join the network namespace of a process to the host; `service` is the API server's address for pods."""
        # The kernel takes a dead cluster's link away in its own time, which a quick restart has to wait for.
        wait_until(lambda: not self.exists(), timeout=GONE_SECONDS, what=f"the earlier link {self.name} to go")
        ip([f"link add {self.name} type veth peer name eth0 netns {pid}"])
        inside = [
            "link set lo up",
            f"address add {self.node}/30 dev eth0",
            "link set eth0 up",
            f"link add {BRIDGE} type bridge",
            f"address add {GATEWAY}/{PODS.partition('/')[2]} dev {BRIDGE}",
            f"address add {service}/32 dev {BRIDGE}",
            f"link set {BRIDGE} up",
        ]
        ip(inside, enter=["nsenter", f"--target={pid}", "--net"])
        ip([f"address add {self.host}/30 dev {self.name}", f"link set {self.name} up"])

    def _address(self, last: int) -> str:
        return f"10.213.{self.number // 64}.{self.number % 64 * 4 + last}"


def ip(lines: list[str], *, enter: list[str] | None = None) -> None:
    """Run commands of `ip`, all or as far as the first that fails."""
    done = subprocess.run(
        [*(enter or []), "ip", "-batch", "-"], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ClusterError(f"ip could not set up the node's network ({lines[0]}, ...): {done.stderr.strip()}")
