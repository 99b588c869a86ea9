"""Running actions of a run, derived from its state, for a process that did not start them."""

from collections.abc import Iterator
from datetime import UTC, datetime

from taskaction.flows.effects import StartAction
from taskaction.flows.parallel import program_of
from taskaction.flows.program import FlowProgram, Program
from taskaction.flows.scope import EvaluationScope
from taskaction.flows.state import FlowState, Frame
from taskaction.flows.steps import ActionStarted, View, enter_state

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Any time, because the input of an action does not depend on it."""


def iter_pending_actions(program: FlowProgram, state: FlowState) -> Iterator[StartAction]:
    """Yield every running action, exactly as the step that started it did."""
    yield from _iter_frame_actions(program, state.root, state)


def _iter_frame_actions(program: Program, frame: Frame, state: FlowState) -> Iterator[StartAction]:
    if frame.ended:
        return
    node = program.nodes[frame.at]
    if frame.acting is not None:
        scope, seed = EvaluationScope(frame.data, state.context, private=frame.private), f"{state.run_id}/{frame.visit}"
        begins = enter_state(node, View(frame, scope, seed, _ANY_TIME, state.questions))
        if isinstance(begins, ActionStarted):
            yield begins.effect
    if frame.within is not None:
        for index, inner in frame.within.frames.items():
            yield from _iter_frame_actions(program_of(node, index), inner, state)
