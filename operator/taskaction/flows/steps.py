"""Entry of states: a state completes, waits, starts an action, or starts several flows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from taskaction.flows import definition as words
from taskaction.flows.budget import WEIGHT_PER_UNIT, weight
from taskaction.flows.choice import parse_timestamp
from taskaction.flows.effects import StartAction
from taskaction.flows.errors import ACTION_UNABLE_TO_RUN, NO_CHOICE_MATCHED, RunTimeError, StateError
from taskaction.flows.parallel import read_limits
from taskaction.flows.parameters import Evaluated, ParameterTemplate
from taskaction.flows.paths import Path
from taskaction.flows.privacy import PRIVATE_TEXT, Places, hide, is_private, private_places
from taskaction.flows.program import Node
from taskaction.flows.scope import EvaluationScope
from taskaction.flows.state import Frame, InnerFrames
from taskaction.flows.values import items_of, map_scope, write_result
from taskaction.flows.web_input import APPROVAL, ID, to_approval_parameters


@dataclass(frozen=True, slots=True)
class View:
    """View of a run by a state at its entry.

    Attributes:
        seed: what random values are derived from.
        questions: the questions for people, by the visit that created them.
    """

    frame: Frame
    scope: EvaluationScope
    seed: str
    now: datetime
    questions: Mapping[str, Any] = field(default_factory=dict)

    def input_for(self, node: Node) -> Evaluated:
        """Return the input of the state: parameters, the value of its InputPath, or the whole state of the flow.

        Raises:
            StateError: a path or an expression cannot be evaluated.
        """
        match node.given:
            case ParameterTemplate():
                return node.given.evaluate(self.scope, self.seed)
            case Path():
                return Evaluated(*node.given.read_private(self.scope))
            case None:
                return Evaluated(self.frame.data, self.frame.private)

    def shown(self, value: Evaluated) -> Any:
        """Return a value for the log of the run."""
        self.scope.budget.charge_document(value.value)
        return hide(value.value, value.private)

    def shown_data(self) -> Any:
        """Return the state of the flow for the log of the run."""
        return self.shown(Evaluated(self.frame.data, self.frame.private))

    @staticmethod
    def stable_random(seed: str) -> float:
        """Return a pseudo-random number from 0 to 1 that depends only on ``seed``."""
        return Random(seed).random()  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEntry:
    """Result of entering a state; ``given`` is its input, for the log."""

    given: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCompleted(StateEntry):
    """The state completed: the run continues with ``following`` and this state of the flow, or ends.

    Attributes:
        private: the private places of ``data``.
        question: a question that a later state can ask.
    """

    data: Any
    following: str | None
    private: Places = ()
    question: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitUntil(StateEntry):
    """The state completes at a time."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionStarted(StateEntry):
    """The state completes when an action has ended."""

    effect: StartAction


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchesStarted(StateEntry):
    """The state completes when several flows have ended."""

    within: InnerFrames


def enter_state(node: Node, view: View) -> StateCompleted | WaitUntil | ActionStarted | BranchesStarted:
    """Enter a state.

    Raises:
        StateError: the state fails immediately.
    """
    match node.state:
        case words.ActionState():
            return _enter_action(node, node.state, view)
        case words.WebInputState():
            return (
                _create_web_input(node, view) if node.state.type == "CreateWebInput" else _await_web_input(node, view)
            )
        case words.ParallelState() | words.MapState():
            return _enter_branches(node, node.state, view)
        case words.ChoiceState():
            following = _choose_next(node, view)
            return StateCompleted(
                given=view.shown_data(), data=view.frame.data, following=following, private=view.frame.private
            )
        case words.FailState():
            raise StateError(_error_name(node, view), _shown_text(node.cause, view, ""))
        case words.WaitState():
            return WaitUntil(given=view.shown_data(), at=_until(node, node.state, view))
        case words.PassState() | words.ExpressionEvalState():
            return _enter_pass(node, node.state, view)


def _enter_branches(node: Node, state: words.ParallelState | words.MapState, view: View) -> BranchesStarted:
    if isinstance(state, words.ParallelState):
        return BranchesStarted(given=view.shown(view.input_for(node)), within=InnerFrames(count=len(node.inner)))
    scope = map_scope(node, view.scope)
    items, private = items_of(node, scope)
    if not isinstance(items, list):
        raise RunTimeError(f"{state.items_path} is not a list; ItemsPath must refer to the items")
    within = InnerFrames(count=len(items), limits=read_limits(node, scope))
    return BranchesStarted(given=view.shown(Evaluated(items, private)), within=within)


