"""Batches of any size: bounded work, backpressure on the input, one watch for all ends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from taskaction_client.changes import Change, ChangeCursor
from taskaction_client.errors import DeletedError, NotFoundError
from taskaction_client.objects import BATCH, Snapshot

SnapshotT = TypeVar("SnapshotT", bound=Snapshot[Any, Any])
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


async def map_bounded(
    items: AsyncIterable[ItemT] | Iterable[ItemT], limit: int, work: Callable[[ItemT], Awaitable[ResultT]]
) -> AsyncGenerator[ResultT]:
    """Yield the result of ``work`` for each item, in the order in which they are ready.

    An item is taken from the input only while fewer than ``limit`` are worked on or wait for the caller. An exception
    of the input or of ``work`` ends everything.

    Raises:
        ValueError: ``limit`` is less than one.
    """
    if limit < 1:
        raise ValueError(f"in_flight: must be at least 1, not {limit}")
    slots = asyncio.Semaphore(limit)
    ready: asyncio.Queue[asyncio.Future[ResultT] | None] = asyncio.Queue()
    tasks: set[asyncio.Future[ResultT]] = set()

    async def feed() -> None:
        source = aiter(items if isinstance(items, AsyncIterable) else _iterate(items))
        while True:
            await slots.acquire()
            try:
                item = await anext(source)
            except StopAsyncIteration:
                return
            task = asyncio.ensure_future(work(item))
            tasks.add(task)
            task.add_done_callback(ready.put_nowait)

    feeder = asyncio.create_task(feed())
    feeder.add_done_callback(lambda _: ready.put_nowait(None))
    try:
        while tasks or not feeder.done():
            task = await ready.get()
            if task is None:
                feeder.result()
                continue
            tasks.discard(task)
            yield task.result()
            slots.release()
    finally:
        await _cancel(feeder, *tasks)


class BatchEnds(Generic[SnapshotT]):
    """The ends of the objects of one batch, as one watch shows them."""

    def __init__(
        self,
        label: str,
        model: type[SnapshotT],
        changes: AsyncIterator[Change],
        cursor: ChangeCursor,
        *,
        get: Callable[[SnapshotT], Awaitable[SnapshotT]],
        wait: Callable[[SnapshotT], Awaitable[SnapshotT]],
    ) -> None:
        """Watch ``changes``, whose position is ``cursor``.

        ``get`` reads an object, ``wait`` waits for one that another batch has created.
        """
        self._label = label
        self._model = model
        self._cursor = cursor
        self._get = get
        self._wait = wait
        self._waiting: dict[str, asyncio.Future[SnapshotT]] = {}
        self._early: dict[str, asyncio.Future[SnapshotT]] = {}
        self._returned: set[str] = set()
        self._watch = asyncio.create_task(self._follow(changes))

    async def check(self) -> None:
        """Raise the error that has ended the watch, if any: the end of a new object would not be seen."""
        if self._watch.done():
            await self._watch

    async def end_of(self, created: SnapshotT) -> SnapshotT:
        """Return an object when it has ended.

        It may have ended already: if the response to its creation was lost, it was read later.

        Raises:
            DeletedError: the object was deleted before its end was visible.
            ApiError: the watch has failed.
        """
        if (created.body["metadata"].get("labels") or {}).get(BATCH) != self._label:
            return await self._wait(created)
        future = self._early.pop(created.uid, None)
        try:
            if created.has_ended:
                return created
            if future is not None:
                return await future
            await self.check()
            future = self._waiting[created.uid] = asyncio.get_running_loop().create_future()
            self._cursor.expect(dict(created.body))
            return await future
        finally:
            self._waiting.pop(created.uid, None)
            self._returned.add(created.uid)

    async def close(self) -> None:
        """End the watch."""
        await _cancel(self._watch)

    async def _follow(self, changes: AsyncIterator[Change]) -> None:
        try:
            async for change in changes:
                found = self._model.of(change.body)
                if "spec" in change.body:
                    self._note(found, deleted=change.deleted)
                else:
                    await self._verify(found)
        except Exception as error:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)
            raise

    async def _verify(self, missing: SnapshotT) -> None:
        """Read an object that a list does not show: it was deleted, or created after the list."""
        try:
            self._note(await self._get(missing), deleted=False)
        except NotFoundError:
            self._note(missing, deleted=True)

    def _note(self, found: SnapshotT, *, deleted: bool) -> None:
        if (not found.has_ended and not deleted) or found.uid in self._returned:
            return
        waiting = self._waiting.get(found.uid)
        future = waiting or self._early.setdefault(found.uid, asyncio.get_running_loop().create_future())
        if future.done():
            return
        if found.has_ended:
            future.set_result(found)
        else:
            future.set_exception(DeletedError(f"{found} was deleted before its end was visible"))


async def _iterate(items: Iterable[ItemT]) -> AsyncIterator[ItemT]:
    for item in items:
        yield item


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
