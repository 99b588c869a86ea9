"""``get`` and ``watch``: what there is, and how it changes."""

from collections.abc import Sequence
from typing import Annotated

import typer

from taskaction.api.enums import Phase
from taskaction.cli import completion
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.follow import Progress, news, served, to_the_end
from taskaction.cli.objects import KINDS, fetched, listed
from taskaction.cli.output import COLUMNS, NAMESPACE, Output, say, show, table
from taskaction.cli.session import Session
from taskaction.cluster.gateway import Body

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Names of actions, or KIND/NAME. Default: all.", autocompletion=completion.runs),
]
Selector = Annotated[str | None, typer.Option("--selector", "-l", metavar="SELECTOR", help="Only with these labels.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")]
Phases = Annotated[list[Phase] | None, typer.Option("--phase", help="Only in this phase; may be given several times.")]


@on_cluster
async def get(
    session: Session,
    names: Names = None,
    *,
    selector: Selector = None,
    phase: Phases = None,
    all_namespaces: Everywhere = False,
    output: Annotated[Output | None, typer.Option("--output", "-o", help="The form.")] = None,
) -> None:
    """Show actions and runs of flows."""
    if names and (selector or all_namespaces or phase):
        raise CommandError("names go without --selector, --phase and --all-namespaces")
    if names:
        bodies = await fetched(session, names)
    else:
        where = "" if all_namespaces else session.namespace
        bodies = [body async for body in listed(session, where, labels=selector or "", phases=phase or ())]
    if output not in {None, Output.WIDE} and output is not None:
        show(session.out, bodies, output, single=names is not None and len(names) == 1)
        return
    if not bodies:
        which = "that fit " if selector or phase else ""
        say(
            session.err,
            f"no actions {which}in " + ("any namespace" if all_namespaces else f"namespace {session.namespace}"),
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
    """Print each change of actions, as it comes.

    Those that are named are followed until all have ended, all others until Ctrl-C.
    """
    if names:
        code, _ = await to_the_end(session, await fetched(session, names), None)
        return code
    where = "" if all_namespaces else session.namespace
    kinds = await served(session)
    with Progress(session, 0) as progress:
        async with news(session, kinds, where, labels=selector or "") as feed:
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
            say(session.out, "")
        first = False
        columns = ([NAMESPACE] if namespaces else []) + list(COLUMNS[kind.kind])
        table(session.out, columns, found, wide=wide)
