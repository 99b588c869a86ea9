"""``logs``: what an action has been through, and what its pods and those of its Jobs say."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.text import Text

from taskaction.cli import completion
from taskaction.cli.commands import on_cluster
from taskaction.cli.exit_codes import Exit
from taskaction.cli.follow import news
from taskaction.cli.history import Entry, events, merged, recorded
from taskaction.cli.objects import fetched, has_ended, ref_of
from taskaction.cli.output import print_plain, say
from taskaction.cli.session import Session
from taskaction.cluster.errors import ClusterError, ForbiddenError, InvalidError, NotFoundError
from taskaction.cluster.gateway import PODS, Body
from taskaction.core.constants import UID_LABEL

_PAUSE_SECONDS = 1.0
_LAST_WORDS_SECONDS = 5.0


class Source(StrEnum):
    """Whose lines are printed."""

    ALL = "all"
    ACTION = "action"
    PODS = "pods"


@on_cluster
async def logs(
    session: Session,
    name: Annotated[str, typer.Argument(help="The action, or KIND/NAME.", autocompletion=completion.runs)],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the action has ended.")] = False,
    source: Annotated[Source, typer.Option(help="Whose lines: the action's, those of its pods, or both.")] = Source.ALL,
    container: Annotated[str | None, typer.Option("--container", "-c", metavar="NAME", help="The container.")] = None,
    tail: Annotated[int | None, typer.Option(min=0, help="Only so many last lines of each pod.")] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="With the time of each line of pods.")] = False,
) -> int:
    """Print what an action and its pods have to say."""
    (body,) = await fetched(session, [name])
    query = {"container": container, "tailLines": tail, "timestamps": "true" if timestamps else None}
    reader = _Reader(session, body, source, {key: str(value) for key, value in query.items() if value is not None})
    follow = follow and not has_ended(body)
    await reader.look(body, follow=follow)
    if follow:
        await reader.follow()
    return Exit.DONE


class _Reader:
    def __init__(self, session: Session, body: Body, source: Source, query: dict[str, str]) -> None:
        self._session = session
        self._body = body
        self._source = source
        self._query = query
        self._told: set[Entry] = set()
        self._read: dict[str, asyncio.Task[None] | None] = {}

    async def look(self, body: Body, *, follow: bool) -> None:
        """Print what is new on record; read the pods that were not read yet."""
        self._body = body
        if self._source is not Source.PODS:
            known = recorded(body)
            others = [one for one in await events(self._session, body) if not _repeats(one, known)]
            for entry in merged([*known, *others]):
                if entry not in self._told:
                    line = Text(f"{entry.at}  ", style="dim")
                    line.append(f"{entry.word}  {entry.text}", style="default")
                    say(self._session.out, line)
                self._told.add(entry)
        if self._source is not Source.ACTION:
            await self._look_at_pods(follow=follow)

    async def follow(self) -> None:
        """Go on until the action has ended and its pods are silent."""
        one = ref_of(self._body)
        where = self._body["metadata"]["namespace"]
        async with news(self._session, [one.resource], where, fields=f"metadata.name={one.name}") as feed:
            while True:
                found = await feed.next(_PAUSE_SECONDS)
                if found is not None and found[2] is None:
                    break
                body = found[2] if found is not None and found[2] is not None else self._body
                await self.look(body, follow=True)
                if has_ended(body):
                    break
        readers = [task for task in self._read.values() if task is not None]
        if readers:
            await asyncio.wait(readers, timeout=_LAST_WORDS_SECONDS)
        for task in readers:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _look_at_pods(self, *, follow: bool) -> None:
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
            if self._source is Source.PODS:
                raise
            if "pods" not in self._read:
                say(self._session.err, f"pods are left out: {error}")
                self._read["pods"] = None

    async def _print(self, pod: str, *, follow: bool) -> None:
        query = self._query | ({"follow": "true"} if follow else {})
        where = f"/api/v1/namespaces/{self._body['metadata']['namespace']}/pods/{pod}/log"
        prefix = "" if self._source is Source.PODS else f"{pod}  "
        try:
            async for line in self._session.cluster.lines(f"{where}?{urlencode(query)}"):
                print_plain(self._session.out, prefix + line)
        except (NotFoundError, InvalidError) as error:
            say(self._session.err, f"pod {pod}: {error}")
        except ClusterError as error:
            say(self._session.err, f"pod {pod}: the log broke off: {error}")


def _repeats(event: Entry, known: Sequence[Entry]) -> bool:
    """Say whether an Event only repeats what the status says."""
    return any(event.text in one.text for one in known)
