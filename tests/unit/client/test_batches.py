"""A batch takes no more input than it may have in flight, reports every end once, and leaves nothing running."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction_client.batches import BatchEnds, map_bounded
from taskaction_client.changes import Change, ChangeCursor
from taskaction_client.collection import Collection
from taskaction_client.errors import DeletedError, ForbiddenError, NotFoundError
from taskaction_client.objects import BATCH, Action, Request

LABEL = "batch"


@given(st.integers(0, 40), st.integers(1, 7), st.randoms(use_true_random=False))
def test_every_item_is_worked_on_once_and_never_more_than_the_limit(count: int, limit: int, random) -> None:
    held = most = 0

    def items() -> Iterator[int]:
        nonlocal held, most
        for number in range(count):
            held += 1
            most = max(most, held)
            yield number

    async def work(number: int) -> int:
        for _ in range(random.randrange(4)):
            await asyncio.sleep(0)
        return number

    async def collect() -> list[int]:
        nonlocal held
        found = []
        async for number in map_bounded(items(), limit, work):
            held -= 1
            found.append(number)
        return found

    assert sorted(asyncio.run(collect())) == list(range(count))
    assert most <= limit


async def test_a_slow_caller_slows_the_input_down() -> None:
    taken = 0

    async def items() -> AsyncIterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    async def work(number: int) -> int:
        return number

    async with aclosing(map_bounded(items(), 3, work)) as results:
        await anext(results)
        for _ in range(20):
            await asyncio.sleep(0)
        assert taken == 3
    assert len(asyncio.all_tasks()) == 1


async def test_an_error_of_the_input_or_of_the_work_ends_the_batch() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the file is gone")

    async def work(number: int) -> int:
        return number

    async def broken(_: int) -> int:
        raise ZeroDivisionError

    with pytest.raises(OSError, match="gone"):
        _ = [one async for one in map_bounded(items(), 2, work)]
    with pytest.raises(ZeroDivisionError):
        _ = [one async for one in map_bounded([1, 2, 3], 2, broken)]
    with pytest.raises(ValueError, match="in_flight: must be at least 1"):
        _ = [one async for one in map_bounded([1], 0, work)]
    assert len(asyncio.all_tasks()) == 1


def body(uid: str, phase: str = "Queued", label: str = LABEL) -> dict:
    metadata = {"name": uid, "namespace": "n", "uid": uid, "resourceVersion": "1", "labels": {BATCH: label}}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase}}


class Feed:
    """Changes that a test sends, or an error."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Change | Exception] = asyncio.Queue()

    async def changes(self) -> AsyncIterator[Change]:
        while True:
            found = await self.queue.get()
            if isinstance(found, Exception):
                raise found
            yield found


async def get_nothing(created: Action) -> Action:
    raise NotFoundError(f"{created} not found")


async def wait_elsewhere(created: Action) -> Action:
    return Action.of(body(created.uid, "Aborted", "another"))


async def test_ends_are_found_whether_they_come_before_or_after_the_response_to_the_creation() -> None:
    feed = Feed()
    ends = BatchEnds(LABEL, Action, feed.changes(), ChangeCursor(), get=get_nothing, wait=wait_elsewhere)
    late = asyncio.create_task(ends.end_of(Action.of(body("late"))))
    await asyncio.sleep(0)
    for found in (body("early", "Succeeded"), body("late", "Running"), body("late", "Failed"), body("late", "Failed")):
        feed.queue.put_nowait(Change(found))
    assert (await late).phase == "Failed"
    assert (await ends.end_of(Action.of(body("early")))).phase == "Succeeded"
    assert (await ends.end_of(Action.of(body("other", label="another")))).phase == "Aborted"
    feed.queue.put_nowait(Change(body("gone"), deleted=True))
    with pytest.raises(DeletedError, match="gone"):
        await ends.end_of(Action.of(body("gone")))
    await ends.close()
    assert len(asyncio.all_tasks()) == 1


