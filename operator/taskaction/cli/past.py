"""``history list``, ``show``, ``tree``, ``stats``, ``delete`` and ``retry``: past actions and runs, by the service."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from taskaction.api.copies import copy_for_retry
from taskaction.api.enums import ParentKind, Phase
from taskaction.cli import durations
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.history_client import HistoryClient, HistoryToken, HistoryUrl, Query, ago, open_history, to_body
from taskaction.cli.output import (
    Output,
    TableColumn,
    age,
    as_json,
    as_yaml,
    format_span,
    path_column,
    print_line,
    print_objects,
    print_plain,
    print_table,
)
from taskaction.cli.run import Form, Timeout, Wait, create_and_follow
from taskaction.cli.selection import Everywhere, Phases, Selector
from taskaction.cli.session import Session
from taskaction.cli.tree import draw_trees

_COLUMNS = (
    path_column("NAME", "name"),
    TableColumn("PHASE", lambda item: item["phase"]),
    TableColumn("BY", lambda item: item.get("provider") or item.get("executor")),
    TableColumn("DURATION", lambda item: _span(item.get("durationMs"))),
    TableColumn("ENDED", lambda item: age(item["endedAt"])),
    path_column("REASON", "reason"),
    path_column("MESSAGE", "message"),
    path_column("KIND", "kind", wide=True),
    path_column("ATTEMPTS", "attempts", wide=True),
    path_column("PARENT", "parent.name", wide=True),
    TableColumn("DELETED", lambda item: age(item.get("deletedAt")), wide=True),
    path_column("UID", "uid", wide=True),
)
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHORT_MILLISECONDS = 10_000
"""Below it, fractions of a second are shown."""
_NAMESPACE = path_column("NAMESPACE", "namespace")

Format = Annotated[Output | None, typer.Option("--output", "-o", help="Output format.")]
Name = Annotated[str, typer.Argument(help="Name of a past action or run; the one that ended last counts. Or its uid.")]
Kind = Annotated[ParentKind | None, typer.Option("--kind", help="Only this kind.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="WORD", help="Only with this reason.")]
Provider = Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Only of this provider.")]
Executor = Annotated[str | None, typer.Option("--executor", metavar="NAME", help="Only of this executor.")]
Since = Annotated[str | None, typer.Option("--since", metavar="DURATION", help="Only what ended within this time.")]
Until = Annotated[str | None, typer.Option("--until", metavar="DURATION", help="Only what ended before this time.")]
Longer = Annotated[str | None, typer.Option("--longer-than", metavar="DURATION", help="Only what took at least this.")]
Message = Annotated[str | None, typer.Option("--message", metavar="TEXT", help="Only with this text in the message.")]


@on_cluster
async def list_past(
    session: Session,
    *,
    selector: Selector = None,
    phase: Phases = None,
    kind: Kind = None,
    reason: Reason = None,
    provider: Provider = None,
    executor: Executor = None,
    since: Since = None,
    until: Until = None,
    longer_than: Longer = None,
    message: Message = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Only the N that ended last.")] = 100,
    all_namespaces: Everywhere = False,
    output: Format = None,
    history_url: HistoryUrl = None,
    history_token: HistoryToken = None,
) -> None:
    """List past actions and runs, the newest end first."""
    query = _place(session, everywhere=all_namespaces) | _filters(
        selector, phase, kind, reason, provider, executor, since, until, longer_than, message
    )
    async with open_history(session, history_url, history_token) as history:
        items, has_more = await history.list(query, limit)
    match output:
        case Output.JSON | Output.YAML | Output.NAME:
            print_objects(session.out, [to_body(item) for item in items], output)
        case _ if items:
            columns = ([_NAMESPACE] if all_namespaces else []) + list(_COLUMNS)
            print_table(session.out, columns, items, wide=output is Output.WIDE)
        case _:
            print_line(session.err, "no matching records")
    if has_more:
        print_line(session.err, f"there are more than {limit}: use --limit, or filters")


@on_cluster
async def show(
    session: Session,
    name: Name,
    *,
    kind: Kind = None,
    output: Format = None,
    history_url: HistoryUrl = None,
    history_token: HistoryToken = None,
) -> None:
    """Show the object of a past action or run, as it was at its end."""
    async with open_history(session, history_url, history_token) as history:
        body = await _read_object(session, history, name, kind)
    print_plain(session.out, as_json(body) if output is Output.JSON else as_yaml(body))


@on_cluster
async def tree(
    session: Session,
    name: Name,
    *,
    kind: Kind = None,
    history_url: HistoryUrl = None,
    history_token: HistoryToken = None,
) -> None:
    """Show the tree that a past action or run belongs to."""
    async with open_history(session, history_url, history_token) as history:
        item = await _find(session, history, name, kind)
        found = await history.get(f"{_path(item)}/tree")
    known = {one["uid"]: to_body(one) for one in found["items"]}
    for line in draw_trees(known, {found["root"]}):
        print_line(session.out, line)
    if found["truncated"]:
        print_line(session.err, f"only the first {len(known)} are shown: use `history list` for the others")


@on_cluster
async def stats(
    session: Session,
    *,
    kind: Kind = None,
    provider: Provider = None,
    executor: Executor = None,
    since: Annotated[
        str, typer.Option("--since", metavar="DURATION", help="Only what ended within this time.")
    ] = "24h",
    all_namespaces: Everywhere = False,
    output: Format = None,
    history_url: HistoryUrl = None,
    history_token: HistoryToken = None,
) -> None:
    """Show rate, failures, durations and waits of what ended."""
    query: Query = {**_place(session, everywhere=all_namespaces), "kind": kind, "provider": provider}
    async with open_history(session, history_url, history_token) as history:
        found = await history.get("/v1/statistics", {**query, "executor": executor, "since": ago(since)})
    if output in {Output.JSON, Output.YAML}:
        print_plain(session.out, as_json(found) if output is Output.JSON else as_yaml(found))
        return
    print_line(session.out, f"ended       {found['count']}, {found['perHour']:g} an hour")
    for phase, count in found["phases"].items():
        print_line(session.out, f"  {phase}  {count}")
    for one in found["reasons"]:
        print_line(session.out, f"  {one['reason']}  {one['count']} ({one['share']:.1%})")
    for title, part in (("duration", "duration"), ("queue wait", "queueWait")):
        points = "  ".join(f"{point} {_span(value)}" for point, value in found[part].items())
        print_line(session.out, f"{title:<12}{points or 'nothing started'}")


@on_cluster
async def delete(
    session: Session,
    *,
    selector: Selector = None,
    phase: Phases = None,
    kind: Kind = None,
    reason: Reason = None,
    provider: Provider = None,
    executor: Executor = None,
    since: Since = None,
    until: Until = None,
    message: Message = None,
    every: Annotated[bool, typer.Option("--all", help="Delete all records, if there is no other option.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete; without it, only say how many.")] = False,
    all_namespaces: Everywhere = False,
    history_url: HistoryUrl = None,
    history_token: HistoryToken = None,
) -> None:
    """Delete records of past actions and runs; objects are left alone."""
    query = _place(session, everywhere=all_namespaces) | _filters(
        selector, phase, kind, reason, provider, executor, since, until, None, message
    )
    query |= {"all": "true"} if every else {}
    async with open_history(session, history_url, history_token) as history:
        if not yes:
            found = await history.delete({**query, "dryRun": "true"})
            print_line(session.out, f"{found['matched']} records match; nothing was deleted: add --yes to delete them")
            return
        deleted, is_complete = 0, False
        while not is_complete:
            found = await history.delete(query)
            deleted, is_complete = deleted + found["deleted"], found["complete"]
    print_line(session.out, f"{deleted} records deleted")


@on_cluster
async def retry(
    session: Session,
    name: Name,
    *,
    kind: Kind = None,
    wait: Wait = True,
    timeout: Timeout = None,
    output: Form = None,
    history_url: HistoryUrl = None,
    history_token: HistoryToken = None,
) -> int:
    """Run a past action or run again, as a new object with the same spec.

    Properties whose names start with _private are not in the history, and so not in the new object.
    """
    async with open_history(session, history_url, history_token) as history:
        body = await _read_object(session, history, name, kind)
    return await create_and_follow(session, [copy_for_retry(body)], wait=wait, timeout=timeout, output=output)


COMMANDS = {"list": list_past, "show": show, "tree": tree, "stats": stats, "delete": delete, "retry": retry}
"""Commands by their names."""


def _place(session: Session, *, everywhere: bool) -> dict[str, str | Sequence[str] | None]:
    return {} if everywhere else {"namespace": session.namespace}


def _filters(
    selector: str | None,
    phases: Sequence[Phase] | None,
    kind: ParentKind | None,
    reason: str | None,
    provider: str | None,
    executor: str | None,
    since: str | None,
    until: str | None,
    longer_than: str | None,
    message: str | None,
) -> dict[str, str | Sequence[str] | None]:
    return {
        "labelSelector": selector,
        "phase": phases,
        "kind": kind,
        "reason": reason,
        "provider": provider,
        "executor": executor,
        "since": ago(since) if since is not None else None,
        "until": ago(until) if until is not None else None,
        "minDuration": f"{durations.parse_seconds(longer_than)}s" if longer_than is not None else None,
        "message": message,
    }


async def _read_object(session: Session, history: HistoryClient, name: str, kind: ParentKind | None) -> dict[str, Any]:
    found = await history.get(_path(await _find(session, history, name, kind)))
    body: dict[str, Any] = found["object"]
    return body


async def _find(session: Session, history: HistoryClient, name: str, kind: ParentKind | None) -> Mapping[str, Any]:
    """Return the record of a name, the newest end if there are several, or of a uid."""
    if _UID.fullmatch(name):
        one: Mapping[str, Any] = (await history.get(_path({"namespace": session.namespace, "uid": name})))["item"]
        return one
    query: Query = {"namespace": session.namespace, "kind": kind, "name": name, "limit": "1"}
    for item in (await history.get("/v1/objects", query))["items"]:
        found: Mapping[str, Any] = item
        return found
    problem = f"no record of {name!r} in namespace {session.namespace}"
    raise CommandError(f"{problem}: list them with `taskaction history list`", Exit.CLUSTER)


def _path(item: Mapping[str, Any]) -> str:
    return f"/v1/namespaces/{item['namespace']}/objects/{item['uid']}"


def _span(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    return format_span(milliseconds / 1000) if milliseconds >= _SHORT_MILLISECONDS else f"{milliseconds / 1000:.3g}s"
