"""Who must give way in a partition that is not to overlap, whatever the order in which its actions are seen."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.records import body, recorded
from taskaction.api.enums import OverlapPolicy
from taskaction.api.reasons import Reason
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.tables import ActionTable
from taskaction.control.task_actions.overlaps import OverlapPlace, OverlapTable
from taskaction.testing.clock import START

REPLACE, DROP = OverlapPolicy.REPLACE, OverlapPolicy.DROP


class Partition:
    def __init__(self, policy: OverlapPolicy, capacity: int = 1) -> None:
        self.table = ActionTable()
        self.overlaps = OverlapTable(self.table)
        self.policy = policy
        self.capacity = capacity

    def come(self, name: str, *, created: int, started: bool = False) -> ActionRecord | None:
        """Let an action be seen; give the one that must give way by that."""
        stored = body(name, status={"phase": "Queued", **({"attempt": 1} if started else {})})
        stored["metadata"]["creationTimestamp"] = (START + timedelta(seconds=created)).isoformat()
        record = recorded(stored)
        self.table.add(record)
        place = OverlapPlace(
            partition=("deploy", "web"),
            policy=self.policy,
            capacity=self.capacity,
            order=(0, float(created), created, name),
        )
        return self.overlaps.place(record, place)

    def leave(self, name: str) -> None:
        self.overlaps.forget(f"uid-of-{name}")
        record = self.table.get(f"uid-of-{name}")
        assert record is not None
        self.table.drop(record)

    def verdicts(self) -> dict[str, Reason | str | None]:
        facts = {record.name: self.overlaps.abort_fact(record) for record in self.table}
        return {name: fact.reason if fact is not None else None for name, fact in facts.items()}


def test_the_newest_replaces_all_before_it_and_says_who() -> None:
    partition = Partition(REPLACE)
    assert partition.come("old", created=1, started=True) is None
    given_way = partition.come("new", created=2)

    assert given_way is not None
    assert given_way.name == "old"
    fact = partition.overlaps.abort_fact(given_way)
    assert fact is not None
    assert fact.message == "replaced by 'new', which has the same partition key 'web'"
    assert partition.verdicts() == {"old": Reason.REPLACED, "new": None}


def test_who_comes_to_a_busy_partition_is_dropped_and_told_by_whom() -> None:
    partition = Partition(DROP)
    partition.come("first", created=1, started=True)
    assert partition.come("second", created=2) is None

    second = partition.table.get_by_name("team-a", "second")
    assert second is not None
    fact = partition.overlaps.abort_fact(second)
    assert fact is not None
    assert (fact.reason, fact.message) == (Reason.DROPPED, "'first' with the same partition key 'web' is running")
    assert partition.verdicts()["first"] is None


def test_a_free_partition_lets_the_next_one_in() -> None:
    partition = Partition(DROP)
    partition.come("first", created=1, started=True)
    partition.leave("first")
    partition.come("second", created=2)

    assert partition.verdicts() == {"second": None}


def test_an_older_action_that_is_seen_late_does_not_disturb_the_one_that_has_started() -> None:
    dropped, replaced = Partition(DROP), Partition(REPLACE)
    for partition in dropped, replaced:
        partition.come("newer", created=2, started=True)
        partition.come("older", created=1)

    assert dropped.verdicts() == {"newer": None, "older": Reason.DROPPED}
    assert replaced.verdicts() == {"newer": None, "older": Reason.REPLACED}


def test_an_older_one_pushes_a_newer_one_out_that_only_waits() -> None:
    partition = Partition(DROP)
    partition.come("newer", created=2)
    given_way = partition.come("older", created=1)

    assert given_way is not None
    assert given_way.name == "newer"
    assert partition.verdicts() == {"older": None, "newer": Reason.DROPPED}


def test_an_action_whose_policy_is_taken_away_may_stay() -> None:
    partition = Partition(REPLACE)
    partition.come("old", created=1)
    partition.come("new", created=2)
    old = partition.table.get_by_name("team-a", "old")
    assert old is not None
    partition.overlaps.place(old, None)

    assert partition.verdicts() == {"old": None, "new": None}


@pytest.mark.parametrize("policy", [REPLACE, DROP])
@given(
    arrivals=st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=12, unique_by=lambda pair: pair[0]),
    capacity=st.integers(1, 3),
    leaving=st.sets(st.integers(0, 9)),
)
def test_no_more_than_the_capacity_may_go_on_and_the_others_know_why(policy, arrivals, capacity, leaving) -> None:
    partition = Partition(policy, capacity)
    started: list[int] = []
    for created, may_start in arrivals:
        # The queue starts no more at a time than there is room for, and none that must give way.
        starts = may_start and len(started) < capacity
        started += [created] if starts else []
        partition.come(f"a{created}", created=created, started=starts)
    for created in leaving & {created for created, _ in arrivals}:
        partition.leave(f"a{created}")
    live = sorted(created for created, _ in arrivals if created not in leaving)
    going_on = {name for name, verdict in partition.verdicts().items() if verdict is None}

    if policy is REPLACE:
        assert going_on == {f"a{created}" for created in live[-capacity:]}
    else:
        running = {f"a{created}" for created in started if created in live}
        assert running <= going_on
        assert len(going_on) >= min(capacity, len(live)), "a place stays free beside one who is dropped"
        waiting = sorted(int(name[1:]) for name in going_on - running)
        assert waiting == sorted(set(live) - set(started))[: len(waiting)], "the oldest stay"
        assert len(waiting) <= capacity
    assert len(partition.overlaps._places) == len(live)
    assert bool(partition.overlaps._members) == bool(live)
