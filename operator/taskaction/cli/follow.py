"""Following of actions and runs of flows to their ends, with their progress; changes nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from typing import Self

from rich.console import Console
from rich.text import Text

from taskaction.api.bodies import at, has_ended, parse_time, phase_of
from taskaction.cli.exit_codes import Exit
from taskaction.cli.objects import KINDS, Ref, ensure_served, ref_of
from taskaction.cli.output import colour_word, format_span, print_line
from taskaction.cli.session import Session
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import TASK_ACTIONS, Body, Resource
from taskaction.cluster.informer import Informer
from taskaction.core.clock import SystemClock

_CODES = {
    "Succeeded": Exit.DONE,
    "Failed": Exit.FAILED,
    "Aborted": Exit.ABORTED,
    "TimedOut": Exit.TIMED_OUT,
}
_TICK_SECONDS = 0.5

News = tuple[Resource, str, Body | None]
"""Kind, uid and current object; None if it is deleted."""


@asynccontextmanager
async def watch_changes(
    session: Session, kinds: Iterable[Resource], namespace: str, *, fields: str = "", labels: str = ""
) -> AsyncIterator["ChangeFeed"]:
    """Watch kinds while the context is open."""
    feed = ChangeFeed(session)
    async with AsyncExitStack() as stack:
        for kind in kinds:
            task = asyncio.create_task(feed.follow(kind, namespace, fields, labels))
            stack.push_async_callback(_cancel_task, task)
        yield feed


class ChangeFeed:
    """Queue of changes from watches; it waits for an unavailable API server, and raises any other error."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._queue: asyncio.Queue[News | Exception] = asyncio.Queue()
        self._away = False

    async def follow(self, kind: Resource, namespace: str, fields: str, labels: str) -> None:
        """Follow one kind until cancelled."""
        informer = Informer(
            self._session.cluster,
            SystemClock(),
            kind,
            namespace,
            field_selector=fields,
            label_selector=labels,
            changed=lambda body: self._on_changed(kind, body),
            gone=lambda uid: self._queue.put_nowait((kind, uid, None)),
        )
        await informer.run(self._on_error)

    async def next(self, seconds: float | None = None) -> News | None:
        """Return the next change, or None after ``seconds`` without one; raises the error that ended a watch."""
        try:
            async with asyncio.timeout(seconds):
                found = await self._queue.get()
        except TimeoutError:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    def _on_changed(self, kind: Resource, body: Body) -> None:
        self._away = False
        whole = {"apiVersion": kind.api_version, "kind": kind.kind} | body
        self._queue.put_nowait((kind, body["metadata"]["uid"], whole))

    def _on_error(self, _: str, error: BaseException) -> None:
        if isinstance(error, UnavailableError):
            if not self._away:
                print_line(self._session.err, f"waiting for {self._session.server}: {error}")
            self._away = True
        elif isinstance(error, Exception):
            self._queue.put_nowait(error)


