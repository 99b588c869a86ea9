"""``providers``: lists the providers that actions can use, and whether they are ready."""

from typing import Annotated

import typer

from taskaction.api.bodies import at
from taskaction.cli.commands import on_cluster
from taskaction.cli.objects import ready_field, with_type
from taskaction.cli.output import (
    AGE,
    Output,
    TableColumn,
    path_column,
    print_line,
    print_objects,
    print_table,
)
from taskaction.cli.session import Session
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import ACTION_PROVIDERS, CLUSTER_ACTION_PROVIDERS, Body

_COLUMNS = (
    path_column("NAME", "metadata.name"),
    TableColumn("SCOPE", lambda body: at(body, "metadata.namespace") or "cluster"),
    path_column("EXECUTOR", "spec.executor"),
    TableColumn("READY", lambda body: ready_field(body, "status") or "Unknown"),
    TableColumn("REASON", lambda body: ready_field(body, "reason") or "NotLookedAt"),
    path_column("QUEUED", "status.queued"),
    path_column("RUNNING", "status.running"),
    AGE,
    TableColumn("MESSAGE", lambda body: ready_field(body, "message"), wide=True),
)


@on_cluster
async def providers(
    session: Session,
    *,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")] = False,
    output: Annotated[Output | None, typer.Option("--output", "-o", help="Output format.")] = None,
) -> None:
    """List providers, and whether they are ready."""
    bodies: list[Body] = []
    for kind, where in (
        (ACTION_PROVIDERS, "" if all_namespaces else session.namespace),
        (CLUSTER_ACTION_PROVIDERS, ""),
    ):
        try:
            bodies.extend([with_type(body, kind) async for body in session.cluster.list(kind, where)])
        except ForbiddenError as error:
            print_line(session.err, f"{kind.plural} are skipped: {error}")
    match output:
        case Output.JSON | Output.YAML | Output.NAME:
            print_objects(session.out, bodies, output)
        case _ if bodies:
            print_table(session.out, _COLUMNS, bodies, wide=output is Output.WIDE)
        case _:
            print_line(
                session.err,
                f"no providers in namespace {session.namespace} or the cluster; actions can still name an executor",
            )
