"""Lookup of actions and runs of flows for commands; bodies stay as the API server returns them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from taskaction.api.bodies import at
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.session import Session
from taskaction.cluster.errors import NotFoundError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body, Resource

KINDS = (TASK_ACTIONS, ACTION_FLOW_RUNS)
"""Kinds that run, and therefore have a phase."""
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
    """Reference to an object by kind and name."""

    resource: Resource
    name: str

    def __str__(self) -> str:
        """Return the reference as kubectl prints names."""
        return f"{self.resource.kind.lower()}.{self.resource.group}/{self.name}"


def parse_ref(text: str) -> Ref:
    """Parse ``NAME`` or ``KIND/NAME``; a plain name refers to a TaskAction.

    Raises:
        CommandError: the kind is neither TaskAction nor ActionFlowRun.
    """
    kind, slash, name = text.rpartition("/")
    if not slash:
        return Ref(TASK_ACTIONS, text)
    resource = find_kind(kind)
    if resource is None or not name:
        raise CommandError(f"invalid name {text!r}; use NAME, taskaction/NAME or actionflowrun/NAME")
    return Ref(resource, name)


def find_kind(word: str) -> Resource | None:
    """Return the kind for a word, as kubectl resolves resource names."""
    return _WORDS.get(word.lower())


def ref_of(body: Body) -> Ref:
    """Return the reference of an object."""
    return Ref(next(kind for kind in KINDS if kind.kind == body["kind"]), body["metadata"].get("name", ""))


def ready_field(body: Body, field: str) -> Any:
    """Return a field of the Ready condition of an object; None if it has none."""
    return next((one.get(field) for one in at(body, "status.conditions", []) if one["type"] == "Ready"), None)


async def fetch_objects(session: Session, names: Iterable[str], namespace: str | None = None) -> list[Body]:
    """Return the objects with these names, in their order.

    Raises:
        CommandError: an object is missing; the message names all that are.
    """
    refs = [parse_ref(name) for name in names]
    where = namespace or session.namespace
    found = await asyncio.gather(*(session.cluster.get(one.resource, one.name, where) for one in refs))
    missing = [one for one, body in zip(refs, found, strict=True) if body is None]
    if missing:
        await ensure_served(session, missing[0].resource)
        what = ", ".join(str(one) for one in missing)
        raise CommandError(
            f"{what} not found in namespace {where}: `taskaction get` lists the existing ones", Exit.CLUSTER
        )
    return [body for body in found if body is not None]


async def ensure_served(session: Session, resource: Resource) -> None:
    """Check that the cluster serves a kind; raises ``NotFoundError`` if not."""
    if resource not in await session.cluster.kinds(resource.api_version):
        raise NotFoundError("the server could not find the requested resource")


async def list_objects(
    session: Session,
    namespace: str,
    *,
    labels: str = "",
    fields: str = "",
    phases: Sequence[str] = (),
    kinds: Sequence[Resource] = KINDS,
) -> AsyncIterator[Body]:
    """Yield actions, then runs of flows if the cluster serves that kind; the API server selects them.

    Either ``fields``, a field selector, or ``phases`` may be set.
    """
    selectors = [f"status.phase={phase}" for phase in dict.fromkeys(phases)] or [fields]
    seen: set[str] = set()
    for kind in kinds:
        try:
            for selector in selectors:
                async for body in session.cluster.list(kind, namespace, field_selector=selector, label_selector=labels):
                    if body["metadata"]["uid"] not in seen:  # between two lists, an object may change its phase
                        seen.add(body["metadata"]["uid"])
                        yield with_type(body, kind)
        except NotFoundError:
            if kind is TASK_ACTIONS:
                raise


async def select_objects(session: Session, names: Sequence[str], labels: str | None, *, verb: str) -> list[Body]:
    """Return the objects that a command acts on, by names or by a label selector.

    Raises:
        CommandError: the command has neither, or both.
    """
    if bool(names) == (labels is not None):
        raise CommandError(f"specify what to {verb}: either names, or a selector with -l")
    if labels is None:
        return await fetch_objects(session, names)
    return [body async for body in list_objects(session, session.namespace, labels=labels)]


def with_type(body: Body, kind: Resource) -> Body:
    """Return an item of a list with apiVersion and kind, which the API server omits in items."""
    return {"apiVersion": kind.api_version, "kind": kind.kind} | body
