"""State machine of a run: the next steps, from its state and events; pure, without clock or I/O.

One call advances the run through every state that needs nothing from outside. The same state and events produce the
same decision, with the same names of effects, so a decision that was lost in a crash is simply made again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from taskaction.flows import definition as words
from taskaction.flows import errors
from taskaction.flows.budget import FULL_STEP, WEIGHT_PER_UNIT, Budget, StepLimits, weight
from taskaction.flows.effects import (
    ActionEnded,
    ActionPaused,
    Canceled,
    DataLimitExceeded,
    Effect,
    Event,
    FlowDecision,
    FlowLogEntry,
    Outcome,
    StepBudgetExceeded,
)
from taskaction.flows.error_rules import error_document, matches_error, retry_delay
from taskaction.flows.errors import StateError
from taskaction.flows.parallel import advance, cancel_effects, combine_results
from taskaction.flows.parameters import Evaluated
from taskaction.flows.privacy import Place, Places, hide, private_places
from taskaction.flows.program import FlowProgram, Node, Program
from taskaction.flows.scope import EvaluationScope
from taskaction.flows.state import Failure, FlowState, Frame
from taskaction.flows.steps import ActionStarted, BranchesStarted, StateCompleted, View, WaitUntil, enter_state
from taskaction.flows.values import write_result
from taskaction.flows.web_input import has_expired, to_web_input_result

PAUSE = timedelta(seconds=0.1)
"""Pause of a run after a step that used its budget."""

CANCELED = "FlowCanceled"


def initial_state(
    program: FlowProgram, run_id: str, given: Any, context: Mapping[str, Any], now: datetime
) -> FlowState:
    """Return the state of a run that has entered no state."""
    return FlowState(
        run_id=run_id,
        context=context,
        root=Frame(at=program.start_at, data=given),
        deadline=now + timedelta(seconds=program.timeout_seconds),
    )


def start(program: FlowProgram, run_id: str, given: Any, context: Mapping[str, Any], now: datetime) -> FlowDecision:
    """Start a run with its input."""
    return step(program, initial_state(program, run_id, given, context, now), (), now)


def step(
    program: FlowProgram,
    state: FlowState,
    happened: Sequence[Event],
    now: datetime,
    limits: StepLimits = FULL_STEP,
) -> FlowDecision:
    """Process the events, or only the passing of time, and advance the run as far as possible.

    Events about visits that have ended, and repeated events, change nothing.

    Raises:
        StepTooCostlyError: the limits are those of a quick step, and a state exceeds them.
    """
    if state.root.ended:
        return FlowDecision(state=state, outcome=_outcome(state.root))
    turn = _Turn(state, happened, now, limits)
    if state.root.visits == 0 and not state.entered:
        turn.log("FlowStarted", input=state.root.data)
    return turn.decision(program)


class _VisitLimitExceededError(Exception):
    """The run has entered as many states as it may; no handler of a state may catch it."""


@dataclass
class _Turn:
    """One step of a run."""

    state: FlowState
    happened: Sequence[Event]
    now: datetime
    limits: StepLimits
    effects: list[Effect] = field(default_factory=list)
    entries: list[FlowLogEntry] = field(default_factory=list)
    wakes: list[datetime] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    named: dict[int, tuple[Any, Sequence[Place]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ends = {one.visit: one for one in self.happened if isinstance(one, ActionEnded)}
        self.pauses = {one.visit: one for one in self.happened if isinstance(one, ActionPaused)}
        self.questions = dict(self.state.questions)
        self.left = self.limits.units
        self.entered = 0

    def decision(self, program: FlowProgram) -> FlowDecision:
        """Advance the run, and return the decision."""
        stop = self._stop_failure(program)
        root = self._carry_run(program) if stop is None else self._stop_run(stop)
        self._conclude(root)
        state = replace(
            self.state,
            root=root,
            status=_status(root),
            questions=self.questions,
            entered=self.state.entered + self.entered,
        )
        outcome = _outcome(root) if root.ended else None
        waits = (frame.until for frame in root.walk() if frame.until is not None)
        wake_at = min([*waits, *self.wakes, state.deadline]) if outcome is None else None
        return FlowDecision(
            state=state,
            effects=tuple(self.effects),
            entries=tuple(self.entries),
            wake_at=wake_at,
            outcome=outcome,
        )

    def carry(self, frame: Frame, program: Program) -> Frame:
        """Advance one chain of states as far as possible."""
        while not frame.ended:
            node = program.nodes[frame.at]
            following = self._advance(frame, node)
            if following is frame or following.acting or following.until or following.within:
                return following
            frame = following
        return frame

    def scope(self, frame: Frame) -> EvaluationScope:
        """Return a scope for data of one state or item, with a budget."""
        budget = self._new_budget()
        return EvaluationScope(frame.data, self.state.context, budget, frame.private, find_private=self._find_private)

    def _find_private(self, data: Any) -> Sequence[Place]:
        """Return the places that are private by their names; the items of a Map read the same data."""
        known = self.named.get(id(data))
        if known is None:
            self._charge_document(data)
            known = self.named[id(data)] = data, private_places(data)
        return known[1]

    def _new_budget(self) -> Budget:
        budget = Budget(self.limits)
        self.budgets.append(budget)
        return budget

    def _charge_document(self, document: Any) -> None:
        self._new_budget().charge_document(document)

    def has_used_budget(self) -> bool:
        """Whether this step has used its budget; the run then continues after a pause."""
        self.left -= sum(budget.spent for budget in self.budgets)
        self.budgets.clear()
        if self.left > 0:
            return False
        self.wakes.append(self.now + PAUSE)
        return True

    def seed_for(self, visit: str) -> str:
        """Return what random values of a visit are derived from."""
        return f"{self.state.run_id}/{visit}"

    def log(self, code: str, *, minor: bool = False, **details: Any) -> None:
        """Add an entry to the run's log."""
        self.entries.append(FlowLogEntry(time=self.now, code=code, details=details, minor=minor))

    # -- one state ----------------------------------------------------------------------------------------------------

    def _advance(self, frame: Frame, node: Node) -> Frame:
        try:
            if frame.within is not None:
                return self._continue_branches(frame, node)
            if frame.acting is not None:
                return self._continue_action(frame, node)
            if frame.until is not None:
                return self._continue_wait(frame, node)
            return self._enter(frame, node)
        except StateError as error:
            return self._handle_failure(frame, node, error)

    def _enter(self, frame: Frame, node: Node) -> Frame:
        if self.has_used_budget():
            return frame
        self.left -= self.limits.units_per_state
        self.entered += 1
        if self.state.entered + self.entered > self.limits.visits:
            raise _VisitLimitExceededError
        frame = frame.enter()
        self._charge_document(frame.data)
        view = View(frame, self.scope(frame), self.seed_for(frame.visit), self.now, self.questions)
        try:
            what = enter_state(node, view)
        except StateError as error:
            self._log_state("Started", frame, node, input=hide(frame.data, frame.private))
            return self._handle_failure(frame, node, error)
        self._log_state("Started", frame, node, input=what.given)
        match what:
            case StateCompleted(data=data, private=private, following=following):
                if what.question is not None:
                    self.questions[frame.visit] = what.question
                return self._complete(frame, node, data, private, following)
            case WaitUntil(at=at):
                return self._continue_wait(replace(frame, until=at), node)
            case ActionStarted(effect=effect):
                self.effects.append(effect)
                return replace(frame, acting=frame.visit)
            case BranchesStarted(within=within):
                return self._continue_branches(replace(frame, within=within), node)

    def _continue_wait(self, frame: Frame, node: Node) -> Frame:
        if frame.until is None or self.now < frame.until:
            return frame
        again, frame = frame.again, replace(frame, until=None, again=False)
        return self._enter(frame, node) if again else self._complete(frame, node, frame.data, frame.private, node.next)

    def _continue_action(self, frame: Frame, node: Node) -> Frame:
        visit = str(frame.acting)
        ended = self.ends.pop(visit, None)
        if ended is None:
            return self._update_pause(frame, visit)
        frame = replace(frame, acting=None, paused=None)
        result = {**ended.result, "state_name": node.name}
        if ended.error is not None:
            raise StateError(ended.error, ended.cause if ended.cause is not None else result)
        if result.get("status") != "SUCCEEDED" and getattr(node.state, "exception_on_action_failure", True):
            raise StateError(_failure_of(node, result), result)
        return self._store_result(
            frame, node, to_web_input_result(result) if isinstance(node.state, words.WebInputState) else result
        )

    def _update_pause(self, frame: Frame, visit: str) -> Frame:
        paused = self.pauses.get(visit)
        return replace(frame, paused=paused.details) if paused is not None else frame

    def _continue_branches(self, frame: Frame, node: Node) -> Frame:
        frame = advance(frame, node, self)
        result = combine_results(frame, node)
        private = frame.within.private if frame.within is not None else ()
        if result is None:
            return frame
        self.effects += cancel_effects(frame)
        frame = replace(frame, within=None)
        if isinstance(result, Failure):
            return self._handle_failure(frame, node, StateError(result.error, result.cause, result.also))
        return self._store_result(frame, node, list(result), private)

    def _store_result(self, frame: Frame, node: Node, result: Any, private: Places = ()) -> Frame:
        self._charge_document(result)
        self.left -= weight(result) // WEIGHT_PER_UNIT
        data, places = write_result(frame, node.result_path, Evaluated(result, private))
        return self._complete(frame, node, data, places, node.next)

    def _complete(self, frame: Frame, node: Node, data: Any, private: Places, following: str | None) -> Frame:
        self._charge_document(data)
        self._log_state("Completed", frame, node, output=hide(data, private))
        return frame.leave(data, private, following)

    def _handle_failure(self, frame: Frame, node: Node, error: StateError) -> Frame:
        frame = replace(frame, acting=None, paused=None, until=None, within=None)
        retried = self._schedule_retry(frame, node, error)
        if retried is not None:
            return retried
        for handling in node.catch:
            if matches_error(handling.errors, error, node):
                told = error_document(error)
                try:
                    data, private = write_result(frame, handling.result_path, Evaluated(told))
                except StateError as wrong:
                    return _fail_frame(frame, node, wrong)
                return replace(frame, data=data, private=private, at=handling.next, tries={})
        return _fail_frame(frame, node, error)

    def _schedule_retry(self, frame: Frame, node: Node, error: StateError) -> Frame | None:
        if error.name == errors.DATA_LIMIT_EXCEEDED:  # the action took effect, and its result would be as large again
            return None
        for number, retrier in enumerate(getattr(node.state, "retry", ())):
            if not matches_error(frozenset(retrier.error_equals), error, node):
                continue
            used = frame.tries.get(number, 0)
            if used >= retrier.max_attempts:
                return None
            seconds = retry_delay(retrier, used)
            if retrier.jitter_strategy == "FULL":
                seconds *= View.stable_random(self.seed_for(frame.visit))
            until = self.now + timedelta(seconds=seconds)
            return replace(frame, until=until, again=True, tries={**frame.tries, number: used + 1})
        return None

    # -- the run as a whole -------------------------------------------------------------------------------------------

    def _stop_failure(self, program: FlowProgram) -> Failure | None:
        """Return why the run must end now, independent of its states."""
        for one in self.happened:
            if isinstance(one, Canceled):
                return Failure(error=CANCELED, cause=one.reason or "run canceled")
            if isinstance(one, DataLimitExceeded):
                return Failure(error=errors.DATA_LIMIT_EXCEEDED, cause=one.message)
            if isinstance(one, StepBudgetExceeded):
                return Failure(error=errors.BUDGET_EXCEEDED, cause=one.message)
        if self.now >= self.state.deadline:
            return Failure(error=errors.TIMEOUT, cause=f"the run took longer than {program.timeout_seconds} s")
        return None

    def _carry_run(self, program: FlowProgram) -> Frame:
        """Advance the run; a step that adds too much data is discarded with its effects.

        The limit for all data of a run depends on the storage of its state, and is checked there.
        """
        try:
            root = self.carry(self.state.root, program)
            before = {id(one) for one in _all_data(self.state.root)}
            weight(self.questions, *(one for one in _all_data(root) if id(one) not in before))
        except StateError as error:
            return self._discard(Failure(error=error.name, cause=error.cause))
        except _VisitLimitExceededError:
            cause = f"the run entered {self.limits.visits} states; end its loop, or split it into several runs"
            return self._discard(Failure(error=errors.VISIT_LIMIT_EXCEEDED, cause=cause))
        return root

    def _discard(self, failure: Failure) -> Frame:
        self.questions.clear()
        self.effects.clear()
        self.entries.clear()
        return self._stop_run(failure)

    def _stop_run(self, failure: Failure) -> Frame:
        root = self.state.root
        self.effects += cancel_effects(root)
        return replace(root, acting=None, paused=None, until=None, within=None, ended=True, failure=failure)

    def _conclude(self, root: Frame) -> None:
        if not root.ended:
            return
        failure = root.failure
        if failure is None:
            self.log("FlowSucceeded", output=hide(root.data, root.private))
        elif failure.error == CANCELED:
            self.log("FlowCanceled")
        else:
            self.log("FlowFailed", state_name=failure.state_name, exception=failure.error, cause=failure.cause)

    def _log_state(self, what: str, frame: Frame, node: Node, **value: Any) -> None:
        kind = node.state.type
        self.log(f"{kind}{what}", minor=frame.inline, state_name=node.name, state_type=kind, visit=frame.visit, **value)


def _failure_of(node: Node, result: Mapping[str, Any]) -> str:
    if isinstance(node.state, words.WebInputState) and has_expired(result):
        return errors.WEB_INPUT_EXPIRED
    return errors.ACTION_FAILED


def _all_data(root: Frame) -> Iterator[Any]:
    """Yield all data of a run."""
    for frame in root.walk():
        yield frame.data
        if frame.within is not None:
            yield from frame.within.results.values()


def _fail_frame(frame: Frame, node: Node, error: StateError) -> Frame:
    failure = Failure(error=error.name, cause=error.cause, state_name=node.name, also=error.also)
    return replace(frame, ended=True, failure=failure)


def _status(root: Frame) -> Any:
    if root.ended:
        return "SUCCEEDED" if root.failure is None else "FAILED"
    return "INACTIVE" if any(frame.paused is not None for frame in root.walk()) else "ACTIVE"


def _outcome(root: Frame) -> Outcome:
    if root.failure is None:
        return Outcome(output=hide(root.data, root.private))
    return Outcome(failure=root.failure, canceled=root.failure.error == CANCELED)
