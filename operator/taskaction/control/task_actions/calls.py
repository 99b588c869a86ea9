"""Calls of executors: builds the run, and returns an outcome whatever the executor does; writes nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from taskaction.api.enums import Phase, RetryClass
from taskaction.api.provider import ClusterActionProvider, Provider
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link, Progress, TaskAction, TaskActionStatus
from taskaction.cluster.gateway import Cluster
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.outputs import OutputStore, is_of_run
from taskaction.control.objects.records import ActionRecord
from taskaction.control.task_actions.accounts import (
    account_of_parameters,
    account_of_secrets,
    account_of_work,
    may_read_secrets,
)
from taskaction.control.task_actions.guard import CallFailedError, GuardedExecutor, refuse_secrets, search_rules
from taskaction.control.task_actions.observe import ExecutorBinding
from taskaction.control.task_actions.sources import NoSecretReader, ParameterSources, ServiceAccountRef
from taskaction.control.task_actions.timers import ActionTimers
from taskaction.control.task_actions.validation import (
    ParameterInspector,
    cheap_problem,
    check_parameters,
    is_cheap,
)
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock
from taskaction.core.names import digest
from taskaction.lifecycle import deadlines
from taskaction.lifecycle.failures import call_timeout_failure, remaining_attempts
from taskaction.lifecycle.idempotency import current_key
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Succeeded, Work
from taskaction.lifecycle.state import Observed
from taskaction.plugin.base import Delivery, Reporter, Run, SecretReader
from taskaction.plugin.errors import ActionError, InvalidParametersError, TransientError, failure_of
from taskaction.plugin.evaluation import Evaluator
from taskaction.plugin.schedule import Schedule
from taskaction.plugin.secret_ledger import RawSecretReader, SecretLedger

_PARTITION_CHARS = 253
_ASKED_AGAIN = Backoff(initial=0.5, factor=2.0, max=10.0, jitter=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """Limits of calls.

    Attributes:
        closed_namespaces: namespaces whose ServiceAccounts and Secrets are never used.
        call_timeout: seconds that one call may take.
        partition_patience: seconds that an executor may take to find a partition key.
        quota_patience: seconds for which quota checks may raise errors before the attempt fails.
    """

    closed_namespaces: frozenset[str]
    call_timeout: float
    partition_patience: float = 10.0
    quota_patience: float = 600.0


class ExecutorCaller:
    """Caller of executors; never raises for what an executor does."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        jitter: Callable[[], float],
        persistently: RetryingCall,
        settings: CallSettings,
        timers: ActionTimers,
        evaluator: Evaluator,
        inspector: ParameterInspector,
        outputs: OutputStore,
    ) -> None:
        """Create a caller; ``jitter`` returns random numbers in [0, 1)."""
        self._cluster = cluster
        self._evaluator = evaluator
        self._outputs = outputs
        self._inspector = inspector
        self._persistently = persistently
        self._timers = timers
        self._clock = clock
        self._jitter = jitter
        self._settings = settings

    async def check_quota(
        self, record: ActionRecord, binding: ExecutorBinding, observed: Observed
    ) -> Limited | Failed | None:
        """Check whether the target's quota allows a start; None if it does."""
        try:
            found = await (await self._prepare(record, binding, observed)).check_quota()
        except Exception as error:  # noqa: BLE001 - the API server may answer anything
            return self._quota_unknown(record, _failure_of(error))
        if found is not None:
            record.clear_limit_errors()
        return found

    def _quota_unknown(self, record: ActionRecord, failure: Failed) -> Limited | Failed:
        """Return the result of a quota check that raised: nothing was started, so it is retried soon.

        It fails the attempt if a retry cannot help, or after ``quota_patience`` unless the platform is the cause.
        """
        failure = replace(failure, work=Work.UNCHANGED)
        if failure.retry_class is None:
            return failure
        count, since = record.count_limit_error(now := self._clock.now())
        patience = self._settings.quota_patience
        if failure.retry_class is not RetryClass.SYSTEM and (now - since).total_seconds() >= patience:
            record.clear_limit_errors()
            return replace(failure, message=f"rate limit of the target unknown after {patience:g}s: {failure.message}")
        return Limited(
            retry_after=_ASKED_AGAIN.delay(count, self._jitter()),
            message=f"rate limit of the target unknown: {failure.message}",
            key=record.uid,
        )

    async def find_partition_key(
        self, record: ActionRecord, binding: ExecutorBinding, observed: Observed
    ) -> str | Failed | None:
        """Return the partition key that the executor finds; None for no partition."""
        patience = asyncio.timeout(self._settings.partition_patience)
        try:
            guarded = await self._prepare(record, binding, observed)
            async with patience:
                text = await guarded.find_partition_key()
        except Exception as error:  # noqa: BLE001 - the API server may answer anything
            late = TransientError(f"no answer within {self._settings.partition_patience:g}s")
            return _partition_failure(failure_of(late) if patience.expired() else _failure_of(error))
        if text is not None and len(text) > _PARTITION_CHARS:
            return f"{text[: _PARTITION_CHARS - 33]}-{digest(text.encode())}"
        return text

    async def call(
        self,
        record: ActionRecord,
        binding: ExecutorBinding,
        observed: Observed,
        *,
        poll: bool,
        admit: Callable[[], Awaitable[bool]],
        deliveries: tuple[Delivery, ...] = (),
    ) -> Outcome | None:
        """Execute or poll; return an outcome even if the executor raises, cancels itself, or returns nonsense.

        ``admit`` is awaited when everything is prepared. If it returns False, nothing is called: the result is None.
        """
        try:
            async with asyncio.timeout(self._settings.call_timeout):
                guarded = await self._prepare(record, binding, observed, deliveries)
            if not await admit():
                return None
        except Exception as error:  # noqa: BLE001 - the API server may answer anything
            return self._unprepared(error)
        patience = asyncio.timeout(self._settings.call_timeout)
        try:
            async with patience:
                outcome = await (guarded.poll() if poll else guarded.execute())
        except Exception as error:  # noqa: BLE001 - the API server may answer anything
            if not patience.expired():
                return _failure_of(error)
            late = call_timeout_failure(observed, self._settings.call_timeout)
            return replace(late, work=Work.UNKNOWN) if binding.executor.cancels else late
        return await self._check_output_schema(outcome, binding, record.namespace)

    def _unprepared(self, error: Exception) -> Failed:
        """Return the failure of a call that was not made."""
        if isinstance(error, TimeoutError):
            late = TransientError(f"the call could not be prepared within {self._settings.call_timeout:g}s")
            return replace(failure_of(late), work=Work.UNCHANGED)
        return replace(_failure_of(error), work=Work.UNCHANGED)

    async def cancel(self, record: ActionRecord, binding: ExecutorBinding, observed: Observed) -> None:
        """Call ``cancel`` of the executor; raise what it raises."""
        await (await self._prepare(record, binding, observed)).cancel()

    async def recover(self, record: ActionRecord, binding: ExecutorBinding, observed: Observed) -> str | Failed | None:
        """Return the target's id of what a lost call has started; None if nothing runs, a failure if unknown."""
        try:
            return await (await self._prepare(record, binding, observed)).recover()
        except Exception as error:  # noqa: BLE001 - an executor may raise anything
            return _failure_of(error)

    async def release(self, record: ActionRecord, binding: ExecutorBinding, observed: Observed) -> None:
        """Call ``release`` of the executor; raise what it raises."""
        await (await self._prepare(record, binding, observed)).release()

    def _sources(self, account: ServiceAccountRef, *, any_namespace: bool = False) -> ParameterSources:
        closed = self._settings.closed_namespaces
        return ParameterSources(self._cluster, account, closed, any_namespace, self._persistently)

    def _secret_reader(self, action: TaskAction, provider: Provider | None) -> RawSecretReader:
        if not may_read_secrets(action, provider):
            return NoSecretReader()
        shared = isinstance(provider, ClusterActionProvider)
        return self._sources(account_of_secrets(action, provider), any_namespace=shared)

    async def _check_private_parameters(
        self, namespace: str, binding: ExecutorBinding, parameters: Mapping[str, Any]
    ) -> None:
        """Validate parameters that were merged with values of Secrets."""
        if (problem := cheap_problem(parameters, binding.executor, binding.offer)) is not None:
            raise InvalidParametersError(problem)
        if not is_cheap(parameters, binding.executor, binding.offer):
            await check_parameters(self._evaluator, namespace, parameters, binding.executor, binding.offer)

    async def _check_output_schema(self, outcome: Outcome, binding: ExecutorBinding, namespace: str) -> Outcome:
        """Return the outcome, or a failure if the provider's schema rejects the output."""
        checker = binding.offer.outputs if binding.offer is not None else None
        if checker is None or not isinstance(outcome, Succeeded):
            return outcome
        try:
            problem = await self._evaluator.find_problem(namespace, checker, outcome.output, "outputSchema")
        except ActionError as error:
            return failure_of(error)
        if problem is None:
            return outcome
        return Failed(code=Reason.INVALID_OUTPUT, message=f"outputSchema: {problem}", retry_class=None)

    async def _prepare(
        self,
        record: ActionRecord,
        binding: ExecutorBinding,
        observed: Observed,
        deliveries: tuple[Delivery, ...] = (),
    ) -> GuardedExecutor:
        action, executor = await self._inspector.read(record), binding.executor
        provider = binding.offer.provider if binding.offer is not None else None
        ledger = SecretLedger(self._secret_reader(action, provider), search_rules(executor))
        parameters: dict[str, Any] = action.spec.parameters
        if action.spec.parameters_from:
            own = self._sources(account_of_parameters(action))
            parameters = await own.merge_parameters(parameters, action.spec.parameters_from)
            refuse_secrets(executor, parameters)
            ledger.add_parameters(parameters)
            try:
                await self._check_private_parameters(record.namespace, binding, parameters)
            except InvalidParametersError as error:
                raise InvalidParametersError(ledger.redact(str(error))) from None
        build_run = partial(self._build_run, record, binding, observed, parameters, deliveries)
        reporter, limit = StatusReporter(record, self._timers), self._outputs.limit(of_run=is_of_run(action))
        return GuardedExecutor(executor, build_run, reporter, ledger, limit)

    def _build_run(
        self,
        record: ActionRecord,
        binding: ExecutorBinding,
        observed: Observed,
        parameters: dict[str, Any],
        deliveries: tuple[Delivery, ...],
        *,
        secrets: SecretReader,
        reporter: Reporter,
    ) -> Run:
        action = record.action
        provider = binding.offer.provider if binding.offer is not None else None
        status = observed.status
        now = self._clock.now()
        attempt = max(status.attempt or 0, 1)
        return Run(
            uid=record.uid,
            name=record.name,
            namespace=record.namespace,
            attempt=attempt,
            parameters=parameters,
            config=binding.config,
            idempotency_key=current_key(record.namespace, record.uid, action.spec, status),
            started_at=status.attempts[-1].started_at if status.attempts else now,
            reporter=reporter,
            secrets=secrets,
            now=now,
            external_id=status.external_id,
            initializing_since=_initializing_since(status),
            signal=action.spec.signal,
            deadline=deadlines.call_deadline(observed, now),
            fencing_token=observed.owner.epoch,
            service_account=account_of_work(action, provider).name,
            labels=action.metadata.labels,
            paused=status.phase is Phase.PAUSED,
            signalled=observed.signalled,
            progress=status.progress,
            schedule=_poll_schedule(binding),
            deliveries=deliveries,
            chances_left=remaining_attempts(status, observed.policy),
        )


