"""``tree``: parents and children with their phases, once or continuously."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from taskaction.api.bodies import at, has_ended, phase_of
from taskaction.cli import completion
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.follow import ChangeFeed, served_kinds, watch_changes
from taskaction.cli.objects import fetch_objects, list_objects
from taskaction.cli.output import age, colour_word, print_line
from taskaction.cli.selection import CREATED, Everywhere, Since, filter_newest
from taskaction.cli.session import Session
from taskaction.cluster.gateway import TASK_ACTIONS, Body

_CALM_SECONDS = 0.2
"""How long changes are gathered before the tree is drawn anew."""
_NUMBER = re.compile(r"(\d+)")


@on_cluster
async def tree(
    session: Session,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Roots of the trees. Default: all actions with children.", autocompletion=completion.runs),
    ] = None,
    *,
    all_namespaces: Everywhere = False,
    since: Since = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the N newest trees.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Update the trees until all actions have ended.")
    ] = False,
) -> int:
    """Show actions with all their descendants."""
    if names and (all_namespaces or since or limit):
        raise CommandError("names cannot be combined with --all-namespaces, --since or --limit")
    where = "" if all_namespaces else session.namespace
    named = {body["metadata"]["uid"] for body in await fetch_objects(session, names or [])}
    known = {body["metadata"]["uid"]: body async for body in list_objects(session, where)}

    def chosen() -> set[str]:
        return named or _newest_roots(known, since, limit)

    def lines() -> list[Text]:
        return list(draw_trees(known, chosen(), namespaces=all_namespaces))

    if not watch:
        found = lines()
        for line in found:
            print_line(session.out, line)
        if not found:
            place = "any namespace" if all_namespaces else f"namespace {session.namespace}"
            print_line(
                session.err,
                f"no matching actions with children in {place}: specify a name to show one alone",
            )
        return Exit.DONE
    with Live(console=session.out, auto_refresh=False) as live:
        async with watch_changes(session, await served_kinds(session), where) as feed:
            while not _has_finished(known, chosen()):
                if session.out.is_terminal:
                    live.update(Group(*map(_cut, lines())), refresh=True)
                await _wait_for_changes(feed, known)
        live.update(Group(*map(_cut, lines())), refresh=True)
    return Exit.DONE


async def fetch_children(session: Session, body: Body) -> list[Body]:
    """Return the children of an object, in their order; the API server selects them."""
    metadata, found = body["metadata"], {body["metadata"]["uid"]: body}
    fields = f"spec.parentRef.name={metadata['name']}"
    async for one in list_objects(session, metadata["namespace"], fields=fields):
        found[one["metadata"]["uid"]] = one
    return [found[uid] for uid in children(found).get(metadata["uid"], [])]


async def _wait_for_changes(feed: ChangeFeed, known: dict[str, Body]) -> None:
    """Wait for a change, and apply it with the changes that follow closely."""
    found = await feed.next()
    calm = time.monotonic() + _CALM_SECONDS
    while found is not None:
        _, uid, body = found
        if body is None:
            known.pop(uid, None)
        else:
            known[uid] = body
        found = await feed.next(max(0.0, calm - time.monotonic()))


def _has_finished(known: Mapping[str, Body], named: set[str]) -> bool:
    below = list(_members(known, named))
    return all(has_ended(body) for body in below) and bool(below or named)


def draw_trees(known: Mapping[str, Body], chosen: Iterable[str], *, namespaces: bool = False) -> Iterable[Text]:
    """Yield the lines of the trees with the roots ``chosen``; ``namespaces`` adds their namespace to roots."""
    below = children(known)
    for uid in sorted((uid for uid in chosen if uid in known), key=lambda uid: _order(known[uid])):
        first = f"{known[uid]['metadata']['namespace']}/" if namespaces else ""
        yield from _branch(known, below, uid, first, "", frozenset())


def _newest_roots(known: Mapping[str, Body], since: str | None, limit: int | None) -> set[str]:
    """Return the objects with children and no parent, as far as they are new enough."""
    roots = [known[uid] for uid in _roots(known, children(known))]
    found = filter_newest(roots, since, limit)
    return {body["metadata"]["uid"] for body in found}


def children(known: Mapping[str, Body]) -> dict[str, list[str]]:
    """Return the uids of the children of each parent, in order of creation."""
    names = {
        (body["kind"], at(body, "metadata.namespace"), body["metadata"]["name"]): uid for uid, body in known.items()
    }
    found: dict[str, list[str]] = {}
    for uid, body in sorted(known.items(), key=lambda item: _order(item[1])):
        parent = _parent(body, known, names)
        if parent is not None:
            found.setdefault(parent, []).append(uid)
    return found


def _parent(body: Body, known: Mapping[str, Body], names: Mapping[tuple[str, str, str], str]) -> str | None:
    for owner in at(body, "metadata.ownerReferences", []):
        if owner["uid"] in known:
            return str(owner["uid"])
    reference = at(body, "spec.parentRef")
    if reference is None:
        return None
    named = (reference.get("kind", TASK_ACTIONS.kind), at(body, "metadata.namespace"), reference["name"])
    uid = names.get(named)
    return uid if reference.get("uid") in {None, uid} else None


def _roots(known: Mapping[str, Body], below: Mapping[str, list[str]]) -> list[str]:
    inner = {uid for uids in below.values() for uid in uids}
    return [uid for uid in below if uid not in inner and uid in known]


def _members(known: Mapping[str, Body], named: Iterable[str]) -> Iterable[Body]:
    below = children(known)
    waiting = list(named) or _roots(known, below)
    seen: set[str] = set()
    while waiting:
        uid = waiting.pop()
        if uid in known and uid not in seen:
            seen.add(uid)
            waiting += below.get(uid, [])
            yield known[uid]


def _branch(
    known: Mapping[str, Body], below: Mapping[str, list[str]], uid: str, first: str, rest: str, above: frozenset[str]
) -> Iterable[Text]:
    yield _line(known[uid], first)
    if uid in above:
        return  # a cycle of parents: the operator refuses it, but the API server stores it
    inner = below.get(uid, [])
    for place, child in enumerate(inner):
        last = place == len(inner) - 1
        yield from _branch(
            known, below, child, rest + ("└── " if last else "├── "), rest + ("    " if last else "│   "), above | {uid}
        )


def _line(body: Body, indent: str) -> Text:
    kind = "" if body["kind"] == TASK_ACTIONS.kind else f"{body['kind'].lower()}/"
    line = Text(f"{indent}{kind}{body['metadata']['name']}  ")
    line.append_text(colour_word(phase_of(body)))
    what = at(body, "spec.executor") or at(body, "spec.providerRef.name") or at(body, "spec.flowRef.name")
    details = [str(what)] if what else []
    states = ", ".join(one["name"] for one in at(body, "status.states", []))
    message = at(body, "status.message") or states
    details += [" ".join(str(message).split())] if message else []
    line.append(f"  {age(at(body, CREATED))}", style="dim")
    return line.append("  " + "  ".join(details), style="dim") if details else line


def _cut(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _order(body: Body) -> tuple[str, str, list[tuple[int, str]]]:
    """Return the sort key of the order of creation, then of start; numbers in names count as numbers."""
    parts = [(int(part), "") if part.isdecimal() else (0, part) for part in _NUMBER.split(body["metadata"]["name"])]
    return str(at(body, CREATED, "")), str(at(body, "status.startedAt") or "~"), parts