def _write_result(node: Node, view: View, result: Evaluated) -> tuple[Any, Places]:
    if node.result_path is not None:
        view.scope.budget.charge_document(result.value)
        view.scope.budget.charge(weight(result.value) // WEIGHT_PER_UNIT)
    return write_result(view.frame, node.result_path, result)


def _enter_pass(node: Node, state: words.PassState | words.ExpressionEvalState, view: View) -> StateCompleted:
    if isinstance(state, words.PassState) and "result" in state.model_fields_set:
        given = Evaluated(state.result)
    else:
        given = view.input_for(node)
    data, private = _write_result(node, view, given)
    goes_private = node.result_path is not None and is_private(node.result_path.steps or ())
    shown = PRIVATE_TEXT if goes_private else view.shown(given)
    return StateCompleted(given=shown, data=data, following=node.next, private=private)


def _choose_next(node: Node, view: View) -> str:
    for rule in node.rules:
        if rule.condition.holds(view.scope):
            return rule.next
    if node.default is None:
        raise StateError(NO_CHOICE_MATCHED, "no rule matches, and there is no Default")
    return node.default


def _error_name(node: Node, view: View) -> str:
    name = _shown_text(node.error, view, "Failed")
    if not isinstance(name, str):
        raise RunTimeError("ErrorPath must refer to a string, the name of the error")
    return name


def _shown_text(source: str | Path | None, view: View, otherwise: str) -> Any:
    """Return the text of an error, which everybody sees."""
    if isinstance(source, Path):
        return hide(*source.read_private(view.scope))
    return otherwise if source is None else source


def _until(node: Node, state: words.WaitState, view: View) -> datetime:
    if state.seconds is not None:
        return view.now + timedelta(seconds=state.seconds)
    if node.until is not None:
        return node.until
    value = node.until_path.read(view.scope) if node.until_path is not None else None
    if state.timestamp_path is not None:
        at = parse_timestamp(value)
        if at is None:
            raise RunTimeError(f"{state.timestamp_path} is not an RFC 3339 time such as 2026-01-31T12:00:00Z")
        return at
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= words.YEAR:
        raise RunTimeError(f"{state.seconds_path} is not a number of seconds from 0 to {words.YEAR}")
    return view.now + timedelta(seconds=value)


def _enter_action(node: Node, state: words.ActionState, view: View) -> ActionStarted:
    given = view.input_for(node)
    effect = StartAction(
        visit=view.frame.visit,
        state_name=node.name,
        url=state.url,
        body=given.value,
        scope=state.scope,
        run_as=state.run_as,
        private=_parameter_places(given),
        wait_time=state.wait_time,
        inline=view.frame.inline,
    )
    return ActionStarted(given=view.shown(given), effect=effect)


def _create_web_input(node: Node, view: View) -> StateCompleted:
    given = view.input_for(node)
    if given.private or private_places(given.value):
        raise StateError(ACTION_UNABLE_TO_RUN, "people see the question of a web input; ask without private values")
    data, private = _write_result(node, view, Evaluated({ID: view.frame.visit, "state_name": node.name}))
    return StateCompleted(
        given=view.shown(given),
        data=data,
        following=node.next,
        private=private,
        question=to_approval_parameters(given.value),
    )


def _await_web_input(node: Node, view: View) -> ActionStarted:
    given = view.input_for(node)
    body, private = given.value, _parameter_places(given)
    if isinstance(body, Mapping) and ID in body:
        if body[ID] not in view.questions:
            raise StateError(ACTION_UNABLE_TO_RUN, f"this run has created no web input {body[ID]!r}")
        body, private = view.questions[body[ID]], ()
    effect = StartAction(
        visit=view.frame.visit,
        state_name=node.name,
        url=APPROVAL,
        body=to_approval_parameters(body),
        private=private,
    )
    return ActionStarted(given=view.shown(given), effect=effect)


def _parameter_places(given: Evaluated) -> Places:
    """Return the private places of an action's parameters: if all of it is private, each of them is."""
    if () in given.private and isinstance(given.value, Mapping):
        return tuple((str(name),) for name in given.value)
    return given.private
