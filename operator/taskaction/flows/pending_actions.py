"""The actions that a run has under way, worked out anew from its state: for a process that has not started them."""

from collections.abc import Iterator
from datetime import UTC, datetime

from taskaction.flows.effects import StartAction
from taskaction.flows.parallel import program_of
from taskaction.flows.program import FlowProgram, Program
from taskaction.flows.scope import Scope
from taskaction.flows.state import FlowState, Frame
from taskaction.flows.steps import Outside, View, begun

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""What an action is given does not depend on the time."""


def standing(program: FlowProgram, state: FlowState) -> Iterator[StartAction]:
    """Give every action under way, exactly as the step that started it gave it."""
    yield from _standing(program, state.root, state)


def _standing(program: Program, frame: Frame, state: FlowState) -> Iterator[StartAction]:
    if frame.ended:
        return
    node = program.nodes[frame.at]
    if frame.acting is not None:
        scope, seed = Scope(frame.data, state.context), f"{state.run_id}/{frame.visit}"
        begins = begun(node, View(frame, scope, seed, _ANY_TIME, state.questions))
        if isinstance(begins, Outside):
            yield begins.effect
    if frame.within is not None:
        for index, inner in frame.within.frames.items():
            yield from _standing(program_of(node, index), inner, state)
