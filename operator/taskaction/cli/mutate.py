"""``abort``, ``signal``, ``suspend`` and ``resume``: the fields of an action that people may change."""

import asyncio
from collections.abc import Sequence
from secrets import token_hex
from typing import Annotated, Any

import typer

from taskaction.api.enums import Phase
from taskaction.cli import completion, durations
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.follow import to_the_end
from taskaction.cli.objects import at, chosen, fetched, has_ended, phase_of, ref_of
from taskaction.cli.output import say
from taskaction.cli.session import Session
from taskaction.cluster.errors import ConflictError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body

_TRIES = 5
_BOOLEANS = {"yes": True, "y": True, "true": True, "approve": True, "no": False, "n": False, "false": False}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
}

Names = Annotated[
    list[str] | None, typer.Argument(help="Names of actions, or KIND/NAME.", autocompletion=completion.runs)
]
Selector = Annotated[
    str | None, typer.Option("--selector", "-l", metavar="SELECTOR", help="All with these labels, instead of names.")
]


@on_cluster
async def abort(
    session: Session,
    names: Names = None,
    *,
    reason: Annotated[str, typer.Option("--reason", "-r", metavar="TEXT", help="Why; it is kept in the status.")] = "",
    selector: Selector = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all have ended.")] = False,
) -> int:
    """End actions and everything below them.

    The objects stay as a record, with the reason.
    """
    bodies = await chosen(session, names or [], selector, verb="abort")
    going = [body for body in bodies if not has_ended(body)]
    for body in bodies:
        if has_ended(body):
            say(session.err, f"{ref_of(body)} has ended already: {phase_of(body)}")
    for body in going:
        done = await _write(session, body, "abort", {"reason": reason} if reason else {})
        say(session.out, f"{ref_of(body)} {'is being aborted' if done else 'is being aborted already'}")
    if not bodies:
        say(session.err, f"no actions that fit in namespace {session.namespace}")
    if wait and going:
        await to_the_end(session, going, None)
    return Exit.DONE


@on_cluster
async def signal(
    session: Session,
    name: Annotated[str, typer.Argument(help="The action that waits, or KIND/NAME.", autocompletion=completion.runs)],
    value: Annotated[str, typer.Argument(help="The value: JSON, or text. For an approval yes and no will do.")],
    *,
    text: Annotated[
        bool, typer.Option("--text", help="Take the value as text, also where it looks like JSON.")
    ] = False,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="Of a run of a flow: the state that is meant.")
    ] = None,
) -> None:
    """Answer an action, or a run of a flow, that waits for somebody."""
    (body,) = await fetched(session, [name])
    if has_ended(body):
        raise CommandError(f"{ref_of(body)} has ended already: {phase_of(body)}")
    asks = await asking(session, body, state)
    given = value if text else typed(asks, value)
    told = {"value": given}
    if runs_a_flow(body):
        told |= {"id": token_hex(8)}  # the next answer of a run may be the same as this one
    elif state is not None:
        raise CommandError(f"{ref_of(body)} is no run of a flow: leave out --state")
    if state is not None:
        told |= {"state": state}
    await _write(session, body, "signal", told, again=True)
    say(session.out, f"{ref_of(body)} was given {given!r}")


@on_cluster
async def suspend(session: Session, names: Names = None, *, selector: Selector = None) -> None:
    """Let no new attempt of actions start."""
    await _suspended(session, names or [], selector, value=True)


@on_cluster
async def resume(session: Session, names: Names = None, *, selector: Selector = None) -> None:
    """Take back a suspend."""
    await _suspended(session, names or [], selector, value=False)


async def _suspended(session: Session, names: Sequence[str], selector: str | None, *, value: bool) -> None:
    done = "suspended" if value else "resumed"
    for body in await chosen(session, names, selector, verb="suspend" if value else "resume"):
        if has_ended(body):
            say(session.err, f"{ref_of(body)} has ended already: {phase_of(body)}")
        elif bool(at(body, "spec.suspend", default=False)) == value:
            say(session.out, f"{ref_of(body)} is {'suspended' if value else 'not suspended'} already")
        else:
            await _write(session, body, "suspend", value, again=True)
            say(session.out, f"{ref_of(body)} {done}")


async def _write(session: Session, body: Body, field: str, value: Any, *, again: bool = False) -> bool:
    """Set a field of the spec; False where it is set already and may not be set ``again``."""
    one = ref_of(body)
    namespace = body["metadata"]["namespace"]
    same = {"op": "test", "path": "/metadata/uid", "value": body["metadata"]["uid"]}
    for _ in range(_TRIES):
        if not again and at(body, f"spec.{field}") is not None:
            return False
        try:
            await session.cluster.patch(
                one.resource, one.name, namespace, [same, {"op": "add", "path": f"/spec/{field}", "value": value}]
            )
        except ConflictError:
            (body,) = await fetched(session, [f"{one.resource.plural}/{one.name}"], namespace)
            if body["metadata"]["uid"] != same["value"]:
                raise CommandError(f"{one} is another one now: it was made anew meanwhile", Exit.CLUSTER) from None
        else:
            return True
    raise CommandError(f"{one} is written by others all the time: try again", Exit.CLUSTER)


async def asking(session: Session, run: Body, state: str | None = None) -> Body:
    """Give the action of a run that a signal is for; the run itself where none waits yet, and an action as it is.

    Raises:
        CommandError: several states wait, and none is named; then nobody would get the signal.
    """
    if run["kind"] != ACTION_FLOW_RUNS.kind:
        return run
    states = [one for one in at(run, "status.states", []) if one.get("action")]
    namespace = run["metadata"]["namespace"]
    found = await asyncio.gather(*(session.cluster.get(TASK_ACTIONS, one["action"], namespace) for one in states))
    waiting = {
        one["name"]: action
        for one, action in zip(states, found, strict=True)
        if action is not None and phase_of(action) == Phase.PAUSED and state in {None, one["name"]}
    }
    if len(waiting) > 1:
        raise CommandError(f"{ref_of(run)} waits in several states: name one by --state ({', '.join(sorted(waiting))})")
    return next(iter(waiting.values()), run)


def runs_a_flow(body: Body) -> bool:
    """Say whether it may be answered more than once."""
    return bool(body["kind"] == ACTION_FLOW_RUNS.kind or at(body, "spec.executor") == "flow")


def typed(body: Body, text: str) -> Any:
    """Give the value in the type that an approval waits for.

    Raises:
        CommandError: it is of another type; the API server would take it, and the action would go on waiting.
    """
    wanted = at(body, "spec.parameters.type", "boolean") if at(body, "spec.executor") == "approval" else "any"
    if wanted == "boolean":
        found = _BOOLEANS.get(text.lower())
        if found is None:
            raise CommandError(f"{body['metadata']['name']} waits for yes or no, not for {text!r}")
        return found
    given = text if wanted == "string" else durations.value(text)
    expected = _TYPES.get(str(wanted))
    if expected is not None and (not isinstance(given, expected) or isinstance(given, bool)):
        raise CommandError(f"{body['metadata']['name']} waits for a value of type {wanted}, not for {text!r}")
    return given
