"""``abort``, ``signal``, ``suspend`` and ``resume``: changes of the mutable fields of an action."""

import asyncio
from collections.abc import Sequence
from secrets import token_hex
from typing import Annotated, Any

import typer

from taskaction.api.bodies import at, has_ended, phase_of
from taskaction.api.enums import Phase
from taskaction.cli import completion
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.follow import follow_to_end
from taskaction.cli.objects import fetch_objects, ref_of, select_objects
from taskaction.cli.output import print_line
from taskaction.cli.session import Session
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body
from taskaction.cluster.spec_changes import set_spec_field

Names = Annotated[
    list[str] | None, typer.Argument(help="Names of actions, or KIND/NAME.", autocompletion=completion.runs)
]
Selector = Annotated[
    str | None, typer.Option("--selector", "-l", metavar="SELECTOR", help="Label selector, instead of names.")
]


@on_cluster
async def abort(
    session: Session,
    names: Names = None,
    *,
    reason: Annotated[
        str, typer.Option("--reason", "-r", metavar="TEXT", help="Reason, which the status records.")
    ] = "",
    selector: Selector = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all actions have ended.")] = False,
) -> int:
    """Abort actions and all their descendants.

    The objects remain as a record, with the reason.
    """
    bodies = await select_objects(session, names or [], selector, verb="abort")
    going = [body for body in bodies if not has_ended(body)]
    for body in bodies:
        if has_ended(body):
            print_line(session.err, f"{ref_of(body)} has ended already: {phase_of(body)}")
    for body in going:
        done = await set_spec_field(session.cluster, body, "abort", {"reason": reason} if reason else {})
        print_line(session.out, f"{ref_of(body)} {'is being aborted' if done else 'is already being aborted'}")
    if not bodies:
        print_line(session.err, f"no matching actions in namespace {session.namespace}")
    if wait and going:
        await follow_to_end(session, going, None)
    return Exit.DONE


@on_cluster
async def signal(
    session: Session,
    name: Annotated[
        str, typer.Argument(help="Name of the waiting action, or KIND/NAME.", autocompletion=completion.runs)
    ],
    value: Annotated[str, typer.Argument(help="Value: JSON, or text. An approval accepts yes and no.")],
    *,
    text: Annotated[bool, typer.Option("--text", help="Send the value as text, even if it is valid JSON.")] = False,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="State of a run of a flow that gets the signal.")
    ] = None,
) -> None:
    """Send a signal to an action or a run of a flow that waits for one."""
    (body,) = await fetch_objects(session, [name])
    if has_ended(body):
        raise CommandError(f"{ref_of(body)} has ended already: {phase_of(body)}")
    asks = await find_waiting_action(session, body, state)
    given = value if text else read_signal_value(asks, value)
    told = {"value": given}
    if runs_a_flow(body):
        told |= {"id": token_hex(8)}  # the next signal of a run may have the same value
    elif state is not None:
        raise CommandError(f"{ref_of(body)} is not a run of a flow: omit --state")
    if state is not None:
        told |= {"state": state}
    await set_spec_field(session.cluster, body, "signal", told, again=True)
    print_line(session.out, f"{ref_of(body)} received signal {given!r}")


@on_cluster
async def suspend(session: Session, names: Names = None, *, selector: Selector = None) -> None:
    """Suspend actions: no new attempt starts."""
    await _set_suspend(session, names or [], selector, value=True)


@on_cluster
async def resume(session: Session, names: Names = None, *, selector: Selector = None) -> None:
    """Resume suspended actions."""
    await _set_suspend(session, names or [], selector, value=False)


async def _set_suspend(session: Session, names: Sequence[str], selector: str | None, *, value: bool) -> None:
    done = "suspended" if value else "resumed"
    for body in await select_objects(session, names, selector, verb="suspend" if value else "resume"):
        if has_ended(body):
            print_line(session.err, f"{ref_of(body)} has ended already: {phase_of(body)}")
        elif bool(at(body, "spec.suspend", default=False)) == value:
            print_line(session.out, f"{ref_of(body)} is {'already suspended' if value else 'not suspended'}")
        else:
            await set_spec_field(session.cluster, body, "suspend", value, again=True)
            print_line(session.out, f"{ref_of(body)} {done}")


async def find_waiting_action(session: Session, run: Body, state: str | None = None) -> Body:
    """Return the waiting action of a run that a signal is for, or the run if none waits yet; an action as it is.

    Raises:
        CommandError: several states wait, and the command names none of them.
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
        raise CommandError(
            f"{ref_of(run)} waits in several states: choose one with --state ({', '.join(sorted(waiting))})"
        )
    return next(iter(waiting.values()), run)


def runs_a_flow(body: Body) -> bool:
    """Whether an object runs a flow, and so accepts more than one signal."""
    return bool(body["kind"] == ACTION_FLOW_RUNS.kind or at(body, "spec.executor") == "flow")


def read_signal_value(body: Body, text: str) -> Any:
    """Return a signal's value in the type that an approval expects; raises ``CommandError``."""
    from taskaction.plugin.signal_values import SignalValueError, parse_signal_value

    try:
        return parse_signal_value(body, text)
    except SignalValueError as error:
        raise CommandError(str(error)) from error
