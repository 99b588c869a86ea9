"""``doctor``: says of a cluster what is wrong with it, and what to mend."""

from typing import Annotated

import typer
from rich.text import Text

from taskaction.cli.commands import on_cluster
from taskaction.cli.exit_codes import Exit
from taskaction.cli.output import Output, as_json, as_yaml, print_plain, say
from taskaction.cli.session import Session

_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


@on_cluster
async def doctor(
    session: Session,
    *,
    operator_namespace: Annotated[
        str, typer.Option(metavar="NAME", help="Where the operator lives, if Leases of all namespaces cannot be read.")
    ] = "taskaction-system",
    output: Annotated[Output | None, typer.Option("--output", "-o", help="json or yaml, for programs.")] = None,
) -> int:
    """Look for what is wrong with the cluster.

    The exit code is 1 where there are problems.
    """
    from taskaction.cli.checks import Level, as_objects, examined

    findings = []
    async for finding in examined(session, operator_namespace):
        findings.append(finding)
        if output in {Output.JSON, Output.YAML}:
            continue
        line = Text(f"{finding.level:8}", style=_COLOURS[finding.level])
        line.append(f"{finding.what}: {finding.text}", style="default")
        say(session.out, line)
        if finding.mend:
            say(session.out, Text(f"        {finding.mend}", style="default"))
    if output in {Output.JSON, Output.YAML}:
        whole = as_objects(findings)
        print_plain(session.out, as_json(whole) if output is Output.JSON else as_yaml(whole))
    return Exit.FAILED if any(one.level is Level.PROBLEM for one in findings) else Exit.DONE
