"""The waits between polls: they double from the first to the longest, and the last poll is made at the deadline."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from taskaction.plugin.schedule import Schedule

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SCHEDULES = st.builds(
    Schedule,
    initial=st.floats(0.1, 60),
    factor=st.floats(1, 10),
    longest=st.floats(60, 3600),
)


def polls(schedule: Schedule, seconds: float, deadline: float | None = None) -> list[float]:
    """The moments of the polls, where none takes any time."""
    end = BEGAN + timedelta(seconds=deadline) if deadline is not None else None
    moments, passed = [], 0.0
    while len(moments) < 200:
        passed += schedule.wait(BEGAN, BEGAN + timedelta(seconds=passed), end)
        if passed > seconds:
            break
        moments.append(passed)
    return moments


def test_the_waits_are_those_of_globus_flows() -> None:
    moments = polls(Schedule(), 4000)
    waits = [later - earlier for earlier, later in zip([0.0, *moments], moments, strict=False)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600]


def test_the_last_poll_is_made_just_before_the_deadline() -> None:
    assert polls(Schedule(), 300, deadline=300) == [1, 3, 7, 15, 31, 63, 127, 255, 299]


@given(SCHEDULES, st.integers(0, 10_000))
def test_no_wait_is_shorter_than_the_first_or_longer_than_the_longest(schedule: Schedule, passed: int) -> None:
    wait = schedule.wait(BEGAN, BEGAN + timedelta(seconds=passed))
    assert schedule.initial <= wait <= schedule.longest


@given(SCHEDULES, st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_later_poll_never_waits_less_without_a_deadline(schedule: Schedule, one: int, other: int) -> None:
    earlier, later = sorted((one, other))
    waits = [schedule.wait(BEGAN, BEGAN + timedelta(seconds=passed)) for passed in (earlier, later)]
    assert waits[0] <= waits[1]


@given(SCHEDULES, st.integers(2, 10_000))
def test_no_poll_that_could_see_the_end_is_left_out(schedule: Schedule, deadline: int) -> None:
    moments = polls(schedule, deadline, deadline=deadline)
    before = max(moment for moment in moments if moment < deadline)
    assert len(moments) == 200 or deadline - 1.01 <= before
