"""``doctor``: finds problems of a cluster and suggests remedies."""

from typing import Annotated

import typer
from rich.text import Text

from taskaction.cli.commands import on_cluster
from taskaction.cli.exit_codes import Exit
from taskaction.cli.output import Output, as_json, as_yaml, print_line, print_plain
from taskaction.cli.session import Session

_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


@on_cluster
async def doctor(
    session: Session,
    *,
    operator_namespace: Annotated[
        str,
        typer.Option(metavar="NAME", help="Namespace of the operator, if you may not read Leases of all namespaces."),
    ] = "taskaction-system",
    output: Annotated[
        Output | None, typer.Option("--output", "-o", help="Output format for programs: json or yaml.")
    ] = None,
) -> int:
    """Check the cluster for problems.

    The exit code is 1 if there are problems.
    """
    from taskaction.cli.checks import as_objects, run_checks
    from taskaction.cli.findings import Severity

    findings = []
    async for finding in run_checks(session, operator_namespace):
        findings.append(finding)
        if output in {Output.JSON, Output.YAML}:
            continue
        line = Text(f"{finding.level:8}", style=_COLOURS[finding.level])
        line.append(f"{finding.what}: {finding.text}", style="default")
        print_line(session.out, line)
        if finding.remedy:
            print_line(session.out, Text(f"        {finding.remedy}", style="default"))
    if output in {Output.JSON, Output.YAML}:
        whole = as_objects(findings)
        print_plain(session.out, as_json(whole) if output is Output.JSON else as_yaml(whole))
    return Exit.FAILED if any(one.level is Severity.PROBLEM for one in findings) else Exit.DONE
