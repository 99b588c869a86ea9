"""Commands for flows: validate, draw and run them."""

import sys
from typing import Annotated, Any

import typer

from taskaction.cli import completion, durations
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.escaping import write_text
from taskaction.cli.exit_codes import Exit
from taskaction.cli.output import Output, print_objects
from taskaction.cli.run import Form, Timeout, Wait, create_and_follow
from taskaction.cli.session import Session
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, ACTION_FLOWS, Body

app = typer.Typer(no_args_is_help=True, help="Validate, draw and run flows.")
_FILE = typer.Argument(metavar="FILE", help="Definition or ActionFlow, as JSON or YAML; - reads standard input.")


@app.command()
def validate(
    file: Annotated[str, _FILE],
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also reject features that Globus Flows does not have.")
    ] = False,
) -> None:
    """Validate a definition and list its problems."""
    from taskaction.local.flow_files import check_flow_file

    problems = check_flow_file(file, strict=strict)
    for problem in problems:
        write_text(f"{file}: {problem}", sys.stdout)
    if problems:
        raise typer.Exit(Exit.FAILED)
    write_text(f"{file}: valid", sys.stdout)


@app.command()
def graph(file: Annotated[str, _FILE]) -> None:
    """Draw a definition as a Mermaid flowchart."""
    from taskaction.flows.definition import FlowDefinition, parse_definition
    from taskaction.flows.graph import mermaid
    from taskaction.local.flow_files import read_definition

    found = parse_definition(read_definition(file))
    if isinstance(found, FlowDefinition):
        write_text(mermaid(found), sys.stdout)
        return
    problems = "; ".join(str(problem) for problem in found[:3])
    raise CommandError(f"{file}: invalid definition: {problems} (`taskaction flow validate` lists all problems)")


@app.command()
@on_cluster
async def run(
    session: Session,
    flow: Annotated[
        str | None, typer.Argument(help="Name of the ActionFlow to run.", autocompletion=completion.flows)
    ] = None,
    *,
    file: Annotated[
        str | None,
        typer.Option("--file", "-f", metavar="FILE", help="Definition to run instead of an ActionFlow."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the run. Default: a generated name.")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="KEY=VALUE|JSON|@FILE",
            help="Field of the input, or the input as a JSON object or @FILE.",
        ),
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="TEXT", help="Label of the run for people.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="WORD", help="Tag to find the run by; repeatable.")] = None,
    run_as: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="ServiceAccount whose rights the actions use.")
    ] = None,
    total_timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Timeout of the whole run.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the object without creating it.")] = False,
    wait: Wait = True,
    timeout: Timeout = None,
    output: Form = None,
) -> int:
    """Run a flow and follow it to its end.

    The exit code shows the result: 0 Succeeded, 1 Failed, 3 Aborted, 4 TimedOut, 5 not ended.
    """
    if (flow is None) == (file is None):
        raise CommandError("specify exactly one of the name of an ActionFlow and --file")
    if flow is not None and not dry_run and await session.cluster.get(ACTION_FLOWS, flow, session.namespace) is None:
        known = [one["metadata"]["name"] async for one in session.cluster.list(ACTION_FLOWS, session.namespace)]
        there = ", ".join(known) or "none"
        raise CommandError(
            f"actionflow {flow!r} not found in namespace {session.namespace}; available: {there}", Exit.CLUSTER
        )
    spec: Body = {"flowRef": {"name": flow}} if flow is not None else {"definition": _definition(str(file))}
    spec |= {"input": durations.parse_parameters(given)} if given else {}
    spec |= {"label": label} if label else {}
    spec |= {"tags": tag} if tag else {}
    spec |= {"runAs": {"serviceAccountName": run_as}} if run_as else {}
    spec |= {"timeouts": {"total": total_timeout}} if total_timeout else {}
    made = {
        "apiVersion": ACTION_FLOW_RUNS.api_version,
        "kind": ACTION_FLOW_RUNS.kind,
        "metadata": {"name": name} if name else {"generateName": f"{flow or 'run'}-"},
        "spec": spec,
    }
    if dry_run:
        print_objects(session.out, [made], Output.JSON if output is Output.JSON else Output.YAML, single=True)
        return Exit.DONE
    return await create_and_follow(session, [made], wait=wait, timeout=timeout, output=output)


def _definition(file: str) -> Any:
    from taskaction.local.flow_files import read_definition

    return read_definition(file)
