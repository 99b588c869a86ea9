"""``get`` and ``watch``: list actions, and print their changes."""

from collections.abc import Sequence
from typing import Annotated

import typer

from taskaction.api.bodies import phase_of
from taskaction.cli import completion
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.follow import ProgressPrinter, follow_to_end, served_kinds, watch_changes
from taskaction.cli.history_client import HistoryClient, HistoryToken, HistoryUrl, Query, ago, open_history, to_body
from taskaction.cli.objects import KINDS, fetch_objects, ref_of
from taskaction.cli.output import COLUMNS, NAMESPACE, Output, TableColumn, print_line, print_objects, print_table
from taskaction.cli.selection import (
    Everywhere,
    Limit,
    Phases,
    Selection,
    Selector,
    Since,
    SortBy,
    filter_newest,
    select_listed,
    sort_bodies,
)
from taskaction.cli.session import Session
from taskaction.cluster.gateway import Body

_MOST_PAST = 1_000
"""Records that a list shows at most; `history list` has pages."""
Names = Annotated[
    list[str] | None,
    typer.Argument(help="Names of actions, or KIND/NAME. Default: all.", autocompletion=completion.runs),
]


@on_cluster
async def get(
    session: Session,
    names: Names = None,
    *,
    selector: Selector = None,
    phase: Phases = None,
    since: Since = None,
    limit: Limit = None,
    sort_by: SortBy = None,
    all_namespaces: Everywhere = False,
    watching: Annotated[
        bool, typer.Option("--watch", "-w", help="After the list, print a row for each change until Ctrl-C.")
    ] = False,
    past: Annotated[bool, typer.Option("--past", help="Also those whose objects are gone, from the history.")] = False,
    output: Annotated[Output | None, typer.Option("--output", "-o", help="Output format.")] = None,
    history_url: HistoryUrl = None,
    history_token: HistoryToken = None,
) -> None:
    """List actions and runs of flows."""
    wanted = Selection(labels=selector or "", phases=phase or (), since=since, limit=limit, sort_by=sort_by)
    if names and (wanted.is_narrow or all_namespaces):
        raise CommandError("names cannot be combined with --selector, --phase, --since, --limit or --all-namespaces")
    if past and (names or watching):
        raise CommandError("--past lists: omit names and --watch, or use `taskaction history show NAME`")
    where = "" if all_namespaces else session.namespace
    bodies = await (fetch_objects(session, names) if names else select_listed(session, where, wanted))
    if past:
        async with open_history(session, history_url, history_token) as history:
            bodies = await _merge_past(session, history, where, wanted, bodies)
    if output not in {None, Output.WIDE} and output is not None:
        if watching:
            raise CommandError("--watch prints a table: omit -o, or use -o wide")
        print_objects(session.out, bodies, output, single=names is not None and len(names) == 1)
        return
    if not bodies:
        which = "matching " if wanted.is_narrow else ""
        print_line(
            session.err,
            f"no {which}actions in " + ("any namespace" if all_namespaces else f"namespace {session.namespace}"),
        )
    tables = _Tables(session, namespaces=all_namespaces, wide=output is Output.WIDE)
    tables.print_all(bodies)
    if watching:
        await _watch_rows(session, where, wanted, tables, bodies, only=bool(names))


@on_cluster
async def watch(
    session: Session,
    names: Names = None,
    *,
    selector: Selector = None,
    all_namespaces: Everywhere = False,
) -> int:
    """Print each change of actions to stdout.

    With names it returns when all of them have ended, otherwise it runs until Ctrl-C.
    """
    if names:
        code, _ = await follow_to_end(session, await fetch_objects(session, names), None, lines=session.out)
        return code
    where = "" if all_namespaces else session.namespace
    kinds = await served_kinds(session)
    with ProgressPrinter(session, 0, session.out) as progress:
        async with watch_changes(session, kinds, where, labels=selector or "") as feed:
            while True:
                found = await feed.next()
                if found is not None and found[2] is not None:
                    progress.show(found[2])
    return Exit.DONE


class _Tables:
    """One table for each kind, whose rows can be continued."""

    def __init__(self, session: Session, *, namespaces: bool, wide: bool) -> None:
        self._session = session
        self._namespaces = namespaces
        self._wide = wide
        self._printed = False

    def print_all(self, bodies: Sequence[Body]) -> None:
        """Print a table for each kind that occurs."""
        for kind in KINDS:
            found = [body for body in bodies if body["kind"] == kind.kind]
            if not found:
                continue
            if self._printed:
                print_line(self._session.out, "")
            self._printed = True
            print_table(self._session.out, self._columns(kind.kind), found, wide=self._wide)

    def print_row(self, body: Body) -> None:
        """Print the row of a changed object; the first one has a header."""
        print_table(self._session.out, self._columns(body["kind"]), [body], wide=self._wide, header=not self._printed)
        self._printed = True

    def _columns(self, kind: str) -> list[TableColumn]:
        return ([NAMESPACE] if self._namespaces else []) + list(COLUMNS[kind])


async def _merge_past(
    session: Session, history: HistoryClient, where: str, wanted: Selection, live: Sequence[Body]
) -> list[Body]:
    """Return live and past objects in the wanted order; an object that still exists is shown as it is."""
    query: Query = {
        "namespace": where or None,
        "labelSelector": wanted.labels or None,
        "phase": wanted.phases,
        "since": ago(wanted.since) if wanted.since is not None else None,
    }
    items, has_more = await history.list(query, _MOST_PAST)
    if has_more:
        print_line(session.err, f"only the {_MOST_PAST} that ended last are shown: use --since, or `history list`")
    merged = {item["uid"]: to_body(item) for item in items} | {body["metadata"]["uid"]: body for body in live}
    return sort_bodies(filter_newest(list(merged.values()), wanted.since, wanted.limit), wanted.sort_by or "name")


async def _watch_rows(
    session: Session, where: str, wanted: Selection, tables: _Tables, listed: Sequence[Body], *, only: bool
) -> None:
    """Print a row for each change of the listed objects, and of new ones unless ``only`` the listed count."""
    known = {body["metadata"]["uid"]: body["metadata"].get("resourceVersion") for body in listed}
    kinds = {ref_of(body).resource for body in listed} if only else await served_kinds(session)
    async with watch_changes(session, kinds, where, labels=wanted.labels) as feed:
        while True:
            found = await feed.next()
            if found is None or found[2] is None or (only and found[1] not in known):
                continue
            body = found[2]
            version = body["metadata"].get("resourceVersion")
            new_or_changed = known.get(found[1]) != version
            if new_or_changed and (not wanted.phases or phase_of(body) in wanted.phases):
                tables.print_row(body)
            known[found[1]] = version
