"""``describe``: all details of an action, for troubleshooting."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.text import Text

from taskaction.api.bodies import at, has_ended, phase_of
from taskaction.api.enums import Phase
from taskaction.api.timeline import read_attempts, read_timeline
from taskaction.cli import completion
from taskaction.cli.commands import on_cluster
from taskaction.cli.objects import fetch_objects, ref_of
from taskaction.cli.output import age, as_yaml, colour_word, print_line, print_plain, print_rows
from taskaction.cli.outputs import is_stored
from taskaction.cli.session import Session
from taskaction.cli.tree import fetch_children
from taskaction.cli.waiting import explain_wait
from taskaction.cluster.gateway import Body
from taskaction.cluster.object_events import read_events

_FIELDS = (
    ("Executor", "spec.executor"),
    ("Provider", "spec.providerRef.name"),
    ("Flow", "spec.flowRef.name"),
    ("Parent", "spec.parentRef.name"),
    ("Priority", "spec.priority"),
    ("Run as", "spec.runAs.serviceAccountName"),
    ("Suspended", "spec.suspend"),
    ("Attempt", "status.attempt"),
    ("External id", "status.externalId"),
    ("Claimed by", "status.claim.holder"),
    ("Next attempt", "status.nextAttemptAt"),
    ("Started", "status.startedAt"),
    ("Finished", "status.finishedAt"),
    ("Output at", "status.outputUri"),
    ("Output bytes", "status.outputSize"),
)

_WHOSE = {"User": " (the author of the action can fix it)", "System": " (the platform team can fix it)"}


@on_cluster
async def describe(
    session: Session,
    names: Annotated[list[str], typer.Argument(help="Names of actions, or KIND/NAME.", autocompletion=completion.runs)],
) -> None:
    """Show all details of actions."""
    for place, body in enumerate(await fetch_objects(session, names)):
        if place:
            print_line(session.out, "")
        await _describe(session, body)


async def _describe(session: Session, body: Body) -> None:
    out = session.out
    metadata = body["metadata"]
    rows = [[Text("Name"), Text(metadata["name"])], [Text("Namespace"), Text(metadata["namespace"])]]
    rows += [[Text("Kind"), Text(body["kind"])], [Text("Created"), _time(metadata["creationTimestamp"])]]
    rows += [[Text("Phase"), colour_word(phase_of(body))]]
    rows += [[Text(title), Text(text)] for title, text in _status_rows(body)]
    if (waits_for := await explain_wait(session, body)) is not None:
        rows.append([Text("Waits for"), Text(waits_for)])
    for title, where in _FIELDS:
        found = at(body, where)
        if found is not None and found is not False:
            rows.append(
                [Text(title), _time(found) if title in {"Started", "Finished", "Next attempt"} else Text(str(found))]
            )
    print_rows(out, rows)
    for title, where in (("Parameters", "spec.parameters"), ("Input", "spec.input"), ("Output", "status.output")):
        value = at(body, where)
        if value not in (None, {}):
            print_line(out, f"{title}:")
            _block(session, value)
    if is_stored(body):
        print_line(out, f"Output: in the storage; `taskaction output {ref_of(body)}` prints it")
    for source in at(body, "spec.parametersFrom", []):
        key = source.get("secretKeyRef") or source.get("configMapKeyRef")
        kind = "Secret" if "secretKeyRef" in source else "ConfigMap"
        print_line(out, f"  {source['parameter']} is read from {kind} {key['name']}, key {key['key']}")
    links = [[Text(one["name"]), Text(one["url"])] for one in at(body, "status.links", [])]
    _section(session, "Links", links)
    _section(
        session,
        "Conditions",
        [
            [Text(one["type"]), colour_word(one["status"]), Text(one.get("reason", ""))]
            for one in at(body, "status.conditions", [])
        ],
    )
    below = await fetch_children(session, body)
    _section(session, "Children", [[Text(str(ref_of(one))), colour_word(phase_of(one))] for one in below])
    tried = [
        [Text(str(one["number"])), colour_word(one["phase"]), Text(at(one, "error.message", ""))]
        for one in read_attempts(body)
    ]
    _section(session, "Attempts", tried)
    timeline = read_timeline(body)
    _section(session, "History", [[_time(one.at), colour_word(one.word), Text(one.text)] for one in timeline])
    events = await read_events(session.cluster, body)
    _section(session, "Events", [[_time(one.at), Text(one.word), Text(one.text)] for one in events])


def _status_rows(body: Body) -> Iterator[tuple[str, str]]:
    message = at(body, "status.message")
    if at(body, "status.reason"):
        yield "Reason", str(at(body, "status.reason"))
    if message:
        yield "Message", " ".join(str(message).split())
    error = at(body, "status.error")
    if error and phase_of(body) != Phase.SUCCEEDED:  # the attempts show what failed before a success
        text = f"{error['code']}: {error['message']}{_WHOSE.get(error.get('kind'), '')}"
        yield ("Error", text) if has_ended(body) else (f"Error of attempt {_failed_attempt(body)}", text)
    key = at(body, "status.partitionKey") or at(body, "spec.partitionKey")
    if key is not None:
        yield "Partition", str(key)
    if at(body, "status.progress.percent") is not None:
        yield "Progress", f"{at(body, 'status.progress.percent')}% {at(body, 'status.progress.message', '')}".rstrip()
    abort = at(body, "spec.abort")
    if abort is not None:
        yield "Abort", f"requested by {abort.get('by') or 'unknown'}: {abort.get('reason') or 'no reason given'}"


def _failed_attempt(body: Body) -> Any:
    """Return the number of the last attempt that failed."""
    failed = [one["number"] for one in at(body, "status.attempts", []) if at(one, "error")]
    return failed[-1] if failed else at(body, "status.attempt", 0)


def _section(session: Session, title: str, rows: list[list[Text]]) -> None:
    if rows:
        print_line(session.out, f"{title}:")
        print_rows(session.out, rows, "  ")


def _block(session: Session, value: Any) -> None:
    for line in as_yaml(value).removesuffix("...\n").rstrip().splitlines():
        print_plain(session.out, f"  {line}")


def _time(text: str) -> Text:
    return Text(f"{text} ({age(text)} ago)") if text else Text("")
