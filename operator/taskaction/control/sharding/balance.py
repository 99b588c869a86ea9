"""Who should hold how many shards: arithmetic that every replica does alike from what it sees; it moves nothing."""

from collections.abc import Collection, Mapping


def shares(held: Mapping[str, int], shards: int) -> dict[str, int]:
    """Give how many shards each replica should hold, from how many each holds now.

    Shares differ by at most one. The larger ones go to those who hold most already, so that bringing everybody to
    their share takes as few moves as any even division does, and an even division moves nothing.
    """
    if not held:
        return {}
    share, larger = divmod(shards, len(held))
    order = sorted(held, key=lambda replica: (-held[replica], replica))
    return {replica: share + (position < larger) for position, replica in enumerate(order)}


def share_of(replica: str, others: Collection[str], holders: Mapping[int, str], shards: int) -> int:
    """Give the share of ``replica`` among itself and ``others``; ``holders`` says who holds which shard now."""
    held = dict.fromkeys((*others, replica), 0)
    for holder in holders.values():
        if holder in held:
            held[holder] += 1
    return shares(held, shards)[replica]
