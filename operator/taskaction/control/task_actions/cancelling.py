"""Cancellation of attempts: cancels the running call and then the executor, within a deadline; records nothing."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from taskaction.api.enums import RetryClass
from taskaction.api.reasons import Reason
from taskaction.control.objects.background import Background
from taskaction.control.objects.records import ActionRecord
from taskaction.control.task_actions.calls import ExecutorCaller
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding
from taskaction.control.task_actions.owners import ActionOwners
from taskaction.core.clock import Clock
from taskaction.lifecycle.attempts import is_start_lost, with_external_id, with_open_attempt
from taskaction.lifecycle.decisions import Cancel
from taskaction.lifecycle.outcomes import Failed, Work
from taskaction.lifecycle.state import CancelEnded

_RETRY = 1.0
_UNCONFIRMED = "the executor did not confirm the cancel in time, and the work may continue"
_UNKNOWN = "whether work was started and continues is unknown"
_NOT_NOW = frozenset({RetryClass.SYSTEM, RetryClass.RATE_LIMITED, RetryClass.TIMEOUT, RetryClass.INTERRUPTED})
"""Classes of errors after which a lost call is looked for again."""


@dataclass(slots=True)
class _Findings:
    """What is known while a cancel lasts, and remains known if its time is over.

    Attributes:
        lost_call: a call of this process, too, may have started something of which nothing is on record.
    """

    lost_call: bool
    external_id: str | None = None
    problem: str = _UNCONFIRMED


class Canceller:
    """Canceller that tries until the executor confirms or the deadline passes."""

    def __init__(
        self,
        *,
        clock: Clock,
        observer: ActionObserver,
        owners: ActionOwners,
        caller: ExecutorCaller,
        background: Background,
        journal: ActionRecorder,
    ) -> None:
        self._clock = clock
        self._observer = observer
        self._owners = owners
        self._caller = caller
        self._background = background
        self._journal = journal

    async def cancel(self, record: ActionRecord, wanted: Cancel) -> CancelEnded:
        """Cancel the attempt of a record in which the cancel has begun; return at the bound at the latest."""
        failure = wanted.failure
        findings = _Findings(lost_call=failure is not None and failure.work is Work.UNKNOWN)
        telling = asyncio.create_task(self._cancel_executor(record, findings, wanted.bound), name=f"tell {record.uid}")
        self._background.add(telling)
        seconds = max((wanted.bound - self._clock.now()).total_seconds(), 0.0)
        patience = asyncio.create_task(self._clock.sleep(seconds), name=f"patience {record.uid}")
        await asyncio.wait({telling, patience}, return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            self._journal.on_cancel_abandoned(record)
        for task in (telling, patience):
            task.cancel()  # and do not wait: an executor may defer a cancellation until its target has responded
        record.end_cancel()
        return CancelEnded(external_id=findings.external_id, problem=findings.problem, failure=failure)

    async def _cancel_executor(self, record: ActionRecord, findings: _Findings, bound: datetime) -> None:
        if record.call is not None:
            record.call.cancel()
            await asyncio.wait({record.call})
        while not await self._try_to_cancel(record, findings) and self._clock.now() < bound:
            await self._clock.sleep(_RETRY)

    async def _try_to_cancel(self, record: ActionRecord, findings: _Findings) -> bool:
        """Cancel the executor once, and what a lost call has started; return whether another try cannot help."""
        bound = self._observer.bind_executor(record.action)
        observed = self._observer.observe_action(record, self._owners.of_attempt(record))
        observed = observed._replace(lost_call=observed.lost_call or findings.lost_call)
        started = observed.status.phase.is_started
        is_lost = is_start_lost(observed) and findings.external_id is None
        if not isinstance(bound, ExecutorBinding):
            findings.problem = f"{_UNKNOWN if is_lost else 'the work may continue'}: {bound.message}"
            comes_back = is_lost and bound.reason is Reason.PROVIDER_NOT_READY
            return not (comes_back or observed.has_finalizer or observed.status.external_id or findings.external_id)
        if not bound.executor.cancels:
            findings.problem = ""
            return True
        if is_lost:
            found = await self._caller.recover(record, bound, with_open_attempt(observed, self._clock.now()))
            if isinstance(found, Failed):
                findings.problem = f"{_UNKNOWN}: {found.message}"
                return found.retry_class not in _NOT_NOW
            if found is None and not started:
                findings.problem = ""
                return True
            findings.external_id, findings.problem = found, _UNCONFIRMED
        if findings.external_id is not None:
            observed = with_external_id(observed, findings.external_id, self._clock.now())
        try:
            await self._caller.cancel(record, bound, observed)
        except Exception as error:  # noqa: BLE001 - an executor may raise anything; the deadline ends the retries
            self._journal.on_task_failed(f"cancel {record.uid}", error)
            return False
        findings.problem = ""
        return True
