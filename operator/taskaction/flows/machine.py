"""The machine: what a run does next, from its state and what has happened; pure, without clock or I/O.

One call carries the run through every state that needs nothing from outside. The same state and events give the same
decision, effects with the same names among them: so a decision that was lost in a crash is simply made again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from taskaction.flows import definition as words
from taskaction.flows import errors
from taskaction.flows.budget import UNITS, WEIGHT_PER_UNIT, Budget, weight
from taskaction.flows.effects import (
    ActionEnded,
    ActionPaused,
    Canceled,
    Effect,
    Entry,
    Event,
    FlowDecision,
    Outcome,
    Overflowed,
)
from taskaction.flows.errors import StateError
from taskaction.flows.parallel import advanced, cancelled, settled
from taskaction.flows.program import FlowProgram, Node, Program
from taskaction.flows.scope import Scope
from taskaction.flows.state import Failure, FlowState, Frame
from taskaction.flows.steps import Done, Outside, Parted, Until, View, begun
from taskaction.flows.web_input import answer, has_expired

MAX_STATES = 5_000
"""How many states one step enters: a flow that loops without waiting for anything must not keep others waiting."""

UNITS_PER_STATE = UNITS // MAX_STATES
"""What may be looked at in the place of a state: dear states are fewer in a step."""

PAUSE = timedelta(seconds=1)
"""How long a run that has used up its states rests."""

CANCELED = "FlowCanceled"


def start(program: FlowProgram, run_id: str, given: Any, context: Mapping[str, Any], now: datetime) -> FlowDecision:
    """Begin a run with its input."""
    state = FlowState(
        run_id=run_id,
        context=context,
        root=Frame(at=program.start_at, data=given),
        deadline=now + timedelta(seconds=program.timeout_seconds),
    )
    turn = _Turn(state, (), now)
    turn.log("FlowStarted", input=given)
    return turn.decision(program)


def step(program: FlowProgram, state: FlowState, happened: Sequence[Event], now: datetime) -> FlowDecision:
    """Take in what has happened, which may be nothing but time, and go as far as possible.

    Events about visits that are over, or that came before, change nothing.
    """
    if state.root.ended:
        return FlowDecision(state=state, outcome=_outcome(state.root))
    return _Turn(state, happened, now).decision(program)


@dataclass
class _Turn:
    """One step under way."""

    state: FlowState
    happened: Sequence[Event]
    now: datetime
    effects: list[Effect] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    wakes: list[datetime] = field(default_factory=list)
    left: int = UNITS
    budgets: list[Budget] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ends = {one.visit: one for one in self.happened if isinstance(one, ActionEnded)}
        self.pauses = {one.visit: one for one in self.happened if isinstance(one, ActionPaused)}
        self.questions = dict(self.state.questions)

    def decision(self, program: FlowProgram) -> FlowDecision:
        """Carry the run on, and say what follows."""
        stop = self._stop(program)
        root = self._carried(program) if stop is None else self._stopped(stop)
        self._conclude(root)
        state = replace(self.state, root=root, status=_status(root), questions=self.questions)
        outcome = _outcome(root) if root.ended else None
        waits = (frame.until for frame in root.everywhere() if frame.until is not None)
        wake_at = min([*waits, *self.wakes, state.deadline]) if outcome is None else None
        return FlowDecision(
            state=state,
            effects=tuple(self.effects),
            entries=tuple(self.entries),
            wake_at=wake_at,
            outcome=outcome,
        )

    def carry(self, frame: Frame, program: Program) -> Frame:
        """Carry one chain of states as far as it goes now."""
        while not frame.ended:
            node = program.nodes[frame.at]
            following = self._proceeded(frame, node)
            if following is frame or following.acting or following.until or following.within:
                return following
            frame = following
        return frame

    def scope(self, data: Any) -> Scope:
        """Give a look at some data, for one state or item; what it costs is counted."""
        budget = Budget()
        self.budgets.append(budget)
        return Scope(data, self.state.context, budget)

    def rests(self) -> bool:
        """Say whether this step has done enough; then the run is looked at again soon."""
        self.left -= sum(budget.spent for budget in self.budgets)
        self.budgets.clear()
        if self.left > 0:
            return False
        self.wakes.append(self.now + PAUSE)
        return True

    def seed(self, visit: str) -> str:
        """Give what decides what is random in a visit."""
        return f"{self.state.run_id}/{visit}"

    def log(self, code: str, *, minor: bool = False, **details: Any) -> None:
        """Add an entry to the run's log."""
        self.entries.append(Entry(time=self.now, code=code, details=details, minor=minor))

    # -- one state ----------------------------------------------------------------------------------------------------

    def _proceeded(self, frame: Frame, node: Node) -> Frame:
        try:
            if frame.within is not None:
                return self._parts(frame, node)
            if frame.acting is not None:
                return self._acted(frame, node)
            if frame.until is not None:
                return self._waited(frame, node)
            return self._entered(frame, node)
        except StateError as error:
            return self._failed(frame, node, error)

    def _entered(self, frame: Frame, node: Node) -> Frame:
        if self.rests():
            return frame
        self.left -= UNITS_PER_STATE
        frame = frame.entered()
        view = View(frame, self.scope(frame.data), self.seed(frame.visit), self.now, self.questions)
        try:
            what = begun(node, view)
        except StateError as error:
            self._log_state("Started", frame, node, input=frame.data)
            return self._failed(frame, node, error)
        self._log_state("Started", frame, node, input=what.given)
        match what:
            case Done(data=data, following=following):
                if what.question is not None:
                    self.questions[frame.visit] = what.question
                return self._left(frame, node, data, following)
            case Until(at=at):
                return self._waited(replace(frame, until=at), node)
            case Outside(effect=effect):
                self.effects.append(effect)
                return replace(frame, acting=frame.visit)
            case Parted(within=within):
                return self._parts(replace(frame, within=within), node)

    def _waited(self, frame: Frame, node: Node) -> Frame:
        if frame.until is None or self.now < frame.until:
            return frame
        again, frame = frame.again, replace(frame, until=None, again=False)
        return self._entered(frame, node) if again else self._left(frame, node, frame.data, node.next)

    def _acted(self, frame: Frame, node: Node) -> Frame:
        visit = str(frame.acting)
        ended = self.ends.pop(visit, None)
        if ended is None:
            return self._paused(frame, visit)
        frame = replace(frame, acting=None, paused=None)
        result = {**ended.result, "state_name": node.name}
        if ended.error is not None:
            raise StateError(ended.error, ended.cause if ended.cause is not None else result)
        if result.get("status") != "SUCCEEDED" and getattr(node.state, "exception_on_action_failure", True):
            raise StateError(_failure_of(node, result), result)
        return self._resulted(frame, node, answer(result) if isinstance(node.state, words.WebInputState) else result)

    def _paused(self, frame: Frame, visit: str) -> Frame:
        paused = self.pauses.get(visit)
        return replace(frame, paused=paused.details) if paused is not None else frame

    def _parts(self, frame: Frame, node: Node) -> Frame:
        frame = advanced(frame, node, self)
        result = settled(frame, node)
        if result is None:
            return frame
        self.effects += cancelled(frame)
        frame = replace(frame, within=None)
        if isinstance(result, Failure):
            return self._failed(frame, node, StateError(result.error, result.cause, result.also))
        return self._resulted(frame, node, list(result))

    def _resulted(self, frame: Frame, node: Node, result: Any) -> Frame:
        self._weigh(result)
        data = frame.data if node.result_path is None else node.result_path.written(frame.data, result)
        return self._left(frame, node, data, node.next)

    def _left(self, frame: Frame, node: Node, data: Any, following: str | None) -> Frame:
        self._log_state("Completed", frame, node, output=data)
        return frame.left(data, following)

    def _failed(self, frame: Frame, node: Node, error: StateError) -> Frame:
        frame = replace(frame, acting=None, paused=None, until=None, within=None)
        retried = self._tried_again(frame, node, error)
        if retried is not None:
            return retried
        for handling in node.catch:
            if _means(handling.errors, error, node):
                told = _told(error)
                try:
                    data = (
                        frame.data if handling.result_path is None else handling.result_path.written(frame.data, told)
                    )
                except StateError as wrong:
                    return _ended_badly(frame, node, wrong)
                return replace(frame, data=data, at=handling.next, tries={})
        return _ended_badly(frame, node, error)

    def _tried_again(self, frame: Frame, node: Node, error: StateError) -> Frame | None:
        for number, retrier in enumerate(getattr(node.state, "retry", ())):
            if not _means(frozenset(retrier.error_equals), error, node):
                continue
            used = frame.tries.get(number, 0)
            if used >= retrier.max_attempts:
                return None
            seconds = _pause(retrier, used)
            if retrier.jitter_strategy == "FULL":
                seconds *= View.luck(self.seed(frame.visit))
            until = self.now + timedelta(seconds=seconds)
            return replace(frame, until=until, again=True, tries={**frame.tries, number: used + 1})
        return None

    # -- the run as a whole -------------------------------------------------------------------------------------------

    def _stop(self, program: FlowProgram) -> Failure | None:
        """Say why the run must end now, whatever its states do."""
        for one in self.happened:
            if isinstance(one, Canceled):
                return Failure(error=CANCELED, cause=one.reason or "the run was canceled")
            if isinstance(one, Overflowed):
                return Failure(error=errors.DATA_LIMIT_EXCEEDED, cause=one.message)
        if self.now >= self.state.deadline:
            return Failure(error=errors.TIMEOUT, cause=f"the run took longer than {program.timeout_seconds} s")
        return None

    def _carried(self, program: FlowProgram) -> Frame:
        """Carry the run on; a step that adds too much to it is not taken, and what it asked for is not asked for.

        What all of it may be together is the affair of whoever keeps the state: how much that is, depends on where.
        """
        try:
            root = self.carry(self.state.root, program)
            before = {id(one) for one in _held(self.state.root)}
            weight(self.questions, *(one for one in _held(root) if id(one) not in before))
        except StateError as error:
            self.questions.clear()
            self.effects.clear()
            self.entries.clear()
            return self._stopped(Failure(error=error.name, cause=error.cause))
        return root

    def _weigh(self, value: Any) -> None:
        self.left -= weight(value) // WEIGHT_PER_UNIT

    def _stopped(self, failure: Failure) -> Frame:
        root = self.state.root
        self.effects += cancelled(root)
        return replace(root, acting=None, paused=None, until=None, within=None, ended=True, failure=failure)

    def _conclude(self, root: Frame) -> None:
        if not root.ended:
            return
        failure = root.failure
        if failure is None:
            self.log("FlowSucceeded", output=root.data)
        elif failure.error == CANCELED:
            self.log("FlowCanceled")
        else:
            self.log("FlowFailed", state_name=failure.state_name, exception=failure.error, cause=failure.cause)

    def _log_state(self, what: str, frame: Frame, node: Node, **value: Any) -> None:
        kind = node.state.type
        self.log(f"{kind}{what}", minor=frame.inline, state_name=node.name, state_type=kind, visit=frame.visit, **value)


