"""What the leases tell those who do the work of shards, and ask them."""

from collections.abc import Callable, Mapping
from typing import Protocol


class LeaseListener(Protocol):
    """Receiver of changes of ownership."""

    def on_shard_acquired(self, shard: int, epoch: int) -> None:
        """Start the work of a shard that this process owns from now on."""

    def on_lease_renewed(self, shard: int) -> None:
        """Continue what has waited for the Lease of a shard."""

    def on_shard_leaving(self, shard: int) -> None:
        """Start nothing new in a shard that goes to another process as soon as it is at rest."""

    def is_shard_at_rest(self, shard: int) -> bool:
        """Whether the calls of a leaving shard have ended and all its statuses are written."""

    def on_shard_lost(self, shard: int) -> None:
        """Drop the work of a shard that another process owns, or may acquire."""

    def shard_loads(self) -> Mapping[int, int]:
        """Return the number of active calls in each shard: those with the fewest leave first."""

    def is_ready_to_acquire(self, on_ready: Callable[[], None]) -> bool:
        """Whether the objects of every shard are known; otherwise read them, and call ``on_ready`` when they are."""

    def on_share_held(self) -> None:
        """Handle that this process wants no other shards than those that it holds."""

    def on_clock_wrong(self, seconds: float) -> None:
        """Handle that the clock is ahead of the API server's by ``seconds``: all shards leave."""

    def on_clock_right(self, seconds: float) -> None:
        """Handle that the clock agrees with the API server's again."""
