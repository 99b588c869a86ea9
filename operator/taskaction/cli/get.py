"""``get`` and ``watch``: list actions, and print their changes."""

from collections.abc import Sequence
from typing import Annotated

import typer

from taskaction.api.enums import Phase
from taskaction.cli import completion
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.follow import ProgressPrinter, follow_to_end, served_kinds, watch_changes
from taskaction.cli.objects import KINDS, fetch_objects, list_objects
from taskaction.cli.output import COLUMNS, NAMESPACE, Output, print_line, print_objects, print_table
from taskaction.cli.session import Session
from taskaction.cluster.gateway import Body

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Names of actions, or KIND/NAME. Default: all.", autocompletion=completion.runs),
]
Selector = Annotated[str | None, typer.Option("--selector", "-l", metavar="SELECTOR", help="Label selector.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")]
Phases = Annotated[list[Phase] | None, typer.Option("--phase", help="Only actions in this phase; repeatable.")]


@on_cluster
async def get(
    session: Session,
    names: Names = None,
    *,
    selector: Selector = None,
    phase: Phases = None,
    all_namespaces: Everywhere = False,
    output: Annotated[Output | None, typer.Option("--output", "-o", help="Output format.")] = None,
) -> None:
    """List actions and runs of flows."""
    if names and (selector or all_namespaces or phase):
        raise CommandError("names cannot be combined with --selector, --phase or --all-namespaces")
    if names:
        bodies = await fetch_objects(session, names)
    else:
        where = "" if all_namespaces else session.namespace
        bodies = [body async for body in list_objects(session, where, labels=selector or "", phases=phase or ())]
    if output not in {None, Output.WIDE} and output is not None:
        print_objects(session.out, bodies, output, single=names is not None and len(names) == 1)
        return
    if not bodies:
        which = "matching " if selector or phase else ""
        print_line(
            session.err,
            f"no {which}actions in " + ("any namespace" if all_namespaces else f"namespace {session.namespace}"),
        )
    _tables(session, bodies, namespaces=all_namespaces, wide=output is Output.WIDE)


@on_cluster
async def watch(
    session: Session,
    names: Names = None,
    *,
    selector: Selector = None,
    all_namespaces: Everywhere = False,
) -> int:
    """Print each change of actions.

    With names it returns when all of them have ended, otherwise it runs until Ctrl-C.
    """
    if names:
        code, _ = await follow_to_end(session, await fetch_objects(session, names), None)
        return code
    where = "" if all_namespaces else session.namespace
    kinds = await served_kinds(session)
    with ProgressPrinter(session, 0) as progress:
        async with watch_changes(session, kinds, where, labels=selector or "") as feed:
            while True:
                found = await feed.next()
                if found is not None and found[2] is not None:
                    progress.show(found[2])
    return Exit.DONE


def _tables(session: Session, bodies: Sequence[Body], *, namespaces: bool, wide: bool) -> None:
    first = True
    for kind in KINDS:
        found = [body for body in bodies if body["kind"] == kind.kind]
        if not found:
            continue
        if not first:
            print_line(session.out, "")
        first = False
        columns = ([NAMESPACE] if namespaces else []) + list(COLUMNS[kind.kind])
        print_table(session.out, columns, found, wide=wide)
