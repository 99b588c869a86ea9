"""``providers``: what may be run, by whom it is offered, and whether it is ready."""

from typing import Annotated, Any

import typer

from taskaction.cli.commands import on_cluster
from taskaction.cli.objects import at
from taskaction.cli.output import AGE, Column, Output, as_json, as_yaml, path, print_plain, say, table
from taskaction.cli.session import Session
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import ACTION_PROVIDERS, CLUSTER_ACTION_PROVIDERS, Body


def _ready(body: Body, field: str) -> Any:
    return next((one.get(field) for one in at(body, "status.conditions", []) if one["type"] == "Ready"), None)


_COLUMNS = (
    path("NAME", "metadata.name"),
    Column("SCOPE", lambda body: at(body, "metadata.namespace") or "cluster"),
    path("EXECUTOR", "spec.executor"),
    Column("READY", lambda body: _ready(body, "status") or "Unknown"),
    Column("REASON", lambda body: _ready(body, "reason") or "NotLookedAt"),
    path("QUEUED", "status.queued"),
    path("RUNNING", "status.running"),
    AGE,
    Column("MESSAGE", lambda body: _ready(body, "message"), wide=True),
)


@on_cluster
async def providers(
    session: Session,
    *,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")] = False,
    output: Annotated[Output | None, typer.Option("--output", "-o", help="The form.")] = None,
) -> None:
    """Show what is offered, and whether it is ready."""
    bodies: list[Body] = []
    for kind, where in (
        (ACTION_PROVIDERS, "" if all_namespaces else session.namespace),
        (CLUSTER_ACTION_PROVIDERS, ""),
    ):
        try:
            envelope = {"apiVersion": kind.api_version, "kind": kind.kind}
            bodies.extend([envelope | body async for body in session.cluster.list(kind, where)])
        except ForbiddenError as error:
            say(session.err, f"{kind.plural} are left out: {error}")
    match output:
        case Output.JSON | Output.YAML:
            whole = {"apiVersion": "v1", "kind": "List", "items": bodies}
            print_plain(session.out, as_json(whole) if output is Output.JSON else as_yaml(whole))
        case Output.NAME:
            for body in bodies:
                print_plain(session.out, f"{body['kind'].lower()}.taskaction.dev/{body['metadata']['name']}")
        case _ if bodies:
            table(session.out, _COLUMNS, bodies, wide=output is Output.WIDE)
        case _:
            say(
                session.err,
                f"no providers in namespace {session.namespace} or the cluster: executors can still be named",
            )
