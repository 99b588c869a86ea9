"""The synchronous client: the asynchronous one in a thread with an event loop of its own.

Each call runs to its end there while the calling thread waits. Several threads may use one client.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent import futures
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from taskaction_client.client import Client
from taskaction_client.collection import Collection
from taskaction_client.errors import ConfigurationError
from taskaction_client.objects import Action, FlowRun, Request, Snapshot
from taskaction_client.outcomes import Outcome
from taskaction_client.types.action_flow_run import ActionFlowRunSpec
from taskaction_client.types.task_action import TaskActionSpec

_INTERRUPT_SECONDS = 0.5
"""Longest wait in one piece: a Ctrl-C in the moment before a wait begins does not end it, and on Windows none does."""

SnapshotT = TypeVar("SnapshotT", bound=Snapshot[Any, Any])
SpecT = TypeVar("SpecT")
T = TypeVar("T")


class LoopThread:
    """Thread with an event loop, on which other threads run coroutines."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread and return when its loop runs."""
        started = threading.Event()

        def serve() -> None:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                self._loop.call_soon(started.set)
                self._loop.run_forever()

        self._thread = threading.Thread(target=serve, name="taskaction-client", daemon=True)
        self._thread.start()
        started.wait()

    def stop(self) -> None:
        """End the loop and the thread."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop = self._thread = None

    @property
    def is_running(self) -> bool:
        """Whether coroutines can run: not before the start, after the stop, or in a process that was forked since."""
        return self._thread is not None and self._thread.is_alive()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its result; Ctrl-C cancels it."""
        loop = self._loop
        if loop is None or not self.is_running:
            work.close()
            raise ConfigurationError("the client is not open: use it in `with SyncClient() as client`, in each process")
        task: asyncio.Task[T] | None = None
        ended: Future[T] = Future()

        def start() -> None:
            nonlocal task
            task = loop.create_task(work)
            task.add_done_callback(lambda done: _pass_on(done, ended))

        def cancel() -> None:
            if task is None:
                ended.set_exception(CancelledError())
            else:
                task.cancel()

        try:
            loop.call_soon_threadsafe(start)
            while not ended.done():
                futures.wait([ended], timeout=_INTERRUPT_SECONDS)
            return ended.result()
        except BaseException:
            if not ended.done():  # this thread was interrupted: the coroutine must not go on next to what follows
                loop.call_soon_threadsafe(cancel)
                futures.wait([ended])
            raise

    def iterate(self, open_stream: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        """Yield what an asynchronous generator yields, and close it with this one."""
        stream = open_stream()

        async def take() -> T | _End:
            return await anext(stream, _END)

        try:
            while not isinstance(found := self.run(take()), _End):
                yield found
        finally:
            if self.is_running:  # otherwise the stream has ended with its loop
                self.run(_close(stream))


class SyncCollection(Generic[SnapshotT, SpecT]):
    """The verbs of ``Collection`` for code that is not asynchronous; arguments, results and errors are the same."""

    def __init__(self, thread: LoopThread, collection: Collection[SnapshotT, SpecT]) -> None:
        self._thread = thread
        self._collection = collection

    @property
    def namespace(self) -> str:
        """The namespace of what is created, and of objects that are given by their names."""
        return self._collection.namespace

    def within(self, namespace: str) -> "SyncCollection[SnapshotT, SpecT]":
        """Return the same verbs for another namespace."""
        return SyncCollection(self._thread, self._collection.within(namespace))

    def run(
        self,
        spec: SpecT,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Create an object, wait for its end and return its output."""
        return self._thread.run(
            self._collection.run(
                spec, name=name, labels=labels, annotations=annotations, request_id=request_id, timeout=timeout
            )
        )

    def submit(
        self,
        spec: SpecT,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        request_id: str | None = None,
    ) -> SnapshotT:
        """Create an object and return it."""
        return self._thread.run(
            self._collection.submit(spec, name=name, labels=labels, annotations=annotations, request_id=request_id)
        )

    def get(self, target: SnapshotT | str) -> SnapshotT:
        """Return an object as it is now."""
        return self._thread.run(self._collection.get(target))

    def list(self, *, label_selector: str = "", field_selector: str = "") -> list[SnapshotT]:
        """Return the objects of the namespace that selectors match."""
        return self._thread.run(self._collection.list(label_selector=label_selector, field_selector=field_selector))

    def stream(self, target: SnapshotT | str) -> Iterator[SnapshotT]:
        """Yield an object as it is, then after each change, until it has ended."""
        return self._thread.iterate(lambda: self._collection.stream(target))

    def wait(self, target: SnapshotT | str, *, timeout: float | None = None) -> SnapshotT:
        """Return an object when it has ended, with or without success."""
        return self._thread.run(self._collection.wait(target, timeout=timeout))

    def result(self, target: SnapshotT | str, *, timeout: float | None = None) -> Any:
        """Wait for the end of an object and return its output."""
        return self._thread.run(self._collection.result(target, timeout=timeout))

    def abort(self, target: SnapshotT | str, *, reason: str = "") -> None:
        """Abort an object and all its descendants."""
        self._thread.run(self._collection.abort(target, reason=reason))

    def signal(self, target: SnapshotT | str, value: Any, *, state: str | None = None) -> None:
        """Send a value to an object that waits for one: True approves, False rejects."""
        self._thread.run(self._collection.signal(target, value, state=state))

    def submit_many(
        self, requests: Iterable[Request[SpecT]], *, in_flight: int = 32
    ) -> Iterator[Outcome[SnapshotT, SpecT]]:
        """Create the objects of any number of requests; yield each outcome as soon as it is known."""
        return self._thread.iterate(lambda: self._collection.submit_many(_pull(requests), in_flight=in_flight))

    def run_many(
        self, requests: Iterable[Request[SpecT]], *, in_flight: int = 100
    ) -> Iterator[Outcome[SnapshotT, SpecT]]:
        """Create the objects of any number of requests; yield each as soon as it has ended."""
        return self._thread.iterate(lambda: self._collection.run_many(_pull(requests), in_flight=in_flight))


class SyncClient:
    """Connection to one cluster for code that is not asynchronous; use it as ``with SyncClient() as client``.

    Attributes:
        actions: the verbs on actions.
        flow_runs: the verbs on runs of flows.
    """

    def __init__(
        self,
        *,
        kubeconfig: str | Path | None = None,
        context: str | None = None,
        namespace: str | None = None,
        connections: int = 32,
        retry_for: float = 60.0,
    ) -> None:
        """Find the credentials as kubectl does; the arguments are those of ``Client``."""
        self._client = Client(
            kubeconfig=kubeconfig, context=context, namespace=namespace, connections=connections, retry_for=retry_for
        )
        self._thread = LoopThread()
        self.actions = SyncCollection[Action, TaskActionSpec](self._thread, self._client.actions)
        self.flow_runs = SyncCollection[FlowRun, ActionFlowRunSpec](self._thread, self._client.flow_runs)

    def __enter__(self) -> Self:
        """Start the thread and prepare the connections."""
        self._thread.start()
        try:
            self._thread.run(self._client.__aenter__())
        except BaseException:
            self._thread.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections; actions continue."""
        try:
            self._thread.run(self._client.__aexit__())
        finally:
            self._thread.stop()


class _End:
    """Mark of the end of a stream, which no stream yields."""


_END = _End()


def _pass_on(task: "asyncio.Task[T]", ended: "Future[T]") -> None:
    """Pass the result of a task on to another thread."""
    if task.cancelled():
        ended.set_exception(CancelledError())
    elif (error := task.exception()) is not None:
        ended.set_exception(error)
    else:
        ended.set_result(task.result())


async def _close(stream: AsyncIterator[Any]) -> None:
    close: Callable[[], Awaitable[None]] | None = getattr(stream, "aclose", None)
    if close is not None:
        await close()


async def _pull(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items of the caller, each in a thread that may wait for the client itself."""
    iterator = iter(items)
    while not isinstance(item := await asyncio.to_thread(next, iterator, _END), _End):
        yield item