async def test_a_watch_that_fails_fails_every_wait() -> None:
    feed = Feed()
    ends = BatchEnds(LABEL, Action, feed.changes(), ChangeCursor(), get=get_nothing, wait=wait_elsewhere)
    waiting = asyncio.create_task(ends.end_of(Action.of(body("a"))))
    await asyncio.sleep(0)
    feed.queue.put_nowait(ForbiddenError("cannot watch"))
    with pytest.raises(ForbiddenError):
        await waiting
    with pytest.raises(ForbiddenError):
        await ends.end_of(Action.of(body("b")))
    await ends.close()


async def test_an_object_that_had_ended_when_it_was_read_needs_no_change() -> None:
    feed, cursor = Feed(), ChangeCursor("1")
    ends = BatchEnds(LABEL, Action, feed.changes(), cursor, get=get_nothing, wait=wait_elsewhere)
    assert (await ends.end_of(Action.of(body("a", "Failed")))).phase == "Failed"
    assert (ends._early, ends._waiting) == ({}, {})
    await ends.close()


async def test_an_unexpected_error_of_the_watch_leaves_no_wait_behind() -> None:
    feed = Feed()
    ends = BatchEnds(LABEL, Action, feed.changes(), ChangeCursor(), get=get_nothing, wait=wait_elsewhere)
    waiting = asyncio.create_task(ends.end_of(Action.of(body("a"))))
    await asyncio.sleep(0)
    feed.queue.put_nowait(ZeroDivisionError("unexpected"))
    with pytest.raises(ZeroDivisionError):
        await waiting
    with pytest.raises(ZeroDivisionError):
        await ends.check()
    await ends.close()


async def test_changes_after_the_end_are_not_kept() -> None:
    feed = Feed()
    ends = BatchEnds(LABEL, Action, feed.changes(), ChangeCursor(), get=get_nothing, wait=wait_elsewhere)
    for number in range(10):
        waiting = asyncio.create_task(ends.end_of(Action.of(body(str(number)))))
        await asyncio.sleep(0)
        feed.queue.put_nowait(Change(body(str(number), "Succeeded")))
        await waiting
        feed.queue.put_nowait(Change(body(str(number), "Succeeded")))
        feed.queue.put_nowait(Change(body(str(number), "Running"), deleted=True))
    for _ in range(50):
        await asyncio.sleep(0)
    assert (ends._early, ends._waiting) == ({}, {})
    await ends.close()


async def test_a_batch_whose_watch_has_failed_creates_nothing_more_and_shows_what_it_has_created() -> None:
    server = Server()
    actions: Collection[Action, Any] = Collection(server, Action, "n")
    requests = [Request(spec={"executor": "noop"}, name=f"a-{number}") for number in range(50)]
    outcomes = [one async for one in actions.run_many(requests, in_flight=5)]
    assert len(outcomes) == 50
    assert {type(one.error) for one in outcomes} == {ForbiddenError}
    assert sum(one.snapshot is not None for one in outcomes) == server.created <= 5


class Server:
    """API server that lets its user create, but not watch."""

    def __init__(self) -> None:
        self.created = 0

    async def send(self, method: str, path: str, sent: Any, **_: Any) -> dict[str, Any]:
        assert method == "POST"
        self.created += 1
        await asyncio.sleep(0)
        metadata = {**sent["metadata"], "uid": sent["metadata"]["name"], "resourceVersion": "1"}
        return {**sent, "metadata": metadata}

    async def list_all(self, *_: object) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        raise ForbiddenError("cannot list")

    def pauses(self) -> None:
        """Return nothing: a refusal is not repeated."""


async def test_an_object_that_a_list_does_not_show_is_read() -> None:
    feed, cursor = Feed(), ChangeCursor("1")
    later = Action.of(body("later", "Running"))

    async def get(missing: Action) -> Action:
        return later if missing.uid == "later" else await get_nothing(missing)

    ends = BatchEnds(LABEL, Action, feed.changes(), cursor, get=get, wait=wait_elsewhere)
    waits = {uid: asyncio.create_task(ends.end_of(Action.of(body(uid)))) for uid in ("gone", "later")}
    await asyncio.sleep(0)
    for change in cursor.restart([], "5"):  # the watch had expired: both were created after its position
        feed.queue.put_nowait(change)
    with pytest.raises(DeletedError, match="gone"):
        await waits["gone"]
    feed.queue.put_nowait(Change(body("later", "Succeeded")))
    assert (await waits["later"]).succeeded
    await ends.close()
