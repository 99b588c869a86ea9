"""Targets of a run's signal: pure functions of the paused states and the state that the signal names.

A signal must not reach a state that its sender did not think of: if several states wait, it must name one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from taskaction.api.task_action import Signal
from taskaction.flows.program import FlowProgram, Program
from taskaction.flows.state import FlowState, Frame
from taskaction.lifecycle.decisions import RecordEvent

_MANY = 3


@dataclass(frozen=True, slots=True)
class SignalTargets:
    """Targets of a signal.

    Attributes:
        visits: visits whose paused actions get the signal; empty if it waits for a state that is not active yet.
        states: the states of these visits.
        refusal: why the signal can never be delivered.
    """

    visits: Sequence[str] = ()
    states: frozenset[str] = frozenset()
    refusal: str = ""


def find_paused(state: FlowState) -> list[Frame]:
    """Return the frames that wait for people."""
    return [frame for frame in state.root.walk() if frame.paused is not None]


def find_targets(signal: Signal, program: FlowProgram, state: FlowState) -> SignalTargets:
    """Return the targets of a signal in the current state of the run."""
    waiting = find_paused(state)
    if signal.state is not None and signal.state not in _names(program):
        return SignalTargets(refusal=f"spec.signal.state: the flow has no state {signal.state!r}")
    if signal.state is None and len({frame.at for frame in waiting}) > 1:
        return SignalTargets(refusal=f"spec.signal.state: {format_states(waiting)} wait; name one of them")
    meant = [one for one in waiting if signal.state in {None, one.at}]
    return SignalTargets([str(one.acting) for one in meant], frozenset(one.at for one in meant))


def hint(signal: Signal | None, program: FlowProgram, state: FlowState) -> str:
    """Return what people must know before they answer a waiting run; empty if any answer is valid."""
    waiting = find_paused(state)
    if signal is not None and signal.state is not None and (why := find_targets(signal, program, state).refusal):
        return why
    several = len({frame.at for frame in waiting}) > 1
    return f"{format_states(waiting)} wait: a signal must name one in spec.signal.state" if several else ""


def to_event(signal: Signal, to: SignalTargets) -> RecordEvent:
    """Return the Event about a processed signal: its sender, but not its value."""
    sender = signal.by or "somebody"
    if to.refusal:
        return RecordEvent(warning=True, reason="SignalRefused", message=f"signal from {sender} refused: {to.refusal}")
    return RecordEvent(warning=False, reason="Signalled", message=f"{sender} answered {', '.join(sorted(to.states))}")


def format_states(frames: Iterable[Frame]) -> str:
    """Return the states of frames as text, at most three by name."""
    names = sorted({frame.at for frame in frames})
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return f"{', '.join(names[:_MANY])}{more}"


def _names(program: Program | FlowProgram) -> Iterator[str]:
    for name, node in program.nodes.items():
        yield name
        for inner in node.inner:
            yield from _names(inner)
