"""Running actions of a run, derived from its state, for a process that did not start them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from taskaction.flows.budget import Budget
from taskaction.flows.effects import StartAction
from taskaction.flows.parallel import program_of
from taskaction.flows.program import FlowProgram, Program
from taskaction.flows.scope import EvaluationScope
from taskaction.flows.state import FlowState, Frame
from taskaction.flows.steps import ActionStarted, View, enter_state

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Any time, because the input of an action does not depend on it."""


def iter_pending_actions(
    program: FlowProgram, state: FlowState, new_budget: Callable[[], Budget] = Budget
) -> Iterator[StartAction]:
    """Yield every running action, exactly as the step that started it did; ``new_budget`` is called for each.

    Raises:
        StepTooCostlyError: a budget is that of a quick step, and is used up.
    """
    yield from _iter_frame_actions(program, state.root, state, new_budget)


def _iter_frame_actions(
    program: Program, frame: Frame, state: FlowState, new_budget: Callable[[], Budget]
) -> Iterator[StartAction]:
    if frame.ended:
        return
    node = program.nodes[frame.at]
    if frame.acting is not None:
        scope = EvaluationScope(frame.data, state.context, new_budget(), frame.private)
        view = View(frame, scope, f"{state.run_id}/{frame.visit}", _ANY_TIME, state.questions)
        begins = enter_state(node, view)
        if isinstance(begins, ActionStarted):
            yield begins.effect
    if frame.within is not None:
        for index, inner in frame.within.frames.items():
            yield from _iter_frame_actions(program_of(node, index), inner, state, new_budget)
