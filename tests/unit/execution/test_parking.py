"""Parked runs: who looks after a quota, who follows, and what is left."""

from hypothesis import given
from hypothesis import strategies as st

from support.stage import run
from taskaction.execution.parking import ParkingLot


def lot_of(*names: str, quota: str = "api") -> ParkingLot:
    lot = ParkingLot()
    for name in names:
        lot.park(run(name), quota)
    return lot


def test_one_looks_for_all_that_share_a_quota() -> None:
    lot = lot_of("a", "b", "c")
    looking = lot.take_probe("api")

    assert looking is not None
    assert (looking.id, len(lot), lot.parked_count("noop")) == ("a", 2, 2)


def test_another_one_looks_the_next_time() -> None:
    lot = lot_of("a", "b")
    first = lot.take_probe("api")
    assert first is not None
    lot.park(first, "api")
    second = lot.take_probe("api")

    assert second is not None
    assert (first.id, second.id) == ("a", "b")


def test_two_follow_each_one_that_is_let_through() -> None:
    lot = lot_of(*"abcdefg")
    lot.take_probe("api")

    assert [one.id for one in lot.take_followers("a")] == ["b", "c"]
    assert [one.id for one in lot.take_followers("b")] == ["d", "e"]


def test_quotas_have_nothing_to_do_with_each_other() -> None:
    lot = lot_of("a", quota="one")
    lot.park(run("b"), "two")
    lot.take_probe("one")

    assert lot.take_followers("a") == []
    assert lot.parked_count("noop") == 1


def test_the_next_one_must_look_where_the_only_one_that_looked_is_gone() -> None:
    lot = lot_of("a", "b")
    lot.take_probe("api")

    assert lot.forget("a") == "api"
    assert lot.forget("b") is None, "nobody is left"
    assert lot.take_probe("api") is None


def test_a_run_that_was_never_parked_is_no_matter() -> None:
    lot = lot_of("a")

    assert lot.forget("never seen") is None
    assert lot.take_followers("never seen") == []
    assert len(lot) == 1


@given(steps=st.lists(st.tuples(st.sampled_from(["park", "look", "passed", "forget"]), st.integers(0, 9)), max_size=60))
def test_nobody_is_lost_and_nothing_is_left(steps) -> None:
    lot, parked, out = ParkingLot(), set(), set()
    for step, number in steps:
        name = f"r{number}"
        if step == "park":
            lot.park(run(name), number % 2)
            parked.add(name)
            out.discard(name)
        elif step == "look":
            looking = lot.take_probe(number % 2)
            assert (looking is None) == all(int(one[1:]) % 2 != number % 2 for one in parked)
            if looking is not None:
                parked.remove(looking.id)
                out.add(looking.id)
        elif step == "passed":
            followers = {one.id for one in lot.take_followers(name)}
            parked -= followers | {name}
            out = (out | followers) - {name}
        else:
            lot.forget(name)
            parked.discard(name)
            out.discard(name)
        assert len(lot) == lot.parked_count("noop") == len(parked)
    for name in parked | out:
        lot.forget(name)
    assert not any([lot._groups, lot._quotas, lot._by_source])
