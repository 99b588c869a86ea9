"""Runs flows in memory: a clock that jumps to the next wake-up, and actions that end as the test says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from taskaction.flows.effects import (
    ActionEnded,
    CancelAction,
    Effect,
    Event,
    FlowDecision,
    FlowLogEntry,
    Outcome,
    StartAction,
)
from taskaction.flows.machine import start, step
from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.flows.state import FlowState
from taskaction.testing.clock import START

Behaviour = Callable[[StartAction], ActionEnded | None]
MOST_STEPS = 10_000


def succeeded(effect: StartAction, details: Any = None) -> ActionEnded:
    """Let the action of a visit succeed; its details are its body unless others are given."""
    return ActionEnded(effect.visit, status(effect.visit, "SUCCEEDED", effect.body if details is None else details))


def failed(effect: StartAction, details: Any = None) -> ActionEnded:
    """Let the action of a visit fail."""
    return ActionEnded(effect.visit, status(effect.visit, "FAILED", details or {"description": "it broke"}))


def status(visit: str, how: str, details: Any) -> dict[str, Any]:
    """Give an ActionStatus document."""
    return {"action_id": f"id-of-{visit}", "status": how, "display_status": how, "details": details, "creator_id": "me"}


def program(states: Mapping[str, Any], start_at: str | None = None, **rest: Any) -> FlowProgram:
    """Read a definition that must be right; it begins with its first state."""
    found = compile_definition({"StartAt": start_at or next(iter(states)), "States": states, **rest})
    assert isinstance(found, FlowProgram), "\n".join(map(str, found))
    return found


@dataclass
class FlowRun:
    """One run, driven to its end.

    Attributes:
        forgets: make every step twice, on a state that was written and read again, as a crash before the effects does.
    """

    program: FlowProgram
    behaviour: Behaviour = succeeded
    forgets: bool = False
    now: datetime = START
    started: list[StartAction] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    entries: list[FlowLogEntry] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    state: FlowState | None = None

    def run(self, given: Any = None, context: Mapping[str, Any] | None = None) -> Outcome:
        """Run to the end."""
        decision = self.begin(given, context)
        for _ in range(MOST_STEPS):
            if decision.outcome is not None:
                return decision.outcome
            decision = self.go_on(decision)
        raise AssertionError("the run does not end")

    def begin(self, given: Any = None, context: Mapping[str, Any] | None = None) -> FlowDecision:
        """Make the first step."""
        return self._taken(start(self.program, "run-1", {} if given is None else given, context or {}, self.now))

    def go_on(self, decision: FlowDecision) -> FlowDecision:
        """Let the actions that were just started end, or time pass until the run wants to be woken."""
        ends = [self.behaviour(effect) for effect in decision.effects if isinstance(effect, StartAction)]
        happened = [end for end in ends if end is not None]
        if not happened:
            assert decision.wake_at is not None
            self.now = max(self.now, decision.wake_at)
        return self.step(*happened)

    def step(self, *happened: Event) -> FlowDecision:
        """Make one step."""
        assert self.state is not None
        decision = step(self.program, self.state, happened, self.now)
        if self.forgets:
            again = FlowState.from_json(self.state.to_json())
            assert again == self.state
            assert step(self.program, again, happened, self.now) == decision
        return self._taken(decision)

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    @property
    def codes(self) -> list[str]:
        """What the log says, in short."""
        return [entry.code for entry in self.entries]

    def _taken(self, decision: FlowDecision) -> FlowDecision:
        self.state = decision.state
        self.effects += decision.effects
        self.entries += decision.entries
        self.started += [effect for effect in decision.effects if isinstance(effect, StartAction)]
        self.cancelled += [effect.visit for effect in decision.effects if isinstance(effect, CancelAction)]
        return decision


END = {"End": True}
"""How a state says that it is the last."""


def action(**fields: Any) -> dict[str, Any]:
    """Give an Action state."""
    return {"Type": "Action", "ActionUrl": "https://target/ap", "Parameters": {}, **fields}


def run(states: Mapping[str, Any], given: Any = None, **more: Any) -> Any:
    """Run some states to the end; give the output, or the failure."""
    outcome = FlowRun(program(states), forgets=True, **more).run(given)
    return outcome.output if outcome.failure is None else outcome.failure
