"""Commands about flows: what is wrong with a definition, how it looks, and a run of it."""

from typing import Annotated, Any

import typer

from taskaction.cli import completion, durations
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.output import Output, show
from taskaction.cli.run import Form, Timeout, Wait, started
from taskaction.cli.session import Session
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, ACTION_FLOWS, Body

app = typer.Typer(no_args_is_help=True, help="Flows: check, draw and run them.")
_FILE = typer.Argument(metavar="FILE", help="A definition or an ActionFlow, as JSON or YAML; - reads standard input.")


@app.command()
def validate(
    file: Annotated[str, _FILE],
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Also refuse what Globus Flows does not have.")] = False,
) -> None:
    """Say what is wrong with a definition."""
    from taskaction.local.flow_files import checked

    problems = checked(file, strict=strict)
    for problem in problems:
        print(f"{file}: {problem}")
    if problems:
        raise typer.Exit(Exit.FAILED)
    print(f"{file}: valid")


@app.command()
def graph(file: Annotated[str, _FILE]) -> None:
    """Draw a definition as a Mermaid flowchart."""
    from taskaction.flows.definition import FlowDefinition, read
    from taskaction.flows.graph import mermaid
    from taskaction.local.flow_files import read_definition

    found = read(read_definition(file))
    if isinstance(found, FlowDefinition):
        print(mermaid(found), end="")
        return
    problems = "; ".join(str(problem) for problem in found[:3])
    raise CommandError(f"{file} cannot be drawn: {problems} (`taskaction flow validate` says all)")


@app.command()
@on_cluster
async def run(
    session: Session,
    flow: Annotated[str | None, typer.Argument(help="The ActionFlow to run.", autocompletion=completion.flows)] = None,
    *,
    file: Annotated[
        str | None,
        typer.Option("--file", "-f", metavar="FILE", help="A definition to run in the place of an ActionFlow."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The run's name. Default: one that is made up.")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="KEY=VALUE|JSON", help="A part of the input, or a JSON object of it."),
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="TEXT", help="What people call the run.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="WORD", help="A word by which people find the run.")] = None,
    run_as: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="The ServiceAccount whose rights its actions use.")
    ] = None,
    total_timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="How long it may last.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the object, and make nothing.")] = False,
    wait: Wait = True,
    timeout: Timeout = None,
    output: Form = None,
) -> int:
    """Run a flow and follow it to its end.

    The exit code says how it ended: 0 Succeeded, 1 Failed, 3 Aborted, 4 TimedOut, 5 not yet.
    """
    if (flow is None) == (file is None):
        raise CommandError("say what to run: the name of an ActionFlow, or a definition with --file")
    if flow is not None and not dry_run and await session.cluster.get(ACTION_FLOWS, flow, session.namespace) is None:
        known = [one["metadata"]["name"] async for one in session.cluster.list(ACTION_FLOWS, session.namespace)]
        there = ", ".join(known) or "none"
        raise CommandError(
            f"there is no ActionFlow {flow} in namespace {session.namespace}; there are {there}", Exit.CLUSTER
        )
    spec: Body = {"flowRef": {"name": flow}} if flow is not None else {"definition": _definition(str(file))}
    spec |= {"input": durations.parameters(given)} if given else {}
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
        show(session.out, [made], Output.JSON if output is Output.JSON else Output.YAML, single=True)
        return Exit.DONE
    return await started(session, [made], wait=wait, timeout=timeout, output=output)


def _definition(file: str) -> Any:
    from taskaction.local.flow_files import read_definition

    return read_definition(file)
