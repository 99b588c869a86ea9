"""Commands for schedules: list them, show next times, make objects now or for past times, suspend and resume."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Annotated

import typer

from taskaction.api.bodies import at
from taskaction.cli import completion
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.objects import Ref, ensure_served, ready_field, ref_of, with_type
from taskaction.cli.output import (
    AGE,
    NAMESPACE,
    Output,
    TableColumn,
    age,
    path_column,
    print_line,
    print_objects,
    print_table,
)
from taskaction.cli.session import Session
from taskaction.cluster.errors import AlreadyExistsError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, ACTION_SCHEDULES, TASK_ACTIONS, Body

if TYPE_CHECKING:
    from taskaction.api.action_schedule import ActionSchedule

app = typer.Typer(no_args_is_help=True, help="List schedules, and make their objects now or for past times.")

Name = Annotated[str, typer.Argument(help="Name of the schedule.", autocompletion=completion.schedules)]
Names = Annotated[list[str], typer.Argument(help="Names of schedules.", autocompletion=completion.schedules)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the objects without creating them.")]

_MOST_TIMES = 100
_KINDS = {kind.kind: kind for kind in (TASK_ACTIONS, ACTION_FLOW_RUNS)}
_MANUAL = "manual"
_INSTANT = timedelta(microseconds=1)


_COLUMNS = (
    path_column("NAME", "metadata.name"),
    TableColumn("SCHEDULE", lambda body: at(body, "spec.cron") or f"every {at(body, 'spec.interval')}"),
    path_column("ZONE", "spec.timeZone"),
    TableColumn("SUSPEND", lambda body: bool(at(body, "spec.suspend"))),
    path_column("ACTIVE", "status.activeCount"),
    TableColumn("LAST", lambda body: age(at(body, "status.lastScheduledTime"))),
    path_column("NEXT", "status.nextTime"),
    TableColumn("READY", lambda body: ready_field(body, "status") or "Unknown"),
    AGE,
    TableColumn("REASON", lambda body: ready_field(body, "reason"), wide=True),
    path_column("MISSED", "status.missed", wide=True),
    TableColumn("MESSAGE", lambda body: ready_field(body, "message"), wide=True),
)


@app.command("list")
@on_cluster
async def list_schedules(
    session: Session,
    *,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")] = False,
    output: Annotated[Output | None, typer.Option("--output", "-o", help="Output format.")] = None,
) -> None:
    """List schedules with their last and next times."""
    where = "" if all_namespaces else session.namespace
    bodies = [with_type(body, ACTION_SCHEDULES) async for body in session.cluster.list(ACTION_SCHEDULES, where)]
    match output:
        case Output.JSON | Output.YAML | Output.NAME:
            print_objects(session.out, bodies, output)
        case _ if bodies:
            columns = (NAMESPACE, *_COLUMNS) if all_namespaces else _COLUMNS
            print_table(session.out, columns, bodies, wide=output is Output.WIDE)
        case _:
            print_line(session.err, f"no schedules in {'any namespace' if all_namespaces else f'namespace {where}'}")


@app.command("next")
@on_cluster
async def next_times(
    session: Session,
    name: Name,
    *,
    count: Annotated[int, typer.Option("--count", "-c", min=1, max=1000, help="Number of times.")] = 5,
) -> None:
    """Show the next times of a schedule, in UTC and in its time zone.

    They do not depend on whether it is suspended.
    """
    from taskaction.control.schedules.rules import rules_of
    from taskaction.schedules.zones import load_zone

    schedule = await _fetch(session, name)
    rules = rules_of(schedule)
    zone = load_zone(schedule.spec.time_zone or "UTC")
    start = max(filter(None, (datetime.now(UTC), schedule.spec.start_at and schedule.spec.start_at - _INSTANT)))
    shown = 0
    while shown < count and (time := rules.timetable.next(start)) is not None and not rules.has_ended(time):
        local = time.astimezone(zone)
        print_line(session.out, f"{time:%Y-%m-%dT%H:%M:%SZ}   {local:%a %Y-%m-%d %H:%M:%S %Z}")
        start, shown = time, shown + 1
    if shown < count:
        print_line(session.err, f"{_reference(name)} has no more times: set a later spec.endAt")


@app.command()
@on_cluster
async def trigger(session: Session, name: Name, *, dry_run: DryRun = False) -> None:
    """Make the object of a schedule now, in addition to its times.

    It counts as an object of the schedule for concurrencyPolicy and the history limits.
    """
    from taskaction.core.names import scheduled_name

    schedule, now = await _fetch(session, name), datetime.now(UTC)
    body = _manifest(schedule, scheduled_name(f"{name}-{_MANUAL}", now), now)
    if dry_run:
        print_objects(session.out, [body], Output.YAML, single=True)
        return
    try:
        await _create(session, body)
    except AlreadyExistsError:
        raise CommandError(f"{ref_of(body)} was made in this second: try again", Exit.CLUSTER) from None
    print_line(session.out, f"{ref_of(body)} created")


@app.command()
@on_cluster
async def backfill(
    session: Session,
    name: Name,
    *,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="First time, e.g. 2026-01-31T00:00:00Z.")],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Last time. Default: now.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of times.")] = _MOST_TIMES,
    dry_run: DryRun = False,
) -> None:
    """Make the objects of all times of a range that have none, also before the creation of the schedule.

    They have the names that the schedule would have given them, so what exists is not made twice. A time whose object
    was deleted, for example by the history limits, gets a new one.
    """
    from taskaction.control.schedules.rules import rules_of
    from taskaction.core.names import scheduled_name

    schedule, now = await _fetch(session, name), datetime.now(UTC)
    first, last = _parse_time("--from", since), now if until is None else _parse_time("--until", until)
    if last > now:
        raise CommandError("--until: must not be in the future; omit it for all times until now")
    if first > last:
        raise CommandError("--from: must not be after --until; specify an earlier time")
    rules = rules_of(schedule)
    all_times = takewhile(lambda time: not rules.has_ended(time), rules.timetable.times(first - _INSTANT, last))
    times = list(islice(all_times, limit + 1))
    if len(times) > limit:
        raise CommandError(f"--limit: there are more than {limit} times; narrow --from and --until, or raise --limit")
    bodies = [_manifest(schedule, scheduled_name(name, time), time) for time in times]
    if dry_run:
        print_objects(session.out, bodies, Output.YAML)
        return
    for body in bodies:
        try:
            await _create(session, body)
        except AlreadyExistsError:
            print_line(session.out, f"{ref_of(body)} exists")
        else:
            print_line(session.out, f"{ref_of(body)} created")
    if not bodies:
        print_line(session.err, f"{_reference(name)} has no times in this range")


@app.command()
@on_cluster
async def suspend(session: Session, names: Names) -> None:
    """Suspend schedules: they make nothing, and what they made continues."""
    await _set_suspend(session, names, value=True)


@app.command()
@on_cluster
async def resume(session: Session, names: Names) -> None:
    """Resume schedules; the times since their suspension are missed times."""
    await _set_suspend(session, names, value=False)


async def _set_suspend(session: Session, names: Sequence[str], *, value: bool) -> None:
    for name in names:
        schedule = await _fetch(session, name)
        if bool(schedule.spec.suspend) == value:
            print_line(session.out, f"{_reference(name)} is {'already suspended' if value else 'not suspended'}")
            continue
        operations: list[Body] = [
            {"op": "test", "path": "/metadata/uid", "value": schedule.metadata.uid},
            {"op": "add", "path": "/spec/suspend", "value": value},
        ]
        await session.cluster.patch(ACTION_SCHEDULES, name, session.namespace, operations)
        print_line(session.out, f"{_reference(name)} {'suspended' if value else 'resumed'}")


async def _fetch(session: Session, name: str) -> "ActionSchedule":
    from taskaction.api.action_schedule import ActionSchedule

    body = await session.cluster.get(ACTION_SCHEDULES, name, session.namespace)
    if body is None:
        await ensure_served(session, ACTION_SCHEDULES)
        raise CommandError(
            f"{_reference(name)} not found in namespace {session.namespace}: `taskaction schedule list` lists the "
            "existing ones",
            Exit.CLUSTER,
        )
    return ActionSchedule.from_body(body)


def _manifest(schedule: "ActionSchedule", name: str, time: datetime) -> Body:
    """Return an object of a schedule, made by a person: it belongs to the schedule, which does not control it."""
    from taskaction.control.schedules.manifests import TemplateError, build_manifest, owner_reference

    try:
        return build_manifest(schedule, name, time, owner_reference(schedule))
    except TemplateError as error:
        raise CommandError(f"{_reference(schedule.metadata.name)}: {error}") from error


async def _create(session: Session, body: Body) -> None:
    await session.cluster.create(_KINDS[body["kind"]], body, session.namespace)


def _reference(name: str) -> str:
    return str(Ref(ACTION_SCHEDULES, name))


def _parse_time(option: str, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise CommandError(f'{option}: invalid time "{text}"; use RFC 3339 with a zone, e.g. 2026-01-31T09:30:00Z')
    return time.astimezone(UTC)
