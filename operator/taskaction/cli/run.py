"""``run`` and ``retry``: create an action, and follow it to its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from taskaction.api.bodies import at, has_ended, phase_of
from taskaction.api.copies import copy_for_retry
from taskaction.api.parameters import size_problem
from taskaction.cli import completion, durations
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.files import read_manifests
from taskaction.cli.follow import follow_to_end
from taskaction.cli.logs import follow_pods
from taskaction.cli.objects import KINDS, fetch_objects, ref_of
from taskaction.cli.output import Output, print_line, print_objects
from taskaction.cli.outputs import print_results
from taskaction.cli.session import Session
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import ACTION_PROVIDERS, CLUSTER_ACTION_PROVIDERS, TASK_ACTIONS, Body
from taskaction.core.constants import API_VERSION

_ONE_OF = "--executor, --provider, --cluster-provider or --from-file"
POD_EXECUTORS = frozenset({"job", "pod", "flyte"})
"""Executors whose actions run in pods."""
_LAST_LINES_SECONDS = 6.0

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the action to its end.")]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        help="Maximum time to follow the action, which continues afterwards. Default: none.",
    ),
]
Form = Annotated[Output | None, typer.Option("--output", "-o", help="Print the object at the end, in this format.")]


@on_cluster
async def run(
    session: Session,
    name: Annotated[str | None, typer.Argument(help="Name of the action. Default: a generated name.")] = None,
    *,
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor", "-e", metavar="NAME", help="Executor of the action.", autocompletion=completion.executors
        ),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="ActionProvider of the action.", autocompletion=completion.providers),
    ] = None,
    cluster_provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="ClusterActionProvider of the action.",
            autocompletion=completion.cluster_providers,
        ),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from-file", "-f", metavar="FILE", help="File with objects as YAML or JSON; - reads standard input."
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            metavar="KEY=VALUE|JSON|@FILE",
            help="Parameter, a JSON object of parameters, or @FILE with such an object as JSON or YAML.",
        ),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="PARAM=NAME/KEY", help="Parameter that the operator reads from a Secret."),
    ] = None,
    partition_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Partition key: only one action with this key runs at a time.")
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Parent action.", autocompletion=completion.actions),
    ] = None,
    priority: Annotated[int | None, typer.Option(help="Priority; higher values run first.")] = None,
    retries: Annotated[int | None, typer.Option(help="Maximum number of retries of a failed attempt.")] = None,
    attempt_timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Timeout of each attempt.")] = None,
    total_timeout: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Timeout of all attempts together.")
    ] = None,
    run_as: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="ServiceAccount whose rights the action uses.")
    ] = None,
    ttl: Annotated[str | None, typer.Option(metavar="DURATION", help="Time to keep the object after its end.")] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", metavar="KEY=VALUE", help="Label of the object; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the object without creating it.")] = False,
    wait: Wait = True,
    timeout: Timeout = None,
    output: Form = None,
) -> int:
    """Create an action and follow it to its end.

    The exit code shows the result: 0 Succeeded, 1 Failed, 3 Aborted, 4 TimedOut, 5 not ended.
    """
    sources = [executor, provider, cluster_provider, from_file]
    if sum(source is not None for source in sources) != 1:
        raise CommandError(f"specify exactly one of {_ONE_OF}")
    if from_file is not None:
        made = [one for one in read_manifests(from_file) if one["kind"] in {kind.kind for kind in KINDS}]
        if not made or name or param:
            raise CommandError(
                f"{from_file}: --from-file requires a TaskAction or ActionFlowRun, and takes no name or --param"
            )
    else:
        spec: Body = {"executor": executor} if executor else {"providerRef": _provider(provider, cluster_provider)}
        spec |= {"parameters": durations.parse_parameters(param)} if param else {}
        spec |= {"parametersFrom": [_secret(one) for one in secret]} if secret else {}
        spec |= {"partitionKey": partition_key} if partition_key else {}
        spec |= {"parentRef": {"name": parent}} if parent else {}
        spec |= {"priority": priority} if priority is not None else {}
        spec |= {"retryPolicy": {"limit": retries}} if retries is not None else {}
        times = {"attempt": attempt_timeout, "total": total_timeout}
        spec |= {"timeouts": {key: text for key, text in times.items() if text}} if any(times.values()) else {}
        spec |= {"runAs": {"serviceAccountName": run_as}} if run_as else {}
        spec |= {"ttlSecondsAfterFinished": int(durations.parse_seconds(ttl))} if ttl else {}
        title = {"name": name} if name else {"generateName": f"{executor or provider or cluster_provider}-"}
        labels = {"labels": dict(durations.parse_pair(one) for one in label)} if label else {}
        made = [_action(title | labels, spec)]
    if dry_run:
        form = Output.YAML if output in {None, Output.WIDE, Output.NAME} else output
        print_objects(session.out, made, form or Output.YAML, single=True)
        return Exit.DONE
    return await create_and_follow(session, made, wait=wait, timeout=timeout, output=output)


@on_cluster
async def retry(
    session: Session,
    name: Annotated[
        str, typer.Argument(help="Action or run of a flow that has ended.", autocompletion=completion.runs)
    ],
    *,
    wait: Wait = True,
    timeout: Timeout = None,
    output: Form = None,
) -> int:
    """Run an ended action again.

    The command creates a new object with the same spec, and keeps the old one as a record. The new object has its own
    uid and omits idempotencyKey, so nothing that the first one did counts as done.
    """
    (body,) = await fetch_objects(session, [name])
    if not has_ended(body):
        raise CommandError(f"{name} is {phase_of(body)}: abort it first, or wait until it has ended")
    copy = copy_for_retry(body)
    for what in ("idempotencyKey", "notAfter", "parentRef"):
        if what in body["spec"] and what not in copy["spec"]:
            print_line(session.err, f"spec.{what} is omitted: it applies only to {name}")
    return await create_and_follow(session, [copy], wait=wait, timeout=timeout, output=output)


async def create_and_follow(
    session: Session, made: list[Body], *, wait: bool, timeout: str | None, output: Output | None
) -> int:
    """Create objects, follow them to their ends if ``wait`` is set, and return the exit code."""
    seconds = durations.parse_seconds(timeout) if timeout is not None else None
    bodies = []
    for one in made:
        where = at(one, "metadata.namespace", session.namespace)
        if (problem := size_problem(at(one, "spec.parameters", {}))) is not None:
            raise CommandError(problem)
        body = await session.cluster.create(ref_of(one).resource, one, where)
        bodies.append(body)
        if wait:
            print_line(session.err, f"{ref_of(body)} created")
        elif output is None:
            print_line(session.out, f"{ref_of(body)} created")
        else:
            print_objects(session.out, [body], output, single=True)
    if not wait:
        return Exit.DONE
    try:
        async with _shown_logs(session, bodies) as readers:
            code, ended = await follow_to_end(session, bodies, seconds)
            if readers and code != Exit.UNFINISHED:
                await asyncio.wait(readers, timeout=_LAST_LINES_SECONDS)
    except asyncio.CancelledError:
        names = " ".join(body["metadata"]["name"] for body in bodies)
        print_line(
            session.err,
            f"{names} continues: follow it with `taskaction watch {names}`, end it with `taskaction abort {names}`",
        )
        raise
    await print_results(session, ended, output)
    return code


@asynccontextmanager
async def _shown_logs(session: Session, bodies: list[Body]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Follow the logs of the pods of actions while the context is open; yield the tasks that print them."""
    tasks = [asyncio.create_task(follow_pods(session, body)) for body in bodies if await _starts_pods(session, body)]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _starts_pods(session: Session, body: Body) -> bool:
    """Whether an action is known to run in pods."""
    name = at(body, "spec.providerRef.name")
    if name is None:
        return at(body, "spec.executor") in POD_EXECUTORS
    shared = at(body, "spec.providerRef.kind") == CLUSTER_ACTION_PROVIDERS.kind
    kind, where = (CLUSTER_ACTION_PROVIDERS, "") if shared else (ACTION_PROVIDERS, body["metadata"]["namespace"])
    try:
        return at(await session.cluster.get(kind, name, where), "spec.executor") in POD_EXECUTORS
    except ClusterError:
        return False  # who may use a provider need not be able to read it


def _action(metadata: Body, spec: Body) -> Body:
    return {"apiVersion": API_VERSION, "kind": TASK_ACTIONS.kind, "metadata": metadata, "spec": spec}


def _provider(own: str | None, shared: str | None) -> Body:
    return {"name": own} if own is not None else {"kind": "ClusterActionProvider", "name": shared}


def _secret(text: str) -> Body:
    parameter, place = durations.parse_pair(text)
    name, slash, key = place.partition("/")
    if not slash or not name or not key:
        raise typer.BadParameter(f"invalid value {text!r}; use PARAM=NAME/KEY, e.g. auth.token=github/token")
    return {"parameter": parameter, "secretKeyRef": {"name": name, "key": key}}
