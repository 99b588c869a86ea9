"""Steps of runs: made in the event loop if they are quick, in a worker process otherwise; paced for each namespace."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import orjson

from taskaction.control.flow_runs.records import RunRecord
from taskaction.core.clock import Clock
from taskaction.execution.limits import TokenBucket
from taskaction.flows import machine
from taskaction.flows.budget import FULL_STEP, QUICK_STEP, StepLimits, StepTooCostlyError
from taskaction.flows.effects import Event, FlowDecision, StepBudgetExceeded
from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.flows.state import FlowState
from taskaction.plugin.evaluation import BudgetExceededError, Evaluator

STATE_RATE = TokenBucket(interval=0.0002, burst=10_000)
"""Rate of the states that the runs of one namespace enter: at most a tenth of the process's time."""

_NAMESPACES_KEPT = 10_000


class StepRunner:
    """Runner of the steps of all runs of this process."""

    def __init__(self, evaluator: Evaluator, clock: Clock, *, max_visits: int) -> None:
        self._evaluator = evaluator
        self._clock = clock
        self._quick = replace(QUICK_STEP, visits=max_visits)
        self._full = replace(FULL_STEP, visits=max_visits)
        self._rates: OrderedDict[str, TokenBucket] = OrderedDict()

    def next_step_at(self, namespace: str) -> datetime | None:
        """Return when a run of the namespace may make its next step; None for now."""
        now = self._clock.now()
        bucket = self._rates.get(namespace, STATE_RATE)
        at = bucket.next_start_at(now.timestamp())
        return now + timedelta(seconds=at - now.timestamp()) if at > now.timestamp() else None

    async def step(
        self, record: RunRecord, program: FlowProgram, state: FlowState, happened: Sequence[Event]
    ) -> FlowDecision:
        """Return the decision of a step of a run; the run fails if the step exceeds the budget of a worker process."""
        now, namespace = self._clock.now(), record.namespace
        try:
            decision = machine.step(program, state, happened, now, self._quick)
        except StepTooCostlyError:
            definition = orjson.dumps(record.definition)
            arguments = definition, state, tuple(happened), now, self._full
            try:
                decision = await self._evaluator.run(namespace, "step of the run", _step_in_worker, *arguments)
            except BudgetExceededError as error:
                return machine.step(program, state, [StepBudgetExceeded(str(error))], now, self._quick)
        self._spend(namespace, decision.state.entered - state.entered, now)
        return decision

    def _spend(self, namespace: str, states: int, now: datetime) -> None:
        self._rates[namespace] = self._rates.pop(namespace, STATE_RATE).spend(now.timestamp(), states)
        if len(self._rates) > _NAMESPACES_KEPT:
            self._rates.popitem(last=False)


def _step_in_worker(
    definition: bytes, state: FlowState, happened: Sequence[Event], now: datetime, limits: StepLimits
) -> FlowDecision:
    return machine.step(_compile(definition), state, happened, now, limits)


@lru_cache(maxsize=4)
def _compile(definition: bytes) -> FlowProgram:
    program = compile_definition(orjson.loads(definition))
    if not isinstance(program, FlowProgram):
        raise TypeError("the definition was valid before")
    return program
