"""Inline calls: actions without objects, for the items of a Map with ``Inline``; an executor is called directly.

Only executors with ``INLINE`` can be called: after a crash, the call is repeated with the same idempotency key. Nothing
is recorded except the results in the run. Calls share queue and workers with the actions of their executor: they take
turns with those of other runs, and wait for the quotas of the executor.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from taskaction.api.base import format_time
from taskaction.api.reasons import Reason
from taskaction.control.flow_runs.calls import call_executor, check_quota, parameters_of, prepare_call
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.translation import SCHEME, unable_to_run
from taskaction.control.objects.outputs import OutputStore
from taskaction.control.objects.requests import Requests
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.control.task_actions.guard import GuardedExecutor
from taskaction.control.task_actions.observe import ExecutorBinding
from taskaction.control.task_actions.sources import NoSecretReader, ParameterSources, ServiceAccountRef
from taskaction.control.task_actions.validation import cheap_problem
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda, FailureHandler
from taskaction.execution.manager import ExecutionManager
from taskaction.execution.runs import QueuedRun
from taskaction.flows import errors
from taskaction.flows.effects import ActionEnded, Event, StartAction
from taskaction.lifecycle.outcomes import Failed, Limited, Paused, Pending, Succeeded
from taskaction.lifecycle.placement import executor_source
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.errors import InvalidParametersError
from taskaction.plugin.registry import Registry

_EXECUTOR = f"{SCHEME}executor/"
_SHORTEST = 0.05


@dataclass(slots=True, eq=False)
class _InlineCall:
    """One inline call.

    Attributes:
        has_started: the executor was called; ``is_polled`` says that the next turn polls it.
        is_tracked: the manager holds something for the call.
        turn: the task of the current turn.
    """

    id: str
    record: RunRecord
    start: StartAction
    binding: ExecutorBinding
    began_at: datetime
    deadline: datetime
    calls: "InlineCalls"
    has_started: bool = False
    is_polled: bool = False
    is_tracked: bool = False
    turn: asyncio.Task[Any] | None = None

    def stop(self) -> None:
        """Stop the call; its outcome is ignored."""
        self.calls.drop(self)
        if self.turn is not None:
            self.turn.cancel()

    def to_queued_run(self) -> QueuedRun:
        """Return the entry for the queue."""
        return QueuedRun(
            id=self.id,
            namespace=self.record.namespace,
            source=executor_source(self.record.namespace, self.binding.executor.ACTION_NAME).key,
            order=(1, self.began_at.timestamp(), 0, self.id),
            under_way=self.has_started,
        )


class InlineCalls:
    """Inline calls of all runs, made by the workers that serve actions."""

    def __init__(
        self,
        *,
        registry: Registry,
        clock: Clock,
        sources: Callable[[ServiceAccountRef], ParameterSources],
        manager: ExecutionManager,
        tenures: ShardTenures,
        requests: Requests,
        outputs: OutputStore,
    ) -> None:
        """Create the table; it requests a turn of a run for the end of each of its calls."""
        self._registry = registry
        self._clock = clock
        self._sources = sources
        self._manager = manager
        self._tenures = tenures
        self._requests = requests
        self._outputs = outputs
        self._calls: dict[str, _InlineCall] = {}
        self._agenda: Agenda[str] = Agenda(clock)

    async def run_polls(self, failed: FailureHandler) -> None:
        """Queue calls for their next poll at its time, until cancelled; ``failed`` gets what one of them raises."""
        await self._agenda.run(self._on_due, failed)

    def has_call(self, call_id: str) -> bool:
        """Whether an ID of the manager belongs to an inline call."""
        return call_id in self._calls

    def begin(self, record: RunRecord, start: StartAction) -> None:
        """Queue the call of an action, or report at once why it cannot be called."""
        executor = start.problem or self._find_executor(start)
        if isinstance(executor, str):
            self._add_events(record, [unable_to_run(start.visit, executor)])
            return
        binding = ExecutorBinding(executor=executor, offer=None)
        if (problem := cheap_problem(parameters_of(start), executor, None)) is not None:
            self._add_events(record, [unable_to_run(start.visit, problem)])
            return
        began = self._clock.now()
        deadline = began + timedelta(seconds=start.wait_time)
        call = _InlineCall(f"{record.uid}/{start.visit}", record, start, binding, began, deadline, self)
        self._calls[call.id] = call
        record.add_call(start.visit, call)
        self._manager.submit(call.to_queued_run())

    async def process(self, call_id: str) -> None:
        """Take a worker's turn."""
        call = self._calls[call_id]
        if not call.has_started and (call.record.run.spec.suspend or not self._tenures.may_start(call.record.shard)):
            self._withdraw(call)
            return
        call.turn = asyncio.current_task()
        try:
            await self._take_turn(call)
        finally:
            call.turn = None

    def drop(self, call: _InlineCall) -> None:
        """Remove a call that ended, or that the run no longer needs."""
        if self._calls.get(call.id) is not call:
            return  # it was dropped before, and may have been started again
        del self._calls[call.id]
        call.record.remove_call(call.start.visit)
        self._agenda.set(call.id, None)
        if call.turn is None or call.is_tracked:
            self._manager.forget(call.id)

    def _withdraw(self, call: _InlineCall) -> None:
        """Drop a call that has not started; the run starts it again when it continues."""
        self.drop(call)
        call.record.retry_start(call.start.visit)
        self._add_events(call.record, ())

    def _on_due(self, call_id: str) -> None:
        call = self._calls.get(call_id)
        if call is not None:
            self._manager.submit(call.to_queued_run())

    async def _take_turn(self, call: _InlineCall) -> None:
        if self._remaining_seconds(call) <= 0:
            self._end(call, self._timeout_event(call))
            return
        try:
            guarded = self._prepare(call)
        except InvalidParametersError as error:
            self._end(call, unable_to_run(call.start.visit, str(error)))
            return
        limited = None if call.is_polled else await check_quota(guarded)
        if limited is None:
            self._on_quota_passed(call)
        outcome = limited or await call_executor(guarded, poll=call.is_polled)
        if self._calls.get(call.id) is not call:
            return  # the run no longer needs it
        match outcome:
            case Succeeded():
                done = {"action_id": call.id, **self._action_status(call, "SUCCEEDED", outcome.output)}
                self._end(call, ActionEnded(call.start.visit, done))
            case Failed():
                why = {"code": outcome.code, "description": outcome.message}
                failed = self._action_status(call, "FAILED", why)
                name = errors.DATA_LIMIT_EXCEEDED if outcome.code == Reason.OUTPUT_TOO_LARGE else None
                self._end(call, ActionEnded(call.start.visit, failed, error=name))
            case Paused():
                mend = f"{outcome.message}; remove Inline so that people can answer"
                self._end(call, unable_to_run(call.start.visit, mend))
            case Pending(poll_after=wait):
                call.is_tracked = call.is_polled = True
                self._manager.hold(call.to_queued_run())
                self._agenda.set(call.id, self._next_poll_at(call, wait))
            case Limited(retry_after=wait, key=key):
                call.is_tracked, call.has_started = True, False
                queued = call.to_queued_run()
                self._manager.park(queued, (queued.source, key), min(wait, self._remaining_seconds(call)))

    def _on_quota_passed(self, call: _InlineCall) -> None:
        """Record that a call starts; those that wait for the same quota follow."""
        waited = call.is_tracked and not call.has_started
        call.has_started = True
        if waited:
            self._manager.hold(call.to_queued_run())

    def _timeout_event(self, call: _InlineCall) -> ActionEnded:
        if not call.has_started:
            return unable_to_run(call.start.visit, f"not started within WaitTime ({call.start.wait_time} s)")
        last = self._action_status(call, "ACTIVE", {})
        return ActionEnded(call.start.visit, last, error=errors.ACTION_TIMEOUT, cause=last)

    def _end(self, call: _InlineCall, event: ActionEnded) -> None:
        self.drop(call)
        self._add_events(call.record, [event])

    def _add_events(self, record: RunRecord, events: Iterable[Event]) -> None:
        record.add_events(events)
        self._requests.reconcile(record)

    def _remaining_seconds(self, call: _InlineCall) -> float:
        return (call.deadline - self._clock.now()).total_seconds()

    def _next_poll_at(self, call: _InlineCall, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=min(max(seconds, _SHORTEST), self._remaining_seconds(call)))

    def _find_executor(self, start: StartAction) -> AbstractExecutor | str:
        """Return the executor of an action, or why it cannot be called inline."""
        if not start.url.startswith(_EXECUTOR):
            return f"Inline: {start.url} is not an executor; use taskaction://executor/NAME, or remove Inline"
        name = start.url.removeprefix(_EXECUTOR)
        executor = self._registry.get(name)
        if executor is None:
            return self._registry.unknown_message(name)
        traits = executor.traits(parameters_of(start), {})
        if not executor.INLINE or not traits.idempotent or traits.external_effect:
            return f"Inline: executor {name!r} cannot be called inline with these parameters; remove Inline"
        return executor

    def _prepare(self, call: _InlineCall) -> GuardedExecutor:
        account = call.record.run.spec.run_as
        name = account.service_account_name if account is not None else ""
        reader = (
            self._sources(ServiceAccountRef(namespace=call.record.namespace, name=name)) if name else NoSecretReader()
        )
        return prepare_call(
            call.binding.executor,
            call.record,
            call.start,
            reader=reader,
            account=name,
            began=call.began_at,
            now=self._clock.now(),
            deadline=call.deadline,
            limit=self._outputs.limit(of_run=True),
        )

    def _action_status(self, call: _InlineCall, status: str, details: Any) -> dict[str, Any]:
        """Return a short ActionStatus, because one object may contain thousands."""
        return {
            "status": status,
            "details": {} if details is None else details,
            "start_time": format_time(call.began_at),
            "completion_time": format_time(self._clock.now()) if status != "ACTIVE" else None,
            "creator_id": "",
        }
