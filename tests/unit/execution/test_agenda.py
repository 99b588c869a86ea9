"""Timers: each key is served once at its time, the last time said counts, and nothing is left of the rest."""

import asyncio
from datetime import datetime, timedelta
from typing import Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.execution.agenda import Agenda
from taskaction.testing.clock import START, FakeClock, settle


class Diary:
    """An agenda that runs, and what it has called when."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.called: list[tuple[float, str]] = []
        self.failures: list[tuple[str, str]] = []
        self.agenda: Agenda[str] = Agenda(self.clock)

    def on_due(self, key: str) -> None:
        if key == "bad":
            raise ValueError("year 10000 is out of range")
        self.called.append(((self.clock.now() - START).total_seconds(), key))

    def on_failed(self, what: str, error: BaseException) -> None:
        self.failures.append((what, str(error)))

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.agenda.run(self.on_due, self.on_failed))
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task}, timeout=5)
        assert self.task.cancelled()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def test_each_key_is_called_once_at_its_time() -> None:
    async with Diary() as diary:
        diary.agenda.set("b", at(2))
        diary.agenda.set("a", at(1))
        await diary.clock.advance(10)

        assert diary.called == [(1, "a"), (2, "b")]
        assert len(diary.agenda) == 0


async def test_nothing_is_called_before_its_time() -> None:
    async with Diary() as diary:
        diary.agenda.set("a", at(1))
        await diary.clock.advance(0.999)

        assert diary.called == []


async def test_what_is_due_already_is_called_without_any_time_passing() -> None:
    async with Diary() as diary:
        diary.agenda.set("past", at(-5))
        diary.agenda.set("now", at(0))
        await settle()

        assert diary.called == [(0, "past"), (0, "now")]


async def test_a_time_that_is_set_during_a_longer_sleep_is_kept() -> None:
    async with Diary() as diary:
        diary.agenda.set("late", at(100))
        await diary.clock.advance(10)
        diary.agenda.set("early", at(15))
        await diary.clock.advance(10)

        assert diary.called == [(15, "early")]


@pytest.mark.parametrize("then", [1, 9], ids=["earlier", "later"])
async def test_the_last_time_that_was_set_counts(then) -> None:
    async with Diary() as diary:
        diary.agenda.set("a", at(5))
        await settle()
        diary.agenda.set("a", at(then))
        await diary.clock.advance(20)

        assert diary.called == [(then, "a")]


async def test_a_time_that_is_set_back_to_what_it_was_is_served_once() -> None:
    async with Diary() as diary:
        for seconds in (5, 1, 5):
            diary.agenda.set("a", at(seconds))
        await diary.clock.advance(20)

        assert diary.called == [(5, "a")]


async def test_a_time_that_is_taken_away_is_not_served() -> None:
    async with Diary() as diary:
        diary.agenda.set("a", at(1))
        diary.agenda.set("b", at(1))
        diary.agenda.set("a", None)
        diary.agenda.set("unknown", None)
        await diary.clock.advance(5)

        assert diary.called == [(1, "b")]


async def test_a_key_may_be_set_again_while_it_is_served() -> None:
    class Ticking(Diary):
        def on_due(self, key: str) -> None:
            super().on_due(key)
            self.agenda.set(key, self.clock.now() + timedelta(seconds=1))

    async with Ticking() as diary:
        diary.agenda.set("tick", at(1))
        await diary.clock.advance(3.5)

        assert diary.called == [(1, "tick"), (2, "tick"), (3, "tick")]


async def test_one_timer_serves_any_number_of_keys() -> None:
    async with Diary() as diary:
        for number in range(1000):
            diary.agenda.set(str(number), at(1 + number))
        await settle()

        assert diary.clock.sleepers == 1


async def test_times_that_are_changed_or_taken_away_cost_no_memory() -> None:
    async with Diary() as diary:
        for number in range(1000):
            diary.agenda.set("moved", at(3600 + number))
            diary.agenda.set(f"ended-{number}", at(3600))
            diary.agenda.set(f"ended-{number}", None)

        assert len(diary.agenda._heap) < 100
        await diary.clock.advance(3600 + 999)
        assert diary.called == [(3600 + 999, "moved")]


async def test_a_key_whose_handler_raises_stops_no_other() -> None:
    async with Diary() as diary:
        diary.agenda.set("bad", at(10))
        diary.agenda.set("good", at(10))
        diary.agenda.set("later", at(20))
        await diary.clock.advance(20)
        assert [key for _, key in diary.called] == ["good", "later"]
        assert diary.failures == [("timer of bad", "year 10000 is out of range")]


@pytest.mark.parametrize("steps", range(12))
async def test_it_stops_when_it_is_cancelled_wherever_it_stands(steps) -> None:
    diary = Diary()
    task = asyncio.create_task(diary.agenda.run(diary.on_due, diary.on_failed))
    diary.agenda.set("late", at(100))
    await settle()
    diary.agenda.set("early", at(50))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await settle()

    assert task.cancelled()
    assert diary.clock.sleepers == 0


CHANGES = st.lists(
    st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 20), st.sampled_from([0, 0, 1, 5])), max_size=30
)


@settings(max_examples=100, deadline=None)
@given(changes=CHANGES)
async def test_whatever_is_set_and_taken_away_each_key_is_called_at_the_last_time_said(changes) -> None:
    times: dict[str, tuple[float, int]] = {}
    expected: list[tuple[float, str]] = []

    def passed(until: float) -> None:
        for time, _, key in sorted((*when, key) for key, when in times.items() if when[0] <= until):
            expected.append((time, key))
            del times[key]

    async with Diary() as diary:
        now = 0.0
        for number, (key, delay, pause) in enumerate(changes):
            diary.agenda.set(key, None if delay is None else at(now + delay))
            before = times.pop(key, None)
            if delay is not None:
                same = before is not None and before[0] == now + delay
                times[key] = before if same else (now + delay, number)
            now += pause
            if pause:
                await diary.clock.advance(pause)
                passed(now)
        await diary.clock.advance(100)
        passed(now + 100)

        # Keys of the same moment come in any order: one may stand where it stood before its time was taken away.
        assert sorted(diary.called) == sorted(expected)
        assert [time for time, _ in diary.called] == [time for time, _ in expected]