class ProgressPrinter:
    """Printer of a line for each relevant change, and of a live status on a terminal."""

    def __init__(self, session: Session, count: int, lines: Console) -> None:
        """Create a printer of lines to `lines`; the live status goes to stderr."""
        self._lines = lines
        self._count = count
        self._shown: dict[str, tuple[object, ...]] = {}
        self._live: dict[str, str] = {}
        self._began = time.monotonic()
        self._status = session.err.status("") if session.err.is_terminal else None

    def __enter__(self) -> Self:
        """Start the live status."""
        if self._status is not None:
            self._status.start()
            self.tick()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the live status; the printed lines remain."""
        if self._status is not None:
            self._status.stop()

    def tick(self) -> None:
        """Update the elapsed time."""
        if self._status is None:
            return
        now = format_span(time.monotonic() - self._began)
        texts = list(self._live.values())
        what = texts[0] if self._count == 1 and texts else f"{len(texts)} of {self._count} in progress"
        self._status.update(Text(f"{what} ({now})", no_wrap=True, overflow="ellipsis"))

    def show(self, body: Body) -> None:
        """Print the changes of an object."""
        name, status, phase = body["metadata"]["name"], body.get("status") or {}, phase_of(body)
        states = ", ".join(one["name"] for one in status.get("states") or ())
        message = " ".join(str(status.get("message") or states).split())
        percent = at(status, "progress.percent")
        seen = (phase, status.get("attempt"), status.get("reason"), message, percent)
        if self._shown.get(body["metadata"]["uid"]) == seen:
            return
        self._shown[body["metadata"]["uid"]] = seen
        line = Text(f"{datetime.now().astimezone():%H:%M:%S}  {name}  ")
        line.append_text(colour_word(phase))
        if has_ended(body):
            line.append(elapsed_text(body))
        attempt = status.get("attempt")
        if attempt and attempt > 1 and "attempt" not in message:
            line.append(f"  attempt {attempt}")
        if percent is not None:
            line.append(f"  {percent}%")
        if status.get("reason") and has_ended(body) and phase != "Succeeded":
            line.append(f"  {status['reason']}")
        if message:
            line.append(f"  {message}")
        print_line(self._lines, line)
        self._live[body["metadata"]["uid"]] = f"{name} {phase}" + (f": {message}" if message else "")
        if has_ended(body):
            del self._live[body["metadata"]["uid"]]
        self.tick()

    def show_deleted(self, ref: Ref) -> None:
        """Print that an object was deleted before its end."""
        print_line(self._lines, f"{ref.name}  was deleted")


async def follow_to_end(
    session: Session,
    bodies: Sequence[Body],
    seconds: float | None,
    *,
    onlooking: bool = False,
    lines: Console | None = None,
) -> tuple[int, list[Body]]:
    """Follow objects until all have ended; return the exit code and the latest state of the objects.

    After ``seconds`` it returns, and unfinished objects continue. With ``onlooking`` it also shows, but does not wait
    for, all other objects. `lines` is where changes are printed, by default stderr.
    """
    course = _FollowedObjects({body["metadata"]["uid"]: body for body in bodies})
    deadline = None if seconds is None else time.monotonic() + seconds
    with ProgressPrinter(session, len(bodies), lines or session.err) as progress:
        for body in bodies:
            progress.show(body)
        if course.open:
            watched = (
                watch_changes(session, await served_kinds(session), "") if onlooking else _watching(session, bodies)
            )
            async with watched as feed:
                while course.open and (deadline is None or time.monotonic() < deadline):
                    left = _TICK_SECONDS if deadline is None else min(_TICK_SECONDS, deadline - time.monotonic())
                    found = await feed.next(max(left, 0))
                    progress.tick()
                    if found is None:
                        continue
                    if found[1] in course.latest:
                        course.apply(found, progress)
                    elif onlooking and found[2] is not None:
                        progress.show(found[2])
    return course.code(), list(course.latest.values())


class _FollowedObjects:
    """Latest state of the objects that a command follows."""

    def __init__(self, latest: dict[str, Body]) -> None:
        self.latest = latest
        self.open = {uid for uid, body in latest.items() if not has_ended(body)}
        self._lost: set[str] = set()

    def apply(self, found: News, progress: ProgressPrinter) -> None:
        """Apply a change from a watch."""
        _, uid, body = found
        if body is not None:
            self.latest[uid] = body
            progress.show(body)
            if has_ended(body):
                self.open.discard(uid)
        elif uid in self.open:
            progress.show_deleted(ref_of(self.latest[uid]))
            self._lost.add(uid)
            self.open.discard(uid)

    def code(self) -> int:
        """Return the exit code of the objects: the lowest one other than 0."""
        codes = {_CODES[phase_of(body)] for body in self.latest.values() if has_ended(body)}
        codes |= {Exit.UNFINISHED} if self.open else set()
        codes |= {Exit.ABORTED} if self._lost else set()
        return next((code for code in Exit if code in codes and code is not Exit.DONE), Exit.DONE)


async def served_kinds(session: Session) -> list[Resource]:
    """Return the kinds with a phase that the cluster serves."""
    await ensure_served(session, TASK_ACTIONS)
    known = await session.cluster.kinds(TASK_ACTIONS.api_version)
    return [kind for kind in KINDS if kind in known]


def _watching(session: Session, bodies: Sequence[Body]) -> AbstractAsyncContextManager[ChangeFeed]:
    kinds = {ref_of(body).resource for body in bodies}
    fields = f"metadata.name={bodies[0]['metadata']['name']}" if len(bodies) == 1 else ""
    namespaces = {body["metadata"]["namespace"] for body in bodies}
    return watch_changes(session, kinds, namespaces.pop() if len(namespaces) == 1 else "", fields=fields)


def elapsed_text(body: Body) -> str:
    """Return the time from start to end of an object as text; empty if it is unknown."""
    begun, ended = parse_time(at(body, "status.startedAt")), parse_time(at(body, "status.finishedAt"))
    if begun is None or ended is None:
        return ""
    seconds = (ended - begun).total_seconds()
    return f" after {seconds:.1f}s" if seconds < 10 else f" after {format_span(seconds)}"  # noqa: PLR2004 - tenths matter below


async def _cancel_task(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
