"""``run`` and ``retry``: make an action, and follow it to its end."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from taskaction.cli import completion, durations
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.files import manifests
from taskaction.cli.follow import to_the_end
from taskaction.cli.objects import KINDS, at, fetched, has_ended, phase_of, ref_of
from taskaction.cli.output import Output, say, show, show_results
from taskaction.cli.session import Session
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.core.constants import API_VERSION, GROUP

RETRY_OF = f"{GROUP}/retry-of"
"""On a copy, as an annotation: the name of the action that it repeats; as a label: its uid."""
_ONE_OF = "--executor, --provider, --cluster-provider or --from-file"

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout", metavar="DURATION", help="How long to follow it; it goes on afterwards. Default: no end."
    ),
]
Form = Annotated[Output | None, typer.Option("--output", "-o", help="Print the object at the end.")]


@on_cluster
async def run(
    session: Session,
    name: Annotated[str | None, typer.Argument(help="The action's name. Default: one that is made up.")] = None,
    *,
    executor: Annotated[
        str | None,
        typer.Option("--executor", "-e", metavar="NAME", help="What executes it.", autocompletion=completion.executors),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The ActionProvider that executes it.", autocompletion=completion.providers),
    ] = None,
    cluster_provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The ClusterActionProvider that executes it.",
            autocompletion=completion.cluster_providers,
        ),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option("--from-file", "-f", metavar="FILE", help="Objects as YAML or JSON; - reads standard input."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="KEY=VALUE|JSON", help="A parameter, or a JSON object of several."),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="PARAM=NAME/KEY", help="A parameter that is read from a Secret when it is needed."),
    ] = None,
    partition_key: Annotated[str | None, typer.Option(metavar="KEY", help="Run one at a time with this key.")] = None,
    parent: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The action that this one belongs to.", autocompletion=completion.actions),
    ] = None,
    priority: Annotated[int | None, typer.Option(help="Higher first.")] = None,
    retries: Annotated[int | None, typer.Option(help="How often a failed attempt is repeated.")] = None,
    attempt_timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Per attempt.")] = None,
    total_timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="For all attempts.")] = None,
    run_as: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="The ServiceAccount whose rights it uses.")
    ] = None,
    ttl: Annotated[str | None, typer.Option(metavar="DURATION", help="How long it is kept when it has ended.")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", "-l", metavar="KEY=VALUE", help="A label.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the object, and make nothing.")] = False,
    wait: Wait = True,
    timeout: Timeout = None,
    output: Form = None,
) -> int:
    """Make an action and follow it to its end.

    The exit code says how it ended: 0 Succeeded, 1 Failed, 3 Aborted, 4 TimedOut, 5 not yet.
    """
    sources = [executor, provider, cluster_provider, from_file]
    if sum(source is not None for source in sources) != 1:
        raise CommandError(f"say what to run: exactly one of {_ONE_OF}")
    if from_file is not None:
        made = [one for one in manifests(from_file) if one["kind"] in {kind.kind for kind in KINDS}]
        if not made or name or param:
            raise CommandError(f"{from_file}: give it alone, with at least one TaskAction or ActionFlowRun in it")
    else:
        spec: Body = {"executor": executor} if executor else {"providerRef": _provider(provider, cluster_provider)}
        spec |= {"parameters": durations.parameters(param)} if param else {}
        spec |= {"parametersFrom": [_secret(one) for one in secret]} if secret else {}
        spec |= {"partitionKey": partition_key} if partition_key else {}
        spec |= {"parentRef": {"name": parent}} if parent else {}
        spec |= {"priority": priority} if priority is not None else {}
        spec |= {"retryPolicy": {"limit": retries}} if retries is not None else {}
        times = {"attempt": attempt_timeout, "total": total_timeout}
        spec |= {"timeouts": {key: text for key, text in times.items() if text}} if any(times.values()) else {}
        spec |= {"runAs": {"serviceAccountName": run_as}} if run_as else {}
        spec |= {"ttlSecondsAfterFinished": int(durations.seconds(ttl))} if ttl else {}
        title = {"name": name} if name else {"generateName": f"{executor or provider or cluster_provider}-"}
        labels = {"labels": dict(durations.pair(one) for one in label)} if label else {}
        made = [_action(title | labels, spec)]
    if dry_run:
        form = Output.YAML if output in {None, Output.WIDE, Output.NAME} else output
        show(session.out, made, form or Output.YAML, single=True)
        return Exit.DONE
    return await started(session, made, wait=wait, timeout=timeout, output=output)


@on_cluster
async def retry(
    session: Session,
    name: Annotated[
        str, typer.Argument(help="The action or run of a flow that has ended.", autocompletion=completion.runs)
    ],
    *,
    wait: Wait = True,
    timeout: Timeout = None,
    output: Form = None,
) -> int:
    """Run again what has ended.

    A new object of the same spec is made, and the old one stays as the record that it is. The new one has a uid of its
    own, so nothing that the first one did is taken for done: an idempotencyKey is left out.
    """
    (body,) = await fetched(session, [name])
    if not has_ended(body):
        raise CommandError(f"{name} is {phase_of(body)}: abort it first, or wait until it has ended")
    copy = again(body)
    for what in ("idempotencyKey", "notAfter", "parentRef"):
        if what in body["spec"] and what not in copy["spec"]:
            say(session.err, f"without spec.{what}: it was of {name} alone")
    return await started(session, [copy], wait=wait, timeout=timeout, output=output)


def again(body: Body) -> Body:
    """Give a new object of the same spec; what spoke of the old one alone is left out."""
    metadata = body["metadata"]
    own = {"abort", "signal", "suspend", "idempotencyKey", "notAfter", "parentRef"}
    spec = {name: part for name, part in body["spec"].items() if name not in own}
    origin = at(metadata, "annotations", {}).get(RETRY_OF, metadata["name"])
    kept = {key: text for key, text in at(metadata, "labels", {}).items() if not key.startswith(f"{GROUP}/")}
    made: Body = {
        "generateName": f"{origin[:240]}-",
        "labels": kept | {RETRY_OF: metadata["uid"]},
        "annotations": {RETRY_OF: metadata["name"]},
    }
    return {"apiVersion": API_VERSION, "kind": ref_of(body).resource.kind, "metadata": made, "spec": spec}


async def started(session: Session, made: list[Body], *, wait: bool, timeout: str | None, output: Output | None) -> int:
    """Make objects, and follow them to their ends where that is wanted; give the exit code."""
    seconds = durations.seconds(timeout) if timeout is not None else None
    bodies = []
    for one in made:
        where = at(one, "metadata.namespace", session.namespace)
        body = await session.cluster.create(ref_of(one).resource, one, where)
        bodies.append(body)
        if wait:
            say(session.err, f"{ref_of(body)} created")
        elif output is None:
            say(session.out, f"{ref_of(body)} created")
        else:
            show(session.out, [body], output, single=True)
    if not wait:
        return Exit.DONE
    try:
        code, ended = await to_the_end(session, bodies, seconds)
    except asyncio.CancelledError:
        names = " ".join(body["metadata"]["name"] for body in bodies)
        say(session.err, f"{names} goes on: `taskaction watch {names}` follows it, `taskaction abort {names}` ends it")
        raise
    show_results(session.out, ended, output)
    return code


def _action(metadata: Body, spec: Body) -> Body:
    return {"apiVersion": API_VERSION, "kind": TASK_ACTIONS.kind, "metadata": metadata, "spec": spec}


def _provider(own: str | None, shared: str | None) -> Body:
    return {"name": own} if own is not None else {"kind": "ClusterActionProvider", "name": shared}


def _secret(text: str) -> Body:
    parameter, place = durations.pair(text)
    name, slash, key = place.partition("/")
    if not slash or not name or not key:
        raise typer.BadParameter(f"{text!r}: write PARAM=NAME/KEY, for example auth.token=github/token")
    return {"parameter": parameter, "secretKeyRef": {"name": name, "key": key}}
