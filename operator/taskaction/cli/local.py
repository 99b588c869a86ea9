"""``local run``: the same manifests without any cluster, for trying them out; what is done is done in this process."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from taskaction.cli import durations
from taskaction.cli.errors import CommandError, explained
from taskaction.cli.files import manifests
from taskaction.cli.follow import news, to_the_end
from taskaction.cli.mutate import asking, runs_a_flow, typed
from taskaction.cli.objects import KINDS, at, phase_of, ref_of
from taskaction.cli.output import Output, say, show_results
from taskaction.cli.session import Session, consoles
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, SECRETS, Body, Resource
from taskaction.core.clock import SystemClock

app = typer.Typer(no_args_is_help=True, help="Without any cluster.")

NEEDS_PODS = frozenset({"job", "pod", "flyte"})
"""The executors that start pods, which cannot run in memory."""
_ANYWHERE = "0.0.0.0/0,::/0"
"""What http may reach: here the requests are those of the person who makes them."""
_SERVER = "the cluster in memory"


@app.callback()
def local() -> None:
    """Without any cluster."""


@app.command("run")
def run_local(
    files: Annotated[list[Path], typer.Argument(help="Files or folders of YAML or JSON; - reads standard input.")],
    *,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--signal",
            metavar="NAME=VALUE",
            help="What an action or a run is given as soon as it waits for it; a run takes one each time that it does.",
        ),
    ] = None,
    timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="How long it may take.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="With the operator's own log.")] = False,
    output: Annotated[Output | None, typer.Option("--output", "-o", help="Print the objects at the end.")] = None,
) -> None:
    """Run manifests without any cluster, in this process.

    Actions run with the real executors, and end with this command. There are no pods.
    """
    from taskaction.runtime.logs import configure_logs

    configure_logs("console", "debug" if verbose else "error")
    bodies = [body for file in files for body in manifests(file)]
    given: dict[str, list[str]] = {}
    for name, value in map(durations.pair, answers or ()):
        given.setdefault(name, []).append(value)
    seconds = durations.seconds(timeout) if timeout is not None else None
    raise typer.Exit(asyncio.run(_run(bodies, given, seconds, output)))


async def _run(bodies: list[Body], answers: dict[str, list[str]], seconds: float | None, output: Output | None) -> int:
    from taskaction.cluster.memory import MemoryCluster
    from taskaction.local.operator import InProcessOperator
    from taskaction.local.validation import checked

    clock = SystemClock()
    cluster = MemoryCluster(clock, checked)
    session = Session(cluster, _SERVER, "default", *consoles())
    for body in bodies:
        _refuse_pods(body)
    kinds = await _kinds(session, bodies)
    async with InProcessOperator(cluster, clock, http_allowed_cidrs=_ANYWHERE):
        try:
            made = await _created(session, bodies, kinds)
        except ClusterError as error:
            raise explained(error, _SERVER, session.namespace) from error
        giving = asyncio.create_task(_answer(session, answers))
        code, ended = await to_the_end(session, made, seconds, onlooking=True)
        giving.cancel()
        await asyncio.wait({giving})
    show_results(session.out, ended, output)
    return code


async def _kinds(session: Session, bodies: list[Body]) -> dict[str, Resource]:
    known = {kind.kind: kind for body in bodies for kind in await session.cluster.kinds(body["apiVersion"])}
    for body in bodies:
        if body["kind"] not in known:
            say(session.err, f"{body['kind']} {body['metadata'].get('name')} is left out: it means nothing in memory")
    if not any(body["kind"] in {kind.kind for kind in KINDS} for body in bodies):
        raise CommandError("there is nothing to run: give at least one TaskAction or ActionFlowRun")
    return known


def _refuse_pods(body: Body) -> None:
    executor = at(body, "spec.executor")
    if executor in NEEDS_PODS:
        raise CommandError(
            f"{body['kind']} {body['metadata'].get('name')!r}: the executor {executor!r} starts pods, which do not run "
            "in memory: run it on a cluster, for example that of `make up`"
        )


async def _created(session: Session, bodies: list[Body], kinds: dict[str, Resource]) -> list[Body]:
    """Create everything, what is run last; give what is run."""
    run = {kind.kind for kind in KINDS}
    made = []
    for body in sorted((one for one in bodies if one["kind"] in kinds), key=lambda one: one["kind"] in run):
        kind = kinds[body["kind"]]
        where = at(body, "metadata.namespace", "default") if kind.namespaced else ""
        stored = await session.cluster.create(kind, _plain(body), where)
        if body["kind"] in run:
            made.append(stored)
    return made


def _plain(body: Body) -> Body:
    """Give a Secret as the API server stores it: ``stringData`` is for people."""
    if body["kind"] != SECRETS.kind or "stringData" not in body:
        return body
    from base64 import b64encode

    texts = {key: b64encode(str(text).encode()).decode() for key, text in body["stringData"].items()}
    return {key: part for key, part in body.items() if key != "stringData"} | {"data": body.get("data", {}) | texts}


async def _answer(session: Session, answers: dict[str, list[str]]) -> None:
    """Give each action, and each run of a flow, its signals when it waits for them; say which wait for one in vain."""
    seen: set[str] = set()
    async with news(session, KINDS, "") as feed:
        while True:
            found = await feed.next()
            body: Any = found[2] if found is not None else None
            if body is None or phase_of(body) != "Paused":
                continue
            try:
                await _looked_at(session, body, answers, seen)
            except CommandError as error:
                say(session.err, str(error))


async def _looked_at(session: Session, body: Body, answers: dict[str, list[str]], seen: set[str]) -> None:
    name, asks = body["metadata"]["name"], await asking(session, body)
    left, uid = answers.get(name, []), asks["metadata"]["uid"]
    is_anothers = name not in answers and at(body, "metadata.ownerReferences")
    if is_anothers or uid in seen or at(asks, "spec.signal") is not None or asks["kind"] == ACTION_FLOW_RUNS.kind:
        return
    seen.add(uid)
    if not left:
        say(session.err, f"{name} waits for an answer: --signal {name}=VALUE; Ctrl-C ends it")
        return
    value = typed(asks, left.pop(0))
    told = {"value": value, "by": "the command line"} | ({"id": uid} if runs_a_flow(body) else {})
    operation = {"op": "add", "path": "/spec/signal", "value": told}
    await session.cluster.patch(ref_of(body).resource, name, body["metadata"]["namespace"], [operation])
    say(session.err, f"{name} was given {value!r}")
