"""``logs``: the history of an action, and the logs of its pods and of the pods of its Jobs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.text import Text

from taskaction.api.bodies import has_ended
from taskaction.api.timeline import TimelineEntry, merge_entries, read_timeline
from taskaction.cli import completion
from taskaction.cli.commands import on_cluster
from taskaction.cli.exit_codes import Exit
from taskaction.cli.follow import watch_changes
from taskaction.cli.objects import fetch_objects, ref_of
from taskaction.cli.output import print_data, print_line
from taskaction.cli.session import Session
from taskaction.cluster.errors import ClusterError, ForbiddenError, InvalidError, NotFoundError
from taskaction.cluster.gateway import PODS, Body
from taskaction.cluster.object_events import read_events
from taskaction.core.constants import UID_LABEL

_PAUSE_SECONDS = 1.0
_LAST_WORDS_SECONDS = 5.0


class LogSource(StrEnum):
    """Source of the printed lines."""

    ALL = "all"
    ACTION = "action"
    PODS = "pods"


@on_cluster
async def logs(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of the action, or KIND/NAME.", autocompletion=completion.runs)],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow until the action has ended.")] = False,
    source: Annotated[
        LogSource, typer.Option(help="Lines to print: those of the action, of its pods, or both.")
    ] = LogSource.ALL,
    container: Annotated[
        str | None, typer.Option("--container", "-c", metavar="NAME", help="Container of the pods.")
    ] = None,
    tail: Annotated[int | None, typer.Option(min=0, help="Number of last lines to print of each pod.")] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="Print the time of each line of the pods.")] = False,
) -> int:
    """Print the history of an action and the logs of its pods."""
    (body,) = await fetch_objects(session, [name])
    query = {"container": container, "tailLines": tail, "timestamps": "true" if timestamps else None}
    reader = _LogPrinter(session, body, source, {key: str(value) for key, value in query.items() if value is not None})
    follow = follow and not has_ended(body)
    await reader.print_new(body, follow=follow)
    if follow:
        await reader.follow()
    return Exit.DONE


class _LogPrinter:
    def __init__(self, session: Session, body: Body, source: LogSource, query: dict[str, str]) -> None:
        self._session = session
        self._body = body
        self._source = source
        self._query = query
        self._told: set[TimelineEntry] = set()
        self._read: dict[str, asyncio.Task[None] | None] = {}

    async def print_new(self, body: Body, *, follow: bool) -> None:
        """Print new entries of the history, and the logs of new pods."""
        self._body = body
        if self._source is not LogSource.PODS:
            known = read_timeline(body)
            others = [one for one in await read_events(self._session.cluster, body) if not _repeats_status(one, known)]
            for entry in merge_entries([*known, *others]):
                if entry not in self._told:
                    line = Text(f"{entry.at}  ", style="dim")
                    line.append(f"{entry.word}  {entry.text}", style="default")
                    print_line(self._session.out, line)
                self._told.add(entry)
        if self._source is not LogSource.ACTION:
            await self._print_pods(follow=follow)

    async def follow(self) -> None:
        """Print until the action has ended and its pods log no more."""
        one = ref_of(self._body)
        where = self._body["metadata"]["namespace"]
        async with watch_changes(self._session, [one.resource], where, fields=f"metadata.name={one.name}") as feed:
            while True:
                found = await feed.next(_PAUSE_SECONDS)
                if found is not None and found[2] is None:
                    break
                body = found[2] if found is not None and found[2] is not None else self._body
                await self.print_new(body, follow=True)
                if has_ended(body):
                    break
        readers = [task for task in self._read.values() if task is not None]
        if readers:
            await asyncio.wait(readers, timeout=_LAST_WORDS_SECONDS)
        for task in readers:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _print_pods(self, *, follow: bool) -> None:
        async for pod in self._pods():
            name = pod["metadata"]["name"]
            phase = (pod.get("status") or {}).get("phase")
            if phase == "Pending" or name in self._read:
                continue
            if follow:
                self._read[name] = asyncio.create_task(self._print(name, follow=True))
            else:
                await self._print(name, follow=False)
                if phase != "Running":
                    self._read[name] = None

    async def _pods(self) -> AsyncIterator[Body]:
        selector = f"{UID_LABEL}={self._body['metadata']['uid']}"
        try:
            async for pod in self._session.cluster.list(
                PODS, self._body["metadata"]["namespace"], label_selector=selector
            ):
                yield pod
        except ForbiddenError as error:
            if self._source is LogSource.PODS:
                raise
            if "pods" not in self._read:
                print_line(self._session.err, f"pods are skipped: {error}")
                self._read["pods"] = None

    async def _print(self, pod: str, *, follow: bool) -> None:
        query = self._query | ({"follow": "true"} if follow else {})
        where = f"/api/v1/namespaces/{self._body['metadata']['namespace']}/pods/{pod}/log"
        prefix = "" if self._source is LogSource.PODS else f"{pod}  "
        try:
            async for line in self._session.cluster.lines(f"{where}?{urlencode(query)}"):
                print_data(self._session.out, prefix + line)
        except (NotFoundError, InvalidError) as error:
            print_line(self._session.err, f"pod {pod}: {error}")
        except ClusterError as error:
            print_line(self._session.err, f"pod {pod}: the log stream ended: {error}")


def _repeats_status(event: TimelineEntry, known: Sequence[TimelineEntry]) -> bool:
    """Whether an Event only repeats an entry of the status."""
    return any(event.text in one.text for one in known)


async def follow_pods(session: Session, body: Body) -> None:
    """Print the logs of an action's pods to stderr until it has ended: stdout is for its result."""
    printer = _LogPrinter(replace(session, out=session.err), body, LogSource.PODS, {})
    try:
        await printer.follow()
    except ClusterError as error:
        print_line(session.err, f"logs of pods are not shown: {error}")
