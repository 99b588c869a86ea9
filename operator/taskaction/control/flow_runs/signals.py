"""Whom a signal of a run is meant for: pure, by the states that wait and the state that the signal names.

It must reach nobody whom its sender may not have thought of: where several states wait, it has to name one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from taskaction.api.task_action import Signal
from taskaction.flows.program import FlowProgram, Program
from taskaction.flows.state import FlowState, Frame
from taskaction.lifecycle.decisions import Tell

_MANY = 3


@dataclass(frozen=True, slots=True)
class Addressees:
    """Whom a signal goes to.

    Attributes:
        visits: those whose paused actions get it; none where it waits for a state that is not there yet.
        states: the states of these.
        refused: why nobody ever gets it.
    """

    visits: Sequence[str] = ()
    states: frozenset[str] = frozenset()
    refused: str = ""


def paused(state: FlowState) -> list[Frame]:
    """Give where a run waits for people."""
    return [frame for frame in state.root.everywhere() if frame.paused is not None]


def addressees(signal: Signal, program: FlowProgram, state: FlowState) -> Addressees:
    """Say whom a signal goes to, as the run stands now."""
    waiting = paused(state)
    if signal.state is not None and signal.state not in _names(program):
        return Addressees(refused=f"spec.signal.state: there is no state {signal.state!r} in the flow")
    if signal.state is None and len({frame.at for frame in waiting}) > 1:
        return Addressees(refused=f"spec.signal.state: {listed(waiting)} wait, so it has to name one of them")
    meant = [one for one in waiting if signal.state in {None, one.at}]
    return Addressees([str(one.acting) for one in meant], frozenset(one.at for one in meant))


def hint(signal: Signal | None, program: FlowProgram, state: FlowState) -> str:
    """Give what people have to know before they answer a run that waits; empty where any answer will do."""
    waiting = paused(state)
    if signal is not None and signal.state is not None and (why := addressees(signal, program, state).refused):
        return why
    several = len({frame.at for frame in waiting}) > 1
    return f"{listed(waiting)} wait: a signal has to name one in spec.signal.state" if several else ""


def told(signal: Signal, to: Addressees) -> Tell:
    """Give what is told of a signal that was taken: from whom it came, and not what it said."""
    sender = signal.by or "somebody"
    if to.refused:
        return Tell(
            warning=True, reason="SignalRefused", message=f"the signal of {sender} reaches nobody: {to.refused}"
        )
    return Tell(warning=False, reason="Signalled", message=f"{sender} has answered {', '.join(sorted(to.states))}")


def listed(frames: Iterable[Frame]) -> str:
    """Give the states that frames are in, as many as a line bears."""
    names = sorted({frame.at for frame in frames})
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return f"{', '.join(names[:_MANY])}{more}"


def _names(program: Program | FlowProgram) -> Iterator[str]:
    for name, node in program.nodes.items():
        yield name
        for inner in node.inner:
            yield from _names(inner)
