"""``wait``: waits until actions meet a condition."""

import time
from typing import Annotated

import typer

from taskaction.api.bodies import at, has_ended, phase_of
from taskaction.api.enums import Phase
from taskaction.cli import completion, durations
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.follow import follow_to_end, watch_changes
from taskaction.cli.objects import ref_of, select_objects
from taskaction.cli.output import print_line
from taskaction.cli.session import Session
from taskaction.cluster.gateway import Body

_FINISHED = "finished"


@on_cluster
async def wait(
    session: Session,
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of actions, or KIND/NAME.", autocompletion=completion.runs)
    ] = None,
    *,
    wanted: Annotated[
        str,
        typer.Option(
            "--for", metavar="WHAT", help="Condition to wait for: finished, phase=PHASE, condition=TYPE, or deleted."
        ),
    ] = _FINISHED,
    selector: Annotated[
        str | None, typer.Option("--selector", "-l", metavar="SELECTOR", help="Label selector, instead of names.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Maximum time to wait. Default: none.")
    ] = None,
) -> int:
    """Wait until actions have ended, or meet another condition.

    The exit code shows the result: 0 Succeeded, 1 Failed, 3 Aborted, 4 TimedOut, 5 the timeout expired.
    """
    kind, _, word = wanted.partition("=")
    seconds = durations.parse_seconds(timeout) if timeout is not None else None
    if kind == "phase" and word not in set(Phase):
        raise CommandError(f"--for: unknown phase {word!r}; use one of {', '.join(Phase)}")
    if kind not in {_FINISHED, "phase", "condition", "deleted"} or (kind in {"phase", "condition"}) != bool(word):
        raise CommandError(f"--for: invalid condition {wanted!r}; use finished, phase=PHASE, condition=TYPE or deleted")
    bodies = await select_objects(session, names or [], selector, verb="wait for")
    if not bodies:
        raise CommandError(f"no matching actions in namespace {session.namespace}", Exit.CLUSTER)
    if kind == _FINISHED:
        return (await follow_to_end(session, bodies, seconds))[0]
    return await _until(session, bodies, kind, word, seconds)


async def _until(session: Session, bodies: list[Body], kind: str, word: str, seconds: float | None) -> int:
    waiting = {body["metadata"]["uid"]: body for body in bodies}
    code = Exit.DONE
    deadline = None if seconds is None else time.monotonic() + seconds

    def look(uid: str, body: Body | None) -> None:
        nonlocal code
        known = waiting[uid]
        if body is None and kind != "deleted":
            print_line(session.err, f"{ref_of(known)} was deleted")
            code = Exit.ABORTED
        elif body is not None and not _is_there(body, kind, word):
            if not has_ended(body) or kind == "deleted":
                return
            print_line(session.err, f"{ref_of(body)} has ended without meeting the condition: {phase_of(body)}")
            code = Exit.FAILED
        else:
            print_line(session.out, f"{ref_of(known)} {word or kind}")
        del waiting[uid]

    for body in bodies:
        look(body["metadata"]["uid"], body)
    kinds = {ref_of(body).resource for body in bodies}
    async with watch_changes(session, kinds, session.namespace) as feed:
        while waiting:
            found = await feed.next(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if found is None:
                print_line(
                    session.err, f"timeout waiting for {', '.join(str(ref_of(body)) for body in waiting.values())}"
                )
                return Exit.UNFINISHED
            if found[1] in waiting:
                look(found[1], found[2])
    return code


def _is_there(body: Body, kind: str, word: str) -> bool:
    if kind == "phase":
        return phase_of(body) == word
    conditions = at(body, "status.conditions", [])
    return kind == "condition" and any(
        one["type"].lower() == word.lower() and one["status"] == "True" for one in conditions
    )
