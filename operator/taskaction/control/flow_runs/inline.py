"""Actions without objects of their own, for the items of a Map that says ``Inline``: an executor is simply called.

Only executors that say so are (``INLINE``): a call that a crash cuts off is made again with the same idempotency key.
Nothing of it is on record but what the run makes of it. Calls stand in line with the actions of their executor: they
take turns with those of others, for the same workers, and wait for the quotas that the executor itself keeps.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from taskaction.api.base import format_time
from taskaction.control.flow_runs.calls import NoAccount, body_of, limited_by, outcome_of, run_of
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.translation import SCHEME, unable
from taskaction.control.task_actions.observe import Binding, parameters_problem
from taskaction.control.task_actions.sources import Account, Sources
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.execution.runs import QueuedRun
from taskaction.flows import errors
from taskaction.flows.effects import ActionEnded, Event, StartAction
from taskaction.lifecycle.outcomes import Failed, Limited, Paused, Pending, Succeeded
from taskaction.lifecycle.placement import executor_source
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.registry import Registry

_EXECUTOR = f"{SCHEME}executor/"
_SHORTEST = 0.05


@dataclass(slots=True, eq=False)
class _Call:
    """One call from its beginning to its end.

    Attributes:
        begun: the executor was called; from then on it is polled where ``polled`` says so.
        known: the manager keeps something for it.
        turn: the turn that it has right now.
    """

    id: str
    record: RunRecord
    start: StartAction
    binding: Binding
    began: datetime
    deadline: datetime
    calls: "InlineCalls"
    begun: bool = False
    polled: bool = False
    known: bool = False
    turn: asyncio.Task[Any] | None = None

    def stop(self) -> None:
        """Let it end; nobody wants to know how."""
        self.calls.drop(self)
        if self.turn is not None:
            self.turn.cancel()

    def queued(self) -> QueuedRun:
        """Give its place in line."""
        return QueuedRun(
            id=self.id,
            namespace=self.record.namespace,
            source=executor_source(self.record.namespace, self.binding.executor.ACTION_NAME).key,
            order=(1, self.began.timestamp(), 0, self.id),
            under_way=self.begun,
        )


class InlineCalls:
    """Has the executors called for runs by the workers that serve actions."""

    def __init__(
        self,
        *,
        registry: Registry,
        clock: Clock,
        sources: Callable[[Account], Sources],
        manager: ExecutionManager,
        may_start: Callable[[RunRecord], bool],
        happened: Callable[[RunRecord, Iterable[Event]], None],
    ) -> None:
        """``happened`` is told how each has ended; ``may_start`` says whether anything of a run may start now."""
        self._registry = registry
        self._clock = clock
        self._sources = sources
        self._manager = manager
        self._may_start = may_start
        self._happened = happened
        self._calls: dict[str, _Call] = {}
        self.agenda: Agenda[str] = Agenda(clock, self._due)

    def knows(self, call_id: str) -> bool:
        """Say whether a run of the manager is a call of these."""
        return call_id in self._calls

    def begin(self, record: RunRecord, start: StartAction) -> None:
        """Have an action called until its end, or tell at once why it cannot be."""
        executor = self._executor(start)
        if isinstance(executor, str):
            self._happened(record, [unable(start.visit, executor)])
            return
        binding = Binding(executor=executor, offer=None)
        if (problem := parameters_problem(binding, body_of(start))) is not None:
            self._happened(record, [unable(start.visit, problem)])
            return
        began = self._clock.now()
        deadline = began + timedelta(seconds=start.wait_time)
        call = _Call(f"{record.uid}/{start.visit}", record, start, binding, began, deadline, self)
        self._calls[call.id] = record.calls[start.visit] = call
        self._manager.submit(call.queued())

    async def process(self, call_id: str) -> bool:
        """Take a worker's turn; say whether there was a call."""
        call = self._calls[call_id]
        if not call.begun and (call.record.run.spec.suspend or not self._may_start(call.record)):
            self._withdraw(call)
            return False
        call.turn = asyncio.current_task()
        try:
            return await self._carry(call)
        finally:
            call.turn = None

    def drop(self, call: _Call) -> None:
        """Let go of a call that is over, or that nobody wants any more."""
        if self._calls.get(call.id) is not call:
            return  # it was let go of before, and may have been begun anew since
        del self._calls[call.id]
        del call.record.calls[call.start.visit]
        self.agenda.set(call.id, None)
        if call.turn is None or call.known:
            self._manager.forget(call.id)

    def _withdraw(self, call: _Call) -> None:
        """Let a call that has not begun be begun again when the run goes on."""
        self.drop(call)
        call.record.children.discard(call.start.visit)
        self._happened(call.record, ())

    def _due(self, call_id: str) -> None:
        call = self._calls.get(call_id)
        if call is not None:
            self._manager.submit(call.queued())

    async def _carry(self, call: _Call) -> bool:
        if self._left(call) <= 0:
            last = self._document(call, "ACTIVE", {})
            self._end(call, ActionEnded(call.start.visit, last, error=errors.ACTION_TIMEOUT, cause=last))
            return False
        run = self._run(call)
        limited = None if call.polled else await limited_by(call.binding.executor, run)
        if limited is None:
            self._let_through(call)
        outcome = limited or await outcome_of(call.binding, run, poll=call.polled)
        if self._calls.get(call.id) is not call:
            return True  # nobody wants to know any more
        match outcome:
            case Succeeded():
                self._end(call, ActionEnded(call.start.visit, self._document(call, "SUCCEEDED", outcome.output)))
            case Failed():
                why = {"code": outcome.code, "description": outcome.message}
                self._end(call, ActionEnded(call.start.visit, self._document(call, "FAILED", why)))
            case Paused():
                mend = f"{outcome.message}: leave out Inline, so that people can be asked"
                self._end(call, unable(call.start.visit, mend))
            case Pending(poll_after=wait):
                call.known = call.polled = True
                self._manager.hold(call.queued())
                self.agenda.set(call.id, self._later(call, wait))
            case Limited(retry_after=wait, key=key):
                call.known, call.begun = True, False
                queued = call.queued()
                self._manager.park(queued, (queued.source, key), min(wait, self._left(call)))
        return limited is None

    def _let_through(self, call: _Call) -> None:
        """Take note that a call begins; those that wait for the same quota follow one that has waited for it."""
        waited = call.known and not call.begun
        call.begun = True
        if waited:
            self._manager.hold(call.queued())

    def _end(self, call: _Call, event: ActionEnded) -> None:
        self.drop(call)
        self._happened(call.record, [event])

    def _left(self, call: _Call) -> float:
        return (call.deadline - self._clock.now()).total_seconds()

    def _later(self, call: _Call, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=min(max(seconds, _SHORTEST), self._left(call)))

    def _executor(self, start: StartAction) -> AbstractExecutor | str:
        """Give what executes it, or why nothing can without an object."""
        if not start.url.startswith(_EXECUTOR):
            return f"Inline: {start.url} needs an action of its own: name a taskaction://executor/, or leave out Inline"
        name = start.url.removeprefix(_EXECUTOR)
        executor = self._registry.get(name)
        if executor is None:
            return self._registry.unknown_message(name)
        traits = executor.traits(body_of(start), {})
        if not executor.INLINE or not traits.idempotent or traits.external_effect:
            return f"Inline: executor {name!r} needs an action of its own here: leave out Inline"
        return executor

    def _run(self, call: _Call) -> Run:
        account = call.record.run.spec.run_as
        name = account.service_account_name if account is not None else ""
        secrets = self._sources(Account(namespace=call.record.namespace, name=name)) if name else NoAccount()
        return run_of(
            call.record,
            call.start,
            secrets=secrets,
            account=name,
            began=call.began,
            now=self._clock.now(),
            deadline=call.deadline,
        )

    def _document(self, call: _Call, status: str, details: Any) -> dict[str, Any]:
        """Give a short ActionStatus: thousands of them are kept in one object."""
        return {
            "action_id": call.id,
            "status": status,
            "details": {} if details is None else details,
            "start_time": format_time(call.began),
            "completion_time": format_time(self._clock.now()) if status != "ACTIVE" else None,
            "creator_id": "",
        }