def _pause(retrier: words.Retrier, used: int) -> float:
    """Give the seconds before another try; a power that no float can hold is longer than the longest pause."""
    try:
        return min(retrier.interval_seconds * retrier.backoff_rate**used, retrier.max_delay_seconds)
    except OverflowError:
        return retrier.max_delay_seconds


def _means(named: frozenset[str], error: StateError, node: Node) -> bool:
    if error.name in named or error.also in named:
        return True
    if errors.BRANCH_FAILED in named and node.state.type == "Parallel":
        return True
    return errors.ALL in named and error.name not in errors.UNCATCHABLE_BY_ALL


def _failure_of(node: Node, result: Mapping[str, Any]) -> str:
    if isinstance(node.state, words.WebInputState) and has_expired(result):
        return errors.WEB_INPUT_EXPIRED
    return errors.ACTION_FAILED


def _held(root: Frame) -> Iterator[Any]:
    """Give all the data that a run holds."""
    for frame in root.everywhere():
        yield frame.data
        if frame.within is not None:
            yield from frame.within.results.values()


def _told(error: StateError) -> dict[str, Any]:
    """Give what a handler finds at its ResultPath: name and cause as text, and of an action its whole last status."""
    if not isinstance(error.cause, Mapping):
        return {"Error": error.name, "Cause": _as_text(error.cause)}
    details = error.cause.get("details", error.cause)
    described = details.get("description") if isinstance(details, Mapping) else None
    return {**error.cause, "Error": error.name, "Cause": _as_text(details if described is None else described)}


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def _ended_badly(frame: Frame, node: Node, error: StateError) -> Frame:
    failure = Failure(error=error.name, cause=error.cause, state_name=node.name, also=error.also)
    return replace(frame, ended=True, failure=failure)


def _status(root: Frame) -> Any:
    if root.ended:
        return "SUCCEEDED" if root.failure is None else "FAILED"
    return "INACTIVE" if any(frame.paused is not None for frame in root.everywhere()) else "ACTIVE"


def _outcome(root: Frame) -> Outcome:
    if root.failure is None:
        return Outcome(output=root.data)
    return Outcome(failure=root.failure, canceled=root.failure.error == CANCELED)
