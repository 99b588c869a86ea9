"""What is due at a moment: missed times, policies, jitter, deadlines, and clocks that jump."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.api.enums import CatchUpPolicy, ConcurrencyPolicy
from taskaction.core.names import scheduled_name
from taskaction.schedules.due import MARK_AHEAD, MISSED_COUNTED, ON_TIME, Decision, MadeObject, Rules, decide
from taskaction.schedules.times import Cron, Interval

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
HOURLY = Rules(uid="1b4e", created=CREATED, timetable=Cron("@hourly"))


def at(hours: float) -> datetime:
    return CREATED + timedelta(hours=hours)


def made(*hours: float, finished: bool = True) -> tuple[MadeObject, ...]:
    return tuple(MadeObject(time=at(hour), name=scheduled_name("s", at(hour)), finished=finished) for hour in hours)


def running(*hours: float) -> tuple[MadeObject, ...]:
    return made(*hours, finished=False)


def rules(**changes: object) -> Rules:
    return replace(HOURLY, **changes)


@pytest.mark.parametrize(
    ("now", "last", "starts", "mark"),
    [
        (0, None, [], None),  # the moment of the creation is not a time
        (0.5, None, [], None),
        (1, None, [1], 1),
        (1.01, None, [1], 1),
        (1.5, 1, [], 1),
        (2, 1, [2], 2),
    ],
)
def test_a_time_starts_once_it_is_there(
    now: float, last: float | None, starts: list[float], mark: float | None
) -> None:
    decision = decide(HOURLY, None if last is None else at(last), (), at(now))
    assert decision.starts == tuple(map(at, starts))
    assert decision.last == (None if mark is None else at(mark))
    assert decision.missed == 0
    assert decision.next_time == decision.wake == at(int(now) + 1)


@pytest.mark.parametrize(
    ("catch_up", "limit", "starts", "missed"),
    [
        (CatchUpPolicy.NONE, 10, [], 5),
        (CatchUpPolicy.LAST, 10, [6], 4),
        (CatchUpPolicy.ALL, 2, [5, 6], 3),
        (CatchUpPolicy.ALL, 5, [2, 3, 4, 5, 6], 0),
        (CatchUpPolicy.ALL, 100, [2, 3, 4, 5, 6], 0),
    ],
)
def test_missed_times(catch_up: CatchUpPolicy, limit: int, starts: list[float], missed: int) -> None:
    decision = decide(rules(catch_up=catch_up, catch_up_limit=limit), at(1), (), at(6.5))
    assert decision.starts == tuple(map(at, starts))
    assert decision.missed == missed
    assert decision.last == at(6)
    assert decision.next_time == at(7)


@pytest.mark.parametrize(("late", "starts"), [(timedelta(), 1), (ON_TIME, 1), (ON_TIME + SECOND, 0)])
def test_without_catch_up_only_a_time_that_is_about_now_starts(late: timedelta, starts: int) -> None:
    decision = decide(rules(catch_up=CatchUpPolicy.NONE), at(1), (), at(3) + late)
    assert len(decision.starts) == starts
    assert decision.missed == 2 - starts
    assert decision.last == at(3)


@pytest.mark.parametrize(
    ("deadline", "starts", "missed"),
    [(2 * HOUR - SECOND, [5, 6], 4), (2 * HOUR - 2 * SECOND, [6], 5), (SECOND, [], 6)],
)
def test_a_time_does_not_start_after_its_deadline(deadline: timedelta, starts: list[float], missed: int) -> None:
    late = rules(starting_deadline=deadline, catch_up=CatchUpPolicy.ALL)
    decision = decide(late, None, (), at(7) - SECOND)
    assert decision.starts == tuple(map(at, starts))
    assert decision.missed == missed
    assert decision.last == at(6)


def test_an_object_that_exists_is_not_made_again() -> None:
    every = rules(catch_up=CatchUpPolicy.ALL)
    decision = decide(every, at(1), made(2) + running(3), at(4.5))
    assert decision.starts == (at(4),)
    assert decision.missed == 0
    assert decide(every, at(1), made(2) + running(3, 4), at(4.5)).starts == ()


def test_allow_starts_next_to_unfinished_objects() -> None:
    assert decide(HOURLY, at(1), running(1), at(2)).starts == (at(2),)


def test_forbid_waits_for_the_end_and_then_starts_the_last_time() -> None:
    alone = rules(concurrency=ConcurrencyPolicy.FORBID)
    first = decide(alone, at(1), running(1), at(2))
    assert first.waits
    assert (first.starts, first.last, first.missed) == ((), at(1), 0)
    later = decide(alone, first.last, running(1), at(4.5))
    assert later.waits
    assert (later.starts, later.last, later.missed) == ((), at(3), 2)
    ended = decide(alone, later.last, made(1), at(4.6))
    assert not ended.waits
    assert (ended.starts, ended.last, ended.missed) == ((at(4),), at(4), 0)


def test_forbid_makes_up_for_missed_times_one_after_the_other() -> None:
    alone = rules(concurrency=ConcurrencyPolicy.FORBID, catch_up=CatchUpPolicy.ALL, catch_up_limit=3)
    last, existing, started, missed = at(1), (), [], 0
    for _ in range(4):
        decision = decide(alone, last, existing, at(6.5))
        started += decision.starts
        missed += decision.missed
        last = decision.last
        existing = tuple(MadeObject(time=time, name=str(time), finished=True) for time in started)
    assert started == [at(4), at(5), at(6)]
    assert missed == 2
    assert last == at(6)


def test_forbid_does_not_start_its_own_object_again_after_a_crash() -> None:
    alone = rules(concurrency=ConcurrencyPolicy.FORBID)
    decision = decide(alone, at(1), running(2), at(2))
    assert (decision.starts, decision.last, decision.waits) == ((), at(2), False)


def test_replace_deletes_the_unfinished_and_starts_only_the_last_time() -> None:
    newest = rules(concurrency=ConcurrencyPolicy.REPLACE, catch_up=CatchUpPolicy.ALL)
    decision = decide(newest, at(1), running(1) + made(0), at(4))
    assert decision.starts == (at(4),)
    assert decision.replaced == (scheduled_name("s", at(1)),)
    assert decision.missed == 2


def test_replace_does_not_replace_its_own_object_after_a_crash() -> None:
    newest = rules(concurrency=ConcurrencyPolicy.REPLACE, catch_up=CatchUpPolicy.ALL)
    decision = decide(newest, at(1), running(4), at(4))
    assert (decision.starts, decision.replaced, decision.last) == ((), (), at(4))


def test_a_suspended_schedule_starts_nothing_and_catches_up_afterwards() -> None:
    assert decide(rules(suspend=True), at(1), (), at(5)) == Decision(last=at(1))
    assert decide(HOURLY, at(1), (), at(5)).starts == (at(5),)


@pytest.mark.parametrize(("policy", "starts"), [(CatchUpPolicy.LAST, (at(12),)), (CatchUpPolicy.NONE, ())])
def test_the_times_of_a_changed_expression_count_since_the_mark(
    policy: CatchUpPolicy, starts: tuple[datetime, ...]
) -> None:
    changed = rules(timetable=Cron("0 12 * * *"), catch_up=policy)
    decision = decide(changed, at(8), made(8), at(15))
    assert decision.starts == starts
    assert decision.missed == 1 - len(starts)
    assert decision.next_time == at(36)


def test_times_begin_at_the_start_and_stop_at_the_end() -> None:
    bounded = rules(start=at(2), end=at(3), catch_up=CatchUpPolicy.ALL)
    before = decide(bounded, None, (), at(1.5))
    assert (before.starts, before.next_time, before.last) == ((), at(2), None)
    assert decide(bounded, None, (), at(2)).starts == (at(2),)
    end = decide(bounded, at(2), (), at(9))
    assert (end.starts, end.next_time, end.wake, end.missed) == ((at(3),), None, None, 0)
    assert decide(bounded, at(3), (), at(9)) == Decision(last=at(3))


def test_a_start_before_the_creation_adds_no_times() -> None:
    assert decide(rules(start=at(-100), catch_up=CatchUpPolicy.ALL), None, (), at(1.5)).starts == (at(1),)


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_a_clock_that_jumps_forward_starts_at_most_the_bound(policy: CatchUpPolicy) -> None:
    jumped = rules(
        starting_deadline=timedelta(seconds=100), catch_up=policy, catch_up_limit=7, timetable=Cron("* * * * *")
    )
    decision = decide(jumped, at(1), (), at(1) + 24 * 365 * 100 * HOUR)
    assert len(decision.starts) <= jumped.bound
    assert decision.missed == MISSED_COUNTED
    assert decision.next_time == decision.last + MINUTE


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_a_start_that_is_set_after_the_mark_counts(policy: CatchUpPolicy) -> None:
    later = rules(start=at(8), catch_up=policy)
    before = decide(later, at(2), made(2), at(7.5))
    assert (before.starts, before.last, before.missed, before.next_time) == ((), at(2), 0, at(8))
    assert decide(later, at(2), made(2), at(8)).starts == (at(8),)


def test_a_clock_that_steps_back_starts_nothing_twice() -> None:
    decision = decide(HOURLY, at(5), made(5), at(5) - MARK_AHEAD)
    assert decision == Decision(last=at(5), next_time=at(6), wake=at(6))
    assert decide(HOURLY, at(5), (), at(5.5)).starts == ()


def test_a_mark_too_far_ahead_stops_nothing_and_repeats_nothing_that_exists() -> None:
    ahead = at(24)  # the clock was ahead by a day, and 24 was made then
    set_right = decide(HOURLY, ahead, made(24), at(2.5))
    assert (set_right.starts, set_right.last, set_right.missed, set_right.next_time) == ((), at(2), 0, at(3))
    assert decide(HOURLY, set_right.last, made(24), at(3)).starts == (at(3),)
    assert decide(HOURLY, at(23), made(24), at(24)).starts == ()
    assert decide(HOURLY, ahead, made(24), at(3) + SECOND).starts == (at(3),)  # is still on time
    before_all_times = rules(timetable=Cron("@yearly"))
    assert decide(before_all_times, at(24 * 365), (), at(5)).last is None


def test_a_clock_before_the_creation_takes_no_mark_back() -> None:
    assert decide(HOURLY, at(5), (), at(-100)).last == at(5)


class CountedCron(Cron):
    """Cron times that count how many were made."""

    count = 0

    def times(self, after: datetime, until: datetime):
        for nominal in super().times(after, until):
            self.count += 1
            yield nominal


@pytest.mark.parametrize("concurrency", ConcurrencyPolicy)
@pytest.mark.parametrize("policy", CatchUpPolicy)
@pytest.mark.parametrize("years", [1, 10, 1000])
def test_the_work_does_not_grow_with_the_outage(
    years: int, policy: CatchUpPolicy, concurrency: ConcurrencyPolicy
) -> None:
    times = CountedCron("* * * * *", "Europe/Berlin")
    long = rules(timetable=times, catch_up=policy, catch_up_limit=100, concurrency=concurrency, jitter=30 * SECOND)
    decide(long, at(0), running(0), at(24 * 365 * years))
    assert times.count < 10_000


JITTERED = rules(
    timetable=Interval(timedelta(seconds=10), CREATED), jitter=timedelta(seconds=45), catch_up=CatchUpPolicy.ALL
)


def test_each_time_has_a_delay_of_its_own_below_the_jitter() -> None:
    times = list(JITTERED.timetable.times(CREATED, CREATED + HOUR))
    delays = [JITTERED.due_at(time) - time for time in times]
    assert min(delays) >= timedelta()
    assert max(delays) < JITTERED.jitter
    assert len(set(delays)) > 300
    assert delays == [replace(JITTERED).due_at(time) - time for time in times]
    assert delays != [replace(JITTERED, uid="other").due_at(time) - time for time in times]


def test_with_jitter_each_time_starts_within_it_and_in_order() -> None:
    last, starts, now = None, [], CREATED
    while now < CREATED + HOUR:
        decision = decide(JITTERED, last, (), now)
        for time in decision.starts:
            assert JITTERED.due_at(time) <= now < time + JITTERED.jitter
        starts += decision.starts
        assert decision.missed == 0
        last, now = decision.last, decision.wake
        assert now is not None
    assert starts == list(JITTERED.timetable.times(CREATED, starts[-1]))
    assert len(starts) > 350


# -- every history -------------------------------------------------------------------------------------------------


@st.composite
def any_rules(draw: st.DrawFn) -> Rules:
    return Rules(
        uid=draw(st.text(max_size=3)),
        created=CREATED,
        timetable=draw(
            st.sampled_from(
                [
                    Cron("*/7 * * * *"),
                    Cron("30 1,2 * * *", "Europe/Berlin"),
                    Cron("*/15 2 29 3 *", "Europe/Berlin"),
                    Interval(timedelta(minutes=17), CREATED),
                    Interval(timedelta(hours=5), CREATED),
                ]
            )
        ),
        start=draw(st.none() | st.timedeltas(-DAY, 2 * DAY).map(lambda shift: CREATED + shift)),
        end=draw(st.none() | st.timedeltas(timedelta(), 200 * DAY).map(lambda shift: CREATED + shift)),
        starting_deadline=draw(st.none() | st.timedeltas(SECOND, DAY)),
        concurrency=draw(st.sampled_from(ConcurrencyPolicy)),
        catch_up=draw(st.sampled_from(CatchUpPolicy)),
        catch_up_limit=draw(st.integers(1, 20)),
        jitter=draw(st.just(timedelta()) | st.timedeltas(timedelta(), 2 * HOUR)),
    )


STEPS = st.lists(
    st.tuples(
        st.one_of(
            st.timedeltas(timedelta(), 3 * MINUTE), st.timedeltas(-2 * DAY, 9 * DAY), st.just(100 * DAY), st.just(None)
        ),
        st.sampled_from(["carry out", "crash before", "crash between", "crash after"]),
        st.booleans(),
    ),
    max_size=25,
)


@given(schedule=any_rules(), steps=STEPS, suspended=st.sets(st.integers(0, 24), max_size=3))
@settings(deadline=None)
def test_no_time_starts_twice_and_each_is_counted(schedule: Rules, steps: list, suspended: set[int]) -> None:
    """Walk through any history of clock steps, ends of objects, crashes between requests, and suspensions."""
    world = World(schedule)
    for number, (step, crash, end) in enumerate(steps):
        world.rules = replace(schedule, suspend=number in suspended)
        world.move(step)
        if end:
            world.end_oldest()
        world.act(crash)
    world.rules = schedule
    world.check()


class World:
    """An API server that refuses a second object of one name, and a caller that may crash between two requests."""

    def __init__(self, schedule: Rules) -> None:
        self.rules = schedule
        self.now = CREATED
        self.last: datetime | None = None
        self.missed = 0
        self.recounts = False
        """Whether a mark was taken back, so that missed times count again."""
        self.wake: datetime | None = None
        self.objects: dict[datetime, bool] = {}

    def move(self, step: timedelta | None) -> None:
        self.now = (self.wake or self.now) if step is None else self.now + step

    def end_oldest(self) -> None:
        if unfinished := [time for time, finished in self.objects.items() if not finished]:
            self.objects[min(unfinished)] = True

    @property
    def made(self) -> Collection[MadeObject]:
        return [MadeObject(time=time, name=str(time), finished=done) for time, done in self.objects.items()]

    def act(self, crash: str) -> None:
        decision = decide(self.rules, self.last, self.made, self.now)
        self.check_decision(decision)
        self.wake = decision.wake
        self.recounts |= self.last is not None and self.last > self.now + MARK_AHEAD
        if crash == "crash before":
            return
        for name in decision.replaced:
            self.objects[datetime.fromisoformat(name)] = True
        for number, time in enumerate(decision.starts):
            if crash == "crash between" and number == len(decision.starts) // 2:
                return
            assert time not in self.objects
            assert not self.last or time > self.last or self.last > self.now + MARK_AHEAD
            self.objects[time] = False
        if crash == "crash after":
            return
        if self.last is not None and (decision.last is None or decision.last < self.last):
            assert self.last > self.now + MARK_AHEAD
        self.last = decision.last
        self.missed += decision.missed

    def check_decision(self, decision: Decision) -> None:
        others = [item for item in self.made if not item.finished]
        assert len(decision.starts) <= self.rules.bound
        assert list(decision.starts) == sorted(set(decision.starts))
        for time in decision.starts:
            assert self.rules.due_at(time) <= self.now
            assert time > CREATED
            assert self.rules.end is None or time <= self.rules.end
            assert self.rules.start is None or time >= self.rules.start
            if self.rules.starting_deadline is not None:
                assert self.now <= time + self.rules.jitter + self.rules.starting_deadline
        if self.rules.concurrency is ConcurrencyPolicy.FORBID:
            assert len(decision.starts) + len(others) <= max(1, len(others))
        if self.rules.concurrency is ConcurrencyPolicy.REPLACE and decision.starts:
            assert len(decision.starts) == 1
            assert set(decision.replaced) == {item.name for item in others}
        if decision.wake is not None:
            assert decision.wake > self.now

    def check(self) -> None:
        """Each time up to the mark has an object or is counted as missed."""
        if self.last is None:
            return
        first = CREATED if self.rules.start is None else max(CREATED, self.rules.start - timedelta(microseconds=1))
        handled = list(self.rules.timetable.times(first, self.last))
        assert self.last in handled
        without = sum(time not in self.objects for time in handled)
        assert (
            self.missed == without
            or (without > self.missed >= MISSED_COUNTED)
            or (self.recounts and self.missed > without)
        )
        assert all(time in set(handled) for time in self.objects if time <= self.last)
