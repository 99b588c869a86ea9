"""Acquisitions of shards whose response may have been lost: the Lease shows later which of them succeeded."""

_KEPT = 16
"""Maximum number of acquisitions of a shard whose success may still show: others acquired it instead of the oldest."""


class UnansweredAcquisitions:
    """When each acquisition was sent, by the monotonic clock."""

    def __init__(self) -> None:
        """Create an empty record."""
        self._sent: dict[int, dict[int, float]] = {}

    def add(self, shard: int, epoch: int, sent: float) -> None:
        """Record that a shard is to be acquired under ``epoch``."""
        acquisitions = self._sent.setdefault(shard, {})
        acquisitions.setdefault(epoch, sent)
        if len(acquisitions) > _KEPT:
            del acquisitions[next(iter(acquisitions))]

    def sent_at(self, shard: int, epoch: int) -> float | None:
        """Return when the acquisition of a shard under ``epoch`` was sent; None if it is not this process's own."""
        return self._sent.get(shard, {}).get(epoch)

    def forget(self, shard: int) -> None:
        """Forget the acquisitions of a shard whose owner is known."""
        self._sent.pop(shard, None)
