"""Steps of runs: made in the event loop if they are quick, in a worker process otherwise; paced for each namespace."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

import orjson

from taskaction.control.flow_runs.documents import NO_STATE, QUICK_VALUES, LoadedState, StateDocument
from taskaction.control.flow_runs.limits import RunLimits
from taskaction.control.flow_runs.records import RunRecord
from taskaction.core.clock import Clock
from taskaction.execution.limits import TokenBucket
from taskaction.flows import machine
from taskaction.flows.budget import FULL_STEP, QUICK_STEP, Budget, StepTooCostlyError
from taskaction.flows.effects import DataLimitExceeded, Event, FlowDecision, StartAction, StepBudgetExceeded
from taskaction.flows.pending_actions import iter_pending_actions
from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.flows.state import FlowState
from taskaction.plugin.evaluation import BudgetExceededError, Evaluator

STATE_RATE = TokenBucket(interval=0.0002, burst=10_000)
"""Rate of the states that the runs of one namespace enter: at most a tenth of the process's time."""

_NAMESPACES_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """Result of a step: a decision, and the stored form of its state; None as long as nobody needs it."""

    decision: FlowDecision
    document: StateDocument | None = None

    def requires_write(self, before: FlowState) -> bool:
        """Whether the effects of the decision require a durable status; inline calls are repeated instead."""
        decision = self.decision
        made = any(isinstance(effect, StartAction) and not effect.inline for effect in decision.effects)
        return made or decision.outcome is not None or before.status != decision.state.status


class StepRunner:
    """Runner of the steps of all runs of this process."""

    def __init__(self, evaluator: Evaluator, clock: Clock, limits: RunLimits) -> None:
        self._evaluator = evaluator
        self._clock = clock
        self._limits = limits
        self._quick = replace(QUICK_STEP, visits=limits.visits)
        self._rates: OrderedDict[str, TokenBucket] = OrderedDict()

    def next_step_at(self, namespace: str) -> datetime | None:
        """Return when a run of the namespace may make its next step; None for now."""
        now = self._clock.now()
        bucket = self._rates.get(namespace, STATE_RATE)
        at = bucket.next_start_at(now.timestamp())
        return now + timedelta(seconds=at - now.timestamp()) if at > now.timestamp() else None

    async def step(self, record: RunRecord, program: FlowProgram, state: FlowState, happened: Sequence[Event]) -> Step:
        """Make a step of a run; the run fails if the step exceeds the budget of a worker process."""
        now, namespace = self._clock.now(), record.namespace
        try:
            step = Step(self._limits.apply(machine.step(program, state, happened, now, self._quick)))
        except StepTooCostlyError:
            definition = orjson.dumps(record.definition)
            arguments = definition, state, tuple(happened), now, self._limits
            try:
                step = await self._evaluator.run(namespace, "step of the run", _step_in_worker, *arguments)
            except BudgetExceededError as error:
                return self._stop(program, state, StepBudgetExceeded(str(error)))
        self._spend(namespace, step.decision.state.entered - state.entered, now)
        return step

    async def fit(self, record: RunRecord, program: FlowProgram, before: FlowState, step: Step) -> Step:
        """Return a step with its document; the run fails if its new state exceeds the limits."""
        if step.document is not None:
            return step
        try:
            document = await self.write_down(record, step.decision.state)
        except BudgetExceededError as error:
            return self._stop(program, before, StepBudgetExceeded(str(error)))
        if (problem := self._limits.state_problem(document)) is not None:
            return self._stop(program, before, DataLimitExceeded(problem))
        return replace(step, document=document if step.decision.outcome is None else NO_STATE)

    async def write_down(self, record: RunRecord, state: FlowState) -> StateDocument:
        """Return the stored form of a state of a run; raise ``BudgetExceededError``."""
        if record.state_values <= QUICK_VALUES:  # since then, it has grown by a few quick steps at most
            return StateDocument.from_state(state)
        return await self._evaluator.run(record.namespace, "state of the run", StateDocument.from_state, state)

    async def load(self, record: RunRecord, program: FlowProgram, document: StateDocument) -> LoadedState:
        """Return a state from its stored form; raise ``BudgetExceededError``."""
        if document.values <= QUICK_VALUES:
            state, budget = document.to_state(), Budget(self._quick)
            try:
                starts = iter_pending_actions(program, state, lambda: budget)
                return LoadedState(state, document.values, self._limits.bound_starts(starts))
            except StepTooCostlyError:
                pass
        definition = orjson.dumps(record.definition)
        arguments = definition, document, self._limits
        return await self._evaluator.run(record.namespace, "state of the run", _load_in_worker, *arguments)

    def _stop(self, program: FlowProgram, before: FlowState, why: Event) -> Step:
        """Return the end of a run whose step is discarded."""
        decision = machine.step(program, before, [why], self._clock.now(), self._quick)
        return Step(self._limits.apply(decision), NO_STATE)

    def _spend(self, namespace: str, states: int, now: datetime) -> None:
        self._rates[namespace] = self._rates.pop(namespace, STATE_RATE).spend(now.timestamp(), states)
        if len(self._rates) > _NAMESPACES_KEPT:
            self._rates.popitem(last=False)


def _step_in_worker(
    definition: bytes, state: FlowState, happened: Sequence[Event], now: datetime, limits: RunLimits
) -> Step:
    """Return a step of which nothing is larger than the limits, so that the event loop can receive it."""
    program, full = _compile(definition), replace(FULL_STEP, visits=limits.visits)
    decision = machine.step(program, state, happened, now, full)
    document = StateDocument.from_state(decision.state)
    if (problem := limits.state_problem(document)) is not None:
        decision = machine.step(program, state, [DataLimitExceeded(problem)], now, full)
    return Step(limits.apply(decision), document if decision.outcome is None else NO_STATE)


def _load_in_worker(definition: bytes, document: StateDocument, limits: RunLimits) -> LoadedState:
    state = document.to_state()
    return LoadedState(state, document.values, limits.bound_starts(iter_pending_actions(_compile(definition), state)))


@lru_cache(maxsize=4)
def _compile(definition: bytes) -> FlowProgram:
    program = compile_definition(orjson.loads(definition))
    if not isinstance(program, FlowProgram):
        raise TypeError("the definition was valid before")
    return program
