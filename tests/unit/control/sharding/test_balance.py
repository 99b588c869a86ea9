"""The arithmetic of an even share: always even in the end, never more moves than needed, never two owners."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.control.sharding.balance import divide_shards, share_of

COUNTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 40), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("held", "shards", "expected"),
    [
        ({"a": 16}, 16, {"a": 16}),
        ({"a": 0}, 16, {"a": 16}),
        ({"a": 16, "b": 0}, 16, {"a": 8, "b": 8}),
        ({"a": 16, "b": 0, "c": 0}, 16, {"a": 6, "b": 5, "c": 5}),
        ({"a": 8, "b": 8, "c": 0}, 16, {"a": 6, "b": 5, "c": 5}),
        ({"a": 5, "b": 5, "c": 6}, 16, {"a": 5, "b": 5, "c": 6}),
        ({"a": 1, "b": 1, "c": 0}, 2, {"a": 1, "b": 1, "c": 0}),
        ({"a": 2, "b": 2, "c": 0}, 4, {"a": 2, "b": 1, "c": 1}),
    ],
    ids=[
        "alone with all",
        "alone with none",
        "a second comes",
        "two come at once",
        "a third comes",
        "even: nothing moves",
        "more replicas than shards: one stands by",
        "a newcomer is not left without, although nobody exceeds the larger share",
    ],
)
def test_shares_follow_from_who_holds_what(held, shards, expected) -> None:
    assert divide_shards(held, shards) == expected


def test_without_replicas_nobody_has_a_share() -> None:
    assert divide_shards({}, 16) == {}


def test_a_replica_s_share_counts_only_the_holders_that_are_alive() -> None:
    holders = {0: "dead", 1: "dead", 2: "ada", 3: "dead"}

    assert share_of("ada", ["bob"], holders, 4) == 2
    assert share_of("ada", [], holders, 4) == 4
    assert share_of("new", ["ada", "bob"], holders, 4) == 1


@given(COUNTS, st.integers(1, 64))
def test_shares_are_even_and_add_up(held, shards) -> None:
    found = divide_shards(held, shards)

    assert sum(found.values()) == shards
    assert max(found.values()) - min(found.values()) <= 1


@given(COUNTS)
def test_no_even_division_needs_fewer_moves(held) -> None:
    shards = sum(held.values())
    moves = sum(max(0, held[replica] - share) for replica, share in divide_shards(held, shards).items())
    share, larger = divmod(shards, len(held))
    best = sum(sorted((max(0, count - share) for count in held.values()), reverse=True))
    best -= sum(sorted((min(1, max(0, count - share)) for count in held.values()), reverse=True)[:larger])

    assert moves == best


class Holders:
    """Shards that change hands as leases do: only a free one is taken, and only its holder gives one away."""

    def __init__(self, replicas: list[str], holders: list[int]) -> None:
        self.replicas = replicas
        self.owner: list[str | None] = [replicas[holder] if holder < len(replicas) else None for holder in holders]
        self.given = 0

    def turn(self, replica: str, seen: list[str | None]) -> None:
        """Let a replica act on what it has seen, which may be old, except of what it holds itself."""
        shards = len(self.owner)
        mine = [shard for shard in range(shards) if self.owner[shard] == replica]
        holders = {shard: seen[shard] for shard in range(shards) if seen[shard] not in {None, replica}}
        holders |= dict.fromkeys(mine, replica)
        others = [other for other in self.replicas if other != replica]
        share = share_of(replica, others, holders, shards)
        for shard in mine[share:]:
            self.owner[shard] = None
            self.given += 1
        room = share - len(mine)
        for shard in range(shards):
            if room > 0 and seen[shard] is None and self.owner[shard] is None:
                self.owner[shard] = replica
                room -= 1

    @property
    def is_even(self) -> bool:
        counts = [Counter(self.owner)[replica] for replica in self.replicas]
        return None not in self.owner and max(counts) - min(counts) <= 1


@given(st.integers(1, 6), st.lists(st.integers(0, 7), min_size=1, max_size=24), st.randoms(use_true_random=False))
def test_replicas_that_act_in_any_order_end_even_and_then_rest(count, holders, luck) -> None:
    replicas = [f"replica-{number}" for number in range(count)]
    world = Holders(replicas, holders)
    for _ in range(4 * count):
        order = luck.sample(replicas, count)
        for replica in order:
            world.turn(replica, list(world.owner))
    assert world.is_even

    before = world.given
    for replica in replicas:
        world.turn(replica, list(world.owner))
    assert world.given == before


@given(st.integers(1, 6), st.lists(st.integers(0, 7), min_size=1, max_size=24), st.randoms(use_true_random=False))
def test_replicas_that_act_on_old_news_end_even_all_the_same(count, holders, luck) -> None:
    replicas = [f"replica-{number}" for number in range(count)]
    world = Holders(replicas, holders)
    for _ in range(3):
        seen = list(world.owner)  # everybody acts on the same old picture
        for replica in luck.sample(replicas, count):
            world.turn(replica, seen)
    for _ in range(4 * count):
        for replica in luck.sample(replicas, count):
            world.turn(replica, list(world.owner))

    assert world.is_even


@given(st.integers(1, 6), st.lists(st.integers(0, 5), min_size=1, max_size=24), st.randoms(use_true_random=False))
def test_no_more_shards_are_given_away_than_an_even_share_needs(count, holders, luck) -> None:
    replicas = [f"replica-{number}" for number in range(count)]
    world = Holders(replicas, [holder % count for holder in holders])
    counts = Counter(world.owner)
    needed = sum(
        max(0, counts[replica] - share)
        for replica, share in divide_shards({replica: counts[replica] for replica in replicas}, len(holders)).items()
    )
    for _ in range(4 * count):
        for replica in luck.sample(replicas, count):
            world.turn(replica, list(world.owner))

    assert world.given == needed
