"""Starts over time: never more than the rate allows, whoever owns the source and whenever it crashed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.execution.limits import TokenBucket
from taskaction.execution.pacing import Pace


def bucket(interval: float = 10.0, burst: int = 3) -> TokenBucket:
    return TokenBucket(interval=interval, burst=burst)


def test_a_fresh_bucket_is_full() -> None:
    assert bucket().available_tokens(100.0) == 3


@pytest.mark.parametrize(
    ("starts", "later", "tokens", "opens_at"),
    [
        (1, 0.0, 2, 100.0),
        (3, 0.0, 0, 110.0),
        (3, 9.9, 0, 110.0),
        (3, 10.0, 1, 110.0),
        (3, 29.0, 2, 129.0),
        (3, 1000.0, 3, 1100.0),
    ],
)
def test_tokens_go_with_starts_and_come_back_with_time(starts, later, tokens, opens_at) -> None:
    used = bucket().spend(100.0, starts)

    assert used.available_tokens(100.0 + later) == tokens
    assert used.next_start_at(100.0 + later) == opens_at


@given(
    interval=st.floats(0.01, 100.0),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0.0, 200.0), max_size=80),
)
def test_no_window_ever_sees_more_starts_than_the_rate_allows(interval, burst, pauses) -> None:
    now, starts, used = 1000.0, [], TokenBucket(interval=interval, burst=burst)
    for pause in pauses:
        now += pause
        while used.available_tokens(now):
            used = used.spend(now)
            starts.append(now)
    for first, begin in enumerate(starts):
        for last in range(first, len(starts)):
            allowed = burst + (starts[last] - begin) / interval
            assert last - first + 1 <= allowed + 1e-3


def test_nothing_starts_before_its_use_is_on_record() -> None:
    pace = Pace(bucket())
    assert pace.allowed_starts(100.0) == 0

    pace.reserved_until = pace.next_reservation(100.0, waiting=2)

    assert pace.allowed_starts(100.0) == 2


def test_one_record_serves_the_next_seconds_of_a_quick_rate() -> None:
    pace = Pace(bucket(interval=0.1, burst=100))

    assert pace.next_reservation(100.0, waiting=1) == pytest.approx(107.0)


def test_what_was_reserved_is_still_there_when_its_record_has_been_written() -> None:
    pace = Pace(bucket(interval=0.5, burst=1))

    pace.reserved_until = pace.next_reservation(100.0, waiting=1)

    assert [pace.allowed_starts(moment) for moment in (100.0, 100.3, 102.0)] == [1, 1, 1]


@given(
    burst=st.integers(1, 8),
    steps=st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 9), st.booleans()), max_size=60),
)
def test_owners_that_crash_at_any_moment_never_give_a_token_twice(burst, steps) -> None:
    now, starts, recorded, interval = 1000.0, [], 0.0, 5.0
    pace = Pace(TokenBucket(interval=interval, burst=burst))
    for pause, waiting, crash in steps:
        now += pause
        if crash:
            pace = Pace(TokenBucket(interval=interval, burst=burst))
            pace.take_over(recorded)
        if pace.allowed_starts(now) < waiting and pace.bucket.available_tokens(now):
            pace.reserved_until = recorded = max(recorded, pace.next_reservation(now, waiting))
        for _ in range(min(waiting, pace.allowed_starts(now))):
            pace.bucket = pace.bucket.spend(now)
            starts.append(now)
    for first, begin in enumerate(starts):
        for last in range(first, len(starts)):
            assert last - first + 1 <= burst + (starts[last] - begin) / interval + 1e-3


def test_a_successor_counts_all_that_its_predecessor_had_reserved_as_used() -> None:
    pace = Pace(bucket())
    pace.take_over(130.0)

    assert (pace.allowed_starts(100.0), pace.bucket.available_tokens(100.0), pace.bucket.next_start_at(100.0)) == (
        0,
        0,
        110.0,
    )
