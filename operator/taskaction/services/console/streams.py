"""Streams of server-sent events: that a page is out of date, and the lines of logs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import orjson
from aiohttp import web

from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import PODS
from taskaction.cluster.reviews import KEPT_SECONDS
from taskaction.core.clock import Clock
from taskaction.core.constants import UID_LABEL
from taskaction.services.console.browsers import HEADERS
from taskaction.services.console.errors import PageError, SignInError
from taskaction.services.console.recorder import ConsoleRecorder
from taskaction.services.console.rows import ObjectRow, RowIndex
from taskaction.services.console.viewers import BrowserSession, Viewer
from taskaction.services.console.views import PageView

_CALM_SECONDS = 0.2
"""Shortest time between two events of a stream: changes in between are one."""
_ALIVE_SECONDS = 15.0
"""Time after which a comment is sent, by which both sides notice that the other is gone."""
_RETRY_MS = 1_000
MOST_PODS = 10
MOST_TAIL_LINES = 1_000


class StreamLimits:
    """Numbers of open streams, of all sessions and of each."""

    def __init__(self, total: int, per_session: int, recorder: ConsoleRecorder) -> None:
        self._total = total
        self._per_session = per_session
        self._recorder = recorder
        self._open = 0

    @contextmanager
    def counted(self, session: BrowserSession) -> Iterator[bool]:
        """Count a stream while the context is open; yield False if there are too many."""
        if self._open >= self._total or session.streams >= self._per_session:
            yield False
            return
        self._open += 1
        session.streams += 1
        self._recorder.metrics.streams.set(self._open)
        try:
            yield True
        finally:
            self._open -= 1
            session.streams -= 1
            self._recorder.metrics.streams.set(self._open)


class ChangeStream:
    """Stream that says when a page shows something else; it sends no content, which the page loads with its rights."""

    def __init__(self, index: RowIndex, clock: Clock) -> None:
        self._index = index
        self._clock = clock
        self._open: set[asyncio.Event] = set()
        self._is_closed = False

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for changed in self._open:
            changed.set()

    async def send(
        self, request: web.Request, session: BrowserSession, view: PageView, again: Callable[[], Awaitable[PageView]]
    ) -> web.StreamResponse:
        """Send events until the browser leaves, the session or the console ends, or a right is withdrawn.

        ``again`` returns the view by the present rights, which are checked as often as for pages.
        """
        concerns = view.concerns
        changed = asyncio.Event()

        def on_changed(old: ObjectRow | None, new: ObjectRow | None) -> None:
            if (old is not None and concerns(old)) or (new is not None and concerns(new)):
                changed.set()

        leave = self._index.subscribe(on_changed)
        self._open.add(changed)
        checked = self._clock.monotonic()
        response = web.StreamResponse()
        try:
            response = await open_stream(request)
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), _ALIVE_SECONDS)
                if self._is_closed or session.is_closed:
                    break
                if self._clock.monotonic() - checked >= KEPT_SECONDS:
                    concerns = (await again()).concerns
                    checked = self._clock.monotonic()
                if not changed.is_set():
                    await response.write(b": alive\n\n")
                    continue
                changed.clear()
                await response.write(b"event: changed\ndata: {}\n\n")
                await self._clock.sleep(_CALM_SECONDS)
        except (ConnectionError, PageError, SignInError, ClusterError):
            pass  # the browser connects again, and gets the error, or has left
        finally:
            leave()
            self._open.discard(changed)
        return response


async def send_logs(request: web.Request, viewer: Viewer, uid: str, namespace: str) -> web.StreamResponse:
    """Send the log lines of an action's pods, as they come; raises ``ClusterError`` if the pods may not be listed."""
    pods = [pod async for pod in viewer.cluster.list(PODS, namespace, label_selector=f"{UID_LABEL}={uid}")]
    pods.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    names = [pod["metadata"]["name"] for pod in pods][-MOST_PODS:]
    lines: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue(maxsize=MOST_TAIL_LINES)
    readers = [asyncio.create_task(_read_pod(viewer, namespace, name, lines)) for name in names]
    response = await open_stream(request)
    try:
        await _send_line(response, "pods", {"count": len(names)})
        left = len(names)
        while left:
            try:
                found = await asyncio.wait_for(lines.get(), _ALIVE_SECONDS)
            except TimeoutError:
                await response.write(b": alive\n\n")
                continue
            if found is None:
                left -= 1
            else:
                await _send_line(response, "line", {"pod": found[0], "text": found[1]})
        await _send_line(response, "end", {})
    except ConnectionError:
        pass  # the browser has left
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    return response


async def open_stream(request: web.Request) -> web.StreamResponse:
    """Begin a response of server-sent events."""
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    await response.write(f"retry: {_RETRY_MS}\n\n".encode())
    return response


async def _read_pod(viewer: Viewer, namespace: str, pod: str, lines: "asyncio.Queue[tuple[str, str] | None]") -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log?follow=true&tailLines={MOST_TAIL_LINES}"
    try:
        async for line in viewer.cluster.lines(path):
            await lines.put((pod, line))
    except ClusterError as error:
        await lines.put((pod, f"the log cannot be read: {error}"))
    finally:
        await lines.put(None)


async def _send_line(response: web.StreamResponse, event: str, data: dict[str, object]) -> None:
    await response.write(f"event: {event}\ndata: ".encode() + orjson.dumps(data) + b"\n\n")
