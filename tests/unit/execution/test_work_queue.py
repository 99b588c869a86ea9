"""Requested keys are handled once, alone and in order, and what fails for one key stops no other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.execution.work_queue import WorkLoop, WorkQueue
from taskaction.testing.clock import settle


class Desk:
    """Two queues, the first of which is more urgent, and what was handled."""

    def __init__(self) -> None:
        requested = asyncio.Event()
        self.urgent: WorkQueue[str] = WorkQueue("urgent", requested)
        self.usual: WorkQueue[str] = WorkQueue("usual", requested)
        self.handled: list[str] = []
        self.failures: list[str] = []
        self.loop = WorkLoop(requested, lambda task, _: self.failures.append(task))

    def handle(self, key: str) -> None:
        self.handled.append(key)
        if key == "bad":
            raise ValueError(key)
        if key.startswith("again "):
            self.usual.add(key.removeprefix("again "))

    async def run(self) -> None:
        await self.loop.run(((self.urgent, self.handle), (self.usual, self.handle)))


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    task = asyncio.create_task(desk.run())
    yield desk
    task.cancel()
    await asyncio.wait({task})


async def test_a_key_that_is_requested_many_times_is_handled_once(desk: Desk) -> None:
    for key in ("a", "b", "a", "a"):
        desk.usual.add(key)
    await settle()
    assert desk.handled == ["a", "b"]


async def test_a_key_that_is_requested_after_it_was_handled_is_handled_again(desk: Desk) -> None:
    desk.usual.add("a")
    await settle()
    desk.usual.add("a")
    await settle()
    assert desk.handled == ["a", "a"]


async def test_a_request_during_a_decision_is_handled_after_it(desk: Desk) -> None:
    desk.usual.add("again a")
    desk.usual.add("b")
    await settle()
    assert desk.handled == ["again a", "b", "a"]


async def test_keys_that_are_requested_in_an_order_are_handled_in_it(desk: Desk) -> None:
    desk.usual.add("second")
    for key in ("first", "second"):
        desk.usual.add_last(key)
    await settle()
    assert desk.handled == ["first", "second"]


async def test_urgent_keys_come_first_whenever_they_were_requested(desk: Desk) -> None:
    for key in ("a", "b"):
        desk.usual.add(key)
    desk.urgent.add("c")
    await settle()
    assert desk.handled == ["c", "a", "b"]


async def test_a_key_whose_handler_fails_is_reported_and_stops_no_other(desk: Desk) -> None:
    for key in ("bad", "good"):
        desk.usual.add(key)
    await settle()
    assert (desk.handled, desk.failures) == (["bad", "good"], ["usual bad"])


async def test_other_tasks_run_while_thousands_of_keys_wait(desk: Desk) -> None:
    for number in range(1000):
        desk.usual.add(str(number))
    for _ in range(3):
        await asyncio.sleep(0)
    assert 0 < len(desk.handled) < 1000


@given(st.lists(st.sampled_from("abcdef")))
def test_keys_leave_in_the_order_of_their_first_requests(keys: list[str]) -> None:
    queue: WorkQueue[str] = WorkQueue("queue", asyncio.Event())
    for key in keys:
        queue.add(key)
    assert [queue.take() for _ in range(len(queue))] == list(dict.fromkeys(keys))


def test_groups_take_turns_however_much_one_of_them_requests() -> None:
    queue: WorkQueue[str] = WorkQueue("queue", asyncio.Event())
    for number in range(5):
        queue.add(f"a{number}", "a")
    queue.add("b0", "b")
    queue.add("a0", "b")  # it waits already
    assert [queue.take() for _ in range(len(queue))] == ["a0", "b0", "a1", "a2", "a3", "a4"]


def test_taking_from_an_empty_queue_is_an_error() -> None:
    queue: WorkQueue[Any] = WorkQueue("queue", asyncio.Event())
    with pytest.raises(StopIteration):
        queue.take()
