"""What a state does when it is entered: it is done at once, waits, has something done outside, or parts in several."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from taskaction.flows import definition as words
from taskaction.flows.budget import WEIGHT_PER_UNIT, weight
from taskaction.flows.choice import timestamp
from taskaction.flows.effects import StartAction
from taskaction.flows.errors import ACTION_UNABLE_TO_RUN, NO_CHOICE_MATCHED, RunTimeError, StateError
from taskaction.flows.parameters import Evaluated, Parameters
from taskaction.flows.paths import Path
from taskaction.flows.privacy import taken
from taskaction.flows.program import Node
from taskaction.flows.scope import Scope
from taskaction.flows.state import Frame, Within
from taskaction.flows.web_input import APPROVAL, ID, question


@dataclass(frozen=True, slots=True)
class View:
    """What a state sees when it is entered.

    Attributes:
        seed: decides what is random in it.
        questions: what people can be asked, by the visit that said so.
    """

    frame: Frame
    scope: Scope
    seed: str
    now: datetime
    questions: Mapping[str, Any] = field(default_factory=dict)

    def given(self, node: Node) -> Evaluated:
        """Give what the state is given: parameters, what its InputPath means, or all of the state of the flow.

        Raises:
            StateError: a path or an expression cannot be evaluated.
        """
        match node.given:
            case Parameters():
                return node.given.evaluated(self.scope, self.seed)
            case Path():
                return Evaluated(node.given.read(self.scope))
            case None:
                return Evaluated(self.frame.data)

    @staticmethod
    def luck(seed: str) -> float:
        """Give a number from 0 to 1 that looks random and is always the same."""
        return Random(seed).random()  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a state has made of its entering; ``given`` is what it was given, for the log."""

    given: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Begun):
    """It is over: with this state of the flow, the run goes on with ``following``, or ends.

    Attributes:
        question: what a later state can ask people.
    """

    data: Any
    following: str | None
    question: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Until(Begun):
    """It is over at a time."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside(Begun):
    """It is over when an action has ended."""

    effect: StartAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted(Begun):
    """It is over when several flows have ended."""

    within: Within


def begun(node: Node, view: View) -> Done | Until | Outside | Parted:
    """Enter a state.

    Raises:
        StateError: it fails at once.
    """
    data = view.frame.data
    match node.state:
        case words.ActionState():
            return _outside(node, node.state, view)
        case words.WebInputState():
            return _asked(node, view) if node.state.type == "CreateWebInput" else _asking(node, view)
        case words.ParallelState() | words.MapState():
            return _parted(node, node.state, view)
        case words.ChoiceState():
            return Done(given=data, data=data, following=_chosen(node, view))
        case words.FailState():
            raise StateError(_error_name(node, view), _text(node.cause, view, ""))
        case words.WaitState():
            return Until(given=data, at=_until(node, node.state, view))
        case words.PassState() | words.ExpressionEvalState():
            return _passed(node, node.state, view)


def _parted(node: Node, state: words.ParallelState | words.MapState, view: View) -> Parted:
    if isinstance(state, words.ParallelState):
        return Parted(given=_shown(view.given(node)), within=Within(count=len(node.inner)))
    items = node.items_path.read(view.scope) if node.items_path is not None else view.frame.data
    if not isinstance(items, list):
        raise RunTimeError(f"{state.items_path} is no list: ItemsPath must lead to the items")
    return Parted(given=items, within=Within(count=len(items)))


def _written(node: Node, view: View, value: Any) -> Any:
    if node.result_path is None:
        return view.frame.data
    view.scope.budget.charge(weight(value) // WEIGHT_PER_UNIT)
    return node.result_path.written(view.frame.data, value)


def _passed(node: Node, state: words.PassState | words.ExpressionEvalState, view: View) -> Done:
    if isinstance(state, words.PassState) and "result" in state.model_fields_set:
        given = Evaluated(state.result)
    else:
        given = view.given(node)
    return Done(given=_shown(given), data=_written(node, view, given.value), following=node.next)


def _chosen(node: Node, view: View) -> str:
    for rule in node.rules:
        if rule.condition.holds(view.scope):
            return rule.next
    if node.default is None:
        raise StateError(NO_CHOICE_MATCHED, "no rule holds, and there is no Default")
    return node.default


def _error_name(node: Node, view: View) -> str:
    name = _text(node.error, view, "Failed")
    if not isinstance(name, str):
        raise RunTimeError("ErrorPath must lead to a string, which is the error's name")
    return name


def _text(source: str | Path | None, view: View, otherwise: str) -> Any:
    if isinstance(source, Path):
        return source.read(view.scope)
    return otherwise if source is None else source


def _until(node: Node, state: words.WaitState, view: View) -> datetime:
    if state.seconds is not None:
        return view.now + timedelta(seconds=state.seconds)
    if node.until is not None:
        return node.until
    value = node.until_path.read(view.scope) if node.until_path is not None else None
    if state.timestamp_path is not None:
        at = timestamp(value)
        if at is None:
            raise RunTimeError(f"{state.timestamp_path} is no RFC 3339 time such as 2026-01-31T12:00:00Z")
        return at
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= words.YEAR:
        raise RunTimeError(f"{state.seconds_path} is no number of seconds from 0 to {words.YEAR}")
    return view.now + timedelta(seconds=value)


def _outside(node: Node, state: words.ActionState, view: View) -> Outside:
    given = view.given(node)
    effect = StartAction(
        visit=view.frame.visit,
        state_name=node.name,
        url=state.url,
        body=given.value,
        scope=state.scope,
        run_as=state.run_as,
        private=given.private,
        wait_time=state.wait_time,
        inline=view.frame.inline,
    )
    return Outside(given=_shown(given), effect=effect)


def _asked(node: Node, view: View) -> Done:
    given = view.given(node)
    data = _written(node, view, {ID: view.frame.visit, "state_name": node.name})
    return Done(given=_shown(given), data=data, following=node.next, question=question(given.value))


def _asking(node: Node, view: View) -> Outside:
    given = view.given(node)
    body, private = given.value, given.private
    if isinstance(body, Mapping) and ID in body:
        if body[ID] not in view.questions:
            raise StateError(ACTION_UNABLE_TO_RUN, f"this run has created no web input {body[ID]!r}")
        body, private = view.questions[body[ID]], ()
    effect = StartAction(
        visit=view.frame.visit,
        state_name=node.name,
        url=APPROVAL,
        body=question(body),
        private=private,
    )
    return Outside(given=_shown(given), effect=effect)


def _shown(given: Evaluated) -> Any:
    return taken(given.value, given.private)[0]
