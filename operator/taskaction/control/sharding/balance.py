"""Fair share of shards for each replica; pure arithmetic with the same result in every replica."""

from collections.abc import Collection, Mapping


def divide_shards(held: Mapping[str, int], shards: int) -> dict[str, int]:
    """Return how many shards each replica should hold, from how many each holds now.

    Shares differ by at most one. The larger shares go to the replicas that hold most, so that a rebalance takes as few
    moves as any even division, and an even division moves nothing.
    """
    if not held:
        return {}
    share, larger = divmod(shards, len(held))
    order = sorted(held, key=lambda replica: (-held[replica], replica))
    return {replica: share + (position < larger) for position, replica in enumerate(order)}


def share_of(replica: str, others: Collection[str], holders: Mapping[int, str], shards: int) -> int:
    """Return the share of ``replica`` among itself and ``others``; ``holders`` maps each shard to its holder."""
    held = dict.fromkeys((*others, replica), 0)
    for holder in holders.values():
        if holder in held:
            held[holder] += 1
    return divide_shards(held, shards)[replica]
