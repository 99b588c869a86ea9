"""``local run``: runs manifests in this process without a cluster, to try them out."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from taskaction.api.bodies import at, phase_of
from taskaction.cli import durations
from taskaction.cli.errors import CommandError, explain_error
from taskaction.cli.files import read_manifests
from taskaction.cli.follow import follow_to_end, watch_changes
from taskaction.cli.mutate import find_waiting_action, read_signal_value, runs_a_flow
from taskaction.cli.objects import KINDS, ref_of
from taskaction.cli.output import Output, print_line
from taskaction.cli.outputs import print_results
from taskaction.cli.run import POD_EXECUTORS
from taskaction.cli.session import Session, consoles
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, SECRETS, Body, Resource
from taskaction.core.clock import SystemClock

app = typer.Typer(no_args_is_help=True, help="Run manifests without a cluster.")

_ANYWHERE = "0.0.0.0/0,::/0"
"""Addresses that the http executor may reach: the requests are those of the user who runs the command."""
_SERVER = "the in-memory cluster"


@app.callback()
def local() -> None:
    """Run manifests without a cluster."""


@app.command("run")
def run_local(
    files: Annotated[
        list[Path], typer.Argument(help="YAML or JSON files, or folders of them; - reads standard input.")
    ],
    *,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--signal",
            metavar="NAME=VALUE",
            help="Signal for an action or run that waits for one; repeatable, a run takes the next one each time.",
        ),
    ] = None,
    timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Maximum time to follow the actions.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also print the operator's log.")] = False,
    output: Annotated[
        Output | None, typer.Option("--output", "-o", help="Print the objects at the end, in this format.")
    ] = None,
) -> None:
    """Run manifests in this process, without a cluster.

    Actions run with the real executors, and end with this command. Pods are not available.
    """
    from taskaction.runtime.logs import configure_logs

    configure_logs("console", "debug" if verbose else "error")
    bodies = [body for file in files for body in read_manifests(file)]
    given: dict[str, list[str]] = {}
    for name, value in map(durations.parse_pair, answers or ()):
        given.setdefault(name, []).append(value)
    seconds = durations.parse_seconds(timeout) if timeout is not None else None
    raise typer.Exit(asyncio.run(_run(bodies, given, seconds, output)))


async def _run(bodies: list[Body], answers: dict[str, list[str]], seconds: float | None, output: Output | None) -> int:
    from taskaction.cluster.memory import MemoryCluster
    from taskaction.local.operator import InProcessOperator
    from taskaction.local.validation import validate_object

    clock = SystemClock()
    cluster = MemoryCluster(clock, validate_object)
    session = Session(cluster, _SERVER, "default", *consoles())
    for body in bodies:
        _refuse_pods(body)
    kinds = await _kinds(session, bodies)
    async with InProcessOperator(cluster, clock, http_allowed_cidrs=_ANYWHERE):
        try:
            made = await _create_objects(session, bodies, kinds)
        except ClusterError as error:
            raise explain_error(error, _SERVER, session.namespace) from error
        giving = asyncio.create_task(_send_signals(session, answers))
        code, ended = await follow_to_end(session, made, seconds, onlooking=True)
        giving.cancel()
        await asyncio.wait({giving})
    await print_results(session, ended, output)
    return code


async def _kinds(session: Session, bodies: list[Body]) -> dict[str, Resource]:
    known = {kind.kind: kind for body in bodies for kind in await session.cluster.kinds(body["apiVersion"])}
    for body in bodies:
        if body["kind"] not in known:
            print_line(
                session.err,
                f"{body['kind']} {body['metadata'].get('name')} is skipped: this kind has no effect in memory",
            )
    if not any(body["kind"] in {kind.kind for kind in KINDS} for body in bodies):
        raise CommandError("nothing to run: specify at least one TaskAction or ActionFlowRun")
    return known


def _refuse_pods(body: Body) -> None:
    executor = at(body, "spec.executor")
    if executor in POD_EXECUTORS:
        raise CommandError(
            f"{body['kind']} {body['metadata'].get('name')!r}: executor {executor!r} starts pods, which cannot run "
            "in memory: use a cluster, for example the one that `make up` starts"
        )


async def _create_objects(session: Session, bodies: list[Body], kinds: dict[str, Resource]) -> list[Body]:
    """Create all objects, actions and runs last; return the actions and runs."""
    run = {kind.kind for kind in KINDS}
    made = []
    for body in sorted((one for one in bodies if one["kind"] in kinds), key=lambda one: one["kind"] in run):
        kind = kinds[body["kind"]]
        where = at(body, "metadata.namespace", "default") if kind.namespaced else ""
        stored = await session.cluster.create(kind, _encode_secret(body), where)
        if body["kind"] in run:
            made.append(stored)
    return made


def _encode_secret(body: Body) -> Body:
    """Return a Secret as the API server stores it, with ``stringData`` encoded into ``data``."""
    if body["kind"] != SECRETS.kind or "stringData" not in body:
        return body
    from base64 import b64encode

    texts = {key: b64encode(str(text).encode()).decode() for key, text in body["stringData"].items()}
    return {key: part for key, part in body.items() if key != "stringData"} | {"data": body.get("data", {}) | texts}


async def _send_signals(session: Session, answers: dict[str, list[str]]) -> None:
    """Send each waiting action and run its signals; report those that wait for a signal that was not given."""
    seen: set[str] = set()
    async with watch_changes(session, KINDS, "") as feed:
        while True:
            found = await feed.next()
            body: Any = found[2] if found is not None else None
            if body is None or phase_of(body) != "Paused":
                continue
            try:
                await _send_signal(session, body, answers, seen)
            except CommandError as error:
                print_line(session.err, str(error))


async def _send_signal(session: Session, body: Body, answers: dict[str, list[str]], seen: set[str]) -> None:
    name, asks = body["metadata"]["name"], await find_waiting_action(session, body)
    left, uid = answers.get(name, []), asks["metadata"]["uid"]
    is_anothers = name not in answers and at(body, "metadata.ownerReferences")
    if is_anothers or uid in seen or at(asks, "spec.signal") is not None or asks["kind"] == ACTION_FLOW_RUNS.kind:
        return
    seen.add(uid)
    if not left:
        print_line(session.err, f"{name} waits for a signal: use --signal {name}=VALUE, or Ctrl-C to end it")
        return
    value = read_signal_value(asks, left.pop(0))
    told = {"value": value, "by": "the command line"} | ({"id": uid} if runs_a_flow(body) else {})
    operation = {"op": "add", "path": "/spec/signal", "value": told}
    await session.cluster.patch(ref_of(body).resource, name, body["metadata"]["namespace"], [operation])
    print_line(session.err, f"{name} received signal {value!r}")