def _initializing_since(status: TaskActionStatus) -> datetime | None:
    """Return when the action came into the phase Initializing, if it is in it."""
    last = status.history[-1] if status.history else None
    return last.at if last is not None and last.phase is status.phase is Phase.INITIALIZING else None


class StatusReporter:
    """Reporter of a call: adds progress and links to the status, which is written at the latest after a delay."""

    def __init__(self, record: ActionRecord, timers: ActionTimers) -> None:
        self._record = record
        self._timers = timers

    def progress(self, progress: Progress) -> None:
        """Set the progress of the action."""
        self._record.set_progress(progress)
        self._timers.flush_later(self._record)

    def link(self, link: Link) -> None:
        """Add a link; it replaces a link of the same name, and the oldest is removed beyond 16."""
        self._record.add_link(link)
        self._timers.flush_later(self._record)


def _poll_schedule(binding: ExecutorBinding) -> Schedule | None:
    """Return the provider's ``poll`` as a schedule; None if it has none."""
    poll = binding.offer.provider.spec.poll if binding.offer is not None else None
    if poll is None:
        return None
    usual = Schedule()
    return Schedule(
        initial=poll.initial.total_seconds() if poll.initial is not None else usual.initial,
        factor=poll.factor if poll.factor is not None else usual.factor,
        longest=poll.max.total_seconds() if poll.max is not None else usual.longest,
    )


def _failure_of(error: Exception) -> Failed:
    return error.failure if isinstance(error, CallFailedError) else failure_of(error)


def _partition_failure(failure: Failed) -> Failed:
    return replace(
        failure,
        code=Reason.PARTITION_KEY_FAILED,
        message=f"partition key not found: {failure.message}",
        work=Work.UNCHANGED,
    )
