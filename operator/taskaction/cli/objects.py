"""Actions and runs of flows as commands name, find and read them; bodies stay as the API server gives them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from taskaction.api.enums import TERMINAL_PHASES
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.session import Session
from taskaction.cluster.errors import NotFoundError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body, Resource

KINDS = (TASK_ACTIONS, ACTION_FLOW_RUNS)
"""The kinds that are run, and so have a phase."""
_WORDS: dict[str, Resource] = {
    word: kind
    for kind, short in ((TASK_ACTIONS, "ta"), (ACTION_FLOW_RUNS, "afr"))
    for word in (
        short,
        kind.kind.lower(),
        kind.plural,
        f"{kind.plural}.{kind.group}",
        f"{kind.kind.lower()}.{kind.group}",
    )
}


@dataclass(frozen=True, slots=True)
class Ref:
    """One object as somebody names it."""

    resource: Resource
    name: str

    def __str__(self) -> str:
        """Give it as kubectl prints names."""
        return f"{self.resource.kind.lower()}.{self.resource.group}/{self.name}"


def ref(text: str) -> Ref:
    """Read ``NAME`` or ``KIND/NAME``; a name alone is an action's.

    Raises:
        CommandError: the kind is none of those that are run.
    """
    kind, slash, name = text.rpartition("/")
    if not slash:
        return Ref(TASK_ACTIONS, text)
    resource = kind_named(kind)
    if resource is None or not name:
        raise CommandError(f"{text!r}: write NAME, taskaction/NAME or actionflowrun/NAME")
    return Ref(resource, name)


def kind_named(word: str) -> Resource | None:
    """Give the kind that a word means, as kubectl takes words for kinds."""
    return _WORDS.get(word.lower())


def ref_of(body: Body) -> Ref:
    """Give the reference of an object."""
    return Ref(next(kind for kind in KINDS if kind.kind == body["kind"]), body["metadata"].get("name", ""))


def phase_of(body: Body) -> str:
    """Give an object's phase."""
    return str((body.get("status") or {}).get("phase") or "Queued")


def has_ended(body: Body) -> bool:
    """Say whether nothing can happen to an object any more."""
    return phase_of(body) in TERMINAL_PHASES


def at(body: Any, path: str, default: Any = None) -> Any:
    """Give what is at a dotted path of an object, or ``default``."""
    for part in path.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    return default if body is None else body


async def fetched(session: Session, names: Iterable[str], namespace: str | None = None) -> list[Body]:
    """Give the objects of these names, in their order.

    Raises:
        CommandError: one of them is not there; all that are missing are named.
    """
    refs = [ref(name) for name in names]
    where = namespace or session.namespace
    found = await asyncio.gather(*(session.cluster.get(one.resource, one.name, where) for one in refs))
    missing = [one for one, body in zip(refs, found, strict=True) if body is None]
    if missing:
        await ensure_served(session, missing[0].resource)
        what = ", ".join(str(one) for one in missing)
        raise CommandError(f"{what} not found in namespace {where}: `taskaction get` lists what is there", Exit.CLUSTER)
    return [body for body in found if body is not None]


async def ensure_served(session: Session, resource: Resource) -> None:
    """Tell a missing object from a missing kind; raises ``NotFoundError`` for the latter."""
    if resource not in await session.cluster.kinds(resource.api_version):
        raise NotFoundError("the server could not find the requested resource")


async def listed(
    session: Session, namespace: str, *, labels: str = "", phases: Sequence[str] = (), kinds: Sequence[Resource] = KINDS
) -> AsyncIterator[Body]:
    """Give all actions, then all runs of flows where the cluster has that kind."""
    for kind in kinds:
        try:
            async for body in session.cluster.list(kind, namespace, label_selector=labels):
                if not phases or phase_of(body) in phases:
                    yield _typed(body, kind)
        except NotFoundError:
            if kind is TASK_ACTIONS:
                raise


async def chosen(session: Session, names: Sequence[str], labels: str | None, *, verb: str) -> list[Body]:
    """Give the objects that a command is to change: those of these names, or those that a selector means.

    Raises:
        CommandError: neither is given, or both.
    """
    if bool(names) == (labels is not None):
        raise CommandError(f"say what to {verb}: give names, or a selector with -l (one of both)")
    if labels is None:
        return await fetched(session, names)
    return [body async for body in listed(session, session.namespace, labels=labels)]


def _typed(body: Body, kind: Resource) -> Body:
    """Give an item of a list with what the API server leaves out of items."""
    return {"apiVersion": kind.api_version, "kind": kind.kind} | body
