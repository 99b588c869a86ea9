"""Calls of executors: builds the run, and returns an outcome whatever the executor does; writes nothing."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from taskaction.api.enums import ErrorKind, Phase
from taskaction.api.provider import ClusterActionProvider, Provider
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link, Progress, TaskAction
from taskaction.cluster.gateway import Cluster
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.records import ActionRecord
from taskaction.control.task_actions.accounts import (
    account_of_parameters,
    account_of_secrets,
    account_of_work,
    may_read_secrets,
)
from taskaction.control.task_actions.observe import ExecutorBinding
from taskaction.control.task_actions.sources import NoSecretReader, ParameterSources, ServiceAccountRef
from taskaction.control.task_actions.timers import ActionTimers
from taskaction.control.task_actions.validation import cheap_problem, check_parameters, costly_checker
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock
from taskaction.core.constants import OUTPUT_LIMIT_BYTES
from taskaction.core.names import digest
from taskaction.execution.manager import LIMIT_FLOOR_SECONDS
from taskaction.lifecycle import deadlines
from taskaction.lifecycle.failures import remaining_attempts
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded
from taskaction.lifecycle.state import Observed
from taskaction.plugin.base import AbstractExecutor, Delivery, Run, SecretReader
from taskaction.plugin.errors import ActionError, InvalidParametersError, TransientError, failure_of
from taskaction.plugin.evaluation import Evaluator, EvaluatorBusyError
from taskaction.plugin.json_schema import nesting_problem
from taskaction.plugin.redaction import redact, redact_link, redact_outcome, redact_progress
from taskaction.plugin.schedule import Schedule

_PARTITION_CHARS = 253
_ASKED_AGAIN = Backoff(initial=0.5, factor=2.0, max=10.0, jitter=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """Limits of calls.

    Attributes:
        closed_namespaces: namespaces whose ServiceAccounts and Secrets are never used.
        partition_patience: seconds that an executor may take to find a partition key.
    """

    closed_namespaces: frozenset[str]
    partition_patience: float = 10.0


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
    ) -> None:
        """Create a caller; ``jitter`` returns random numbers in [0, 1)."""
        self._cluster = cluster
        self._evaluator = evaluator
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
            run = await self._build_run(record, binding, observed)
            found = await read_quota(binding.executor, run)
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            return self._quota_unknown(record, failure_of(error))
        except BaseException as error:  # noqa: BLE001 - an executor may raise anything
            return self._quota_unknown(record, failure_of(error))
        if found is not None:
            record.clear_limit_errors()
        return found

    def _quota_unknown(self, record: ActionRecord, failure: Failed) -> Limited | Failed:
        """Return the result of a quota check that raised: nothing was started, so it is retried soon."""
        if failure.retry_class is None:
            return failure
        return Limited(
            retry_after=_ASKED_AGAIN.delay(record.count_limit_error(), self._jitter()),
            message=f"rate limit of the target unknown: {failure.message}",
            key=record.uid,
        )

    async def find_partition_key(
        self, record: ActionRecord, binding: ExecutorBinding, observed: Observed
    ) -> str | Failed | None:
        """Return the partition key that the executor finds; None for no partition."""
        patience = asyncio.timeout(self._settings.partition_patience)
        try:
            run = await self._build_run(record, binding, observed)
            async with patience:
                key = await binding.executor._get_partition_key(run)  # noqa: SLF001 - Port Ocean's name
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            return _partition_failure(failure_of(error))
        except BaseException as error:  # noqa: BLE001 - an executor may raise anything
            late = TransientError(f"no answer within {self._settings.partition_patience:g}s")
            return _partition_failure(failure_of(late if patience.expired() else error))
        text = str(key) if key else None
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
        deliveries: tuple[Delivery, ...] = (),
    ) -> Outcome:
        """Execute or poll; return an outcome even if the executor raises, cancels itself, or returns nonsense."""
        private: tuple[str, ...] = ()
        try:
            run = replace(await self._build_run(record, binding, observed), deliveries=deliveries)
            executor, private = binding.executor, run.private
            outcome = await (executor.poll(run) if poll else executor.execute(run))
        except asyncio.CancelledError as error:
            if record.cancelling:
                raise
            return redact_outcome(failure_of(error), private)
        except EvaluatorBusyError as error:
            return Limited(retry_after=error.retry_after or LIMIT_FLOOR_SECONDS, message=str(error))
        except BaseException as error:  # noqa: BLE001 - an executor may raise anything
            return redact_outcome(failure_of(error), private)
        return await self._check_output_schema(check_outcome(outcome, private), binding, record.namespace)

    async def cancel(self, record: ActionRecord, binding: ExecutorBinding, observed: Observed) -> None:
        """Call ``cancel`` of the executor; raise what it raises."""
        run = await self._build_run(record, binding, observed)
        await binding.executor.cancel(run)

    async def release(self, record: ActionRecord, binding: ExecutorBinding, observed: Observed) -> None:
        """Call ``release`` of the executor; raise what it raises."""
        run = await self._build_run(record, binding, observed)
        await binding.executor.release(run)

    def _sources(self, account: ServiceAccountRef, *, any_namespace: bool = False) -> ParameterSources:
        closed = self._settings.closed_namespaces
        return ParameterSources(self._cluster, account, closed, any_namespace, self._persistently)

    def _secret_reader(self, action: TaskAction, provider: Provider | None) -> SecretReader:
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
        checker = costly_checker(parameters, binding.offer)
        if checker is not None:
            await check_parameters(self._evaluator, namespace, parameters, checker)

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

    async def _build_run(self, record: ActionRecord, binding: ExecutorBinding, observed: Observed) -> Run:
        action = record.action
        provider = binding.offer.provider if binding.offer is not None else None
        parameters: dict[str, Any] = action.spec.parameters
        private: tuple[str, ...] = ()
        if action.spec.parameters_from:
            own = self._sources(account_of_parameters(action))
            parameters, private = await own.merge_parameters(parameters, action.spec.parameters_from)
            try:
                await self._check_private_parameters(record.namespace, binding, parameters)
            except InvalidParametersError as error:
                raise InvalidParametersError(redact(str(error), private)) from None
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
            idempotency_key=f"{action.spec.idempotency_key or record.uid}-{attempt}",
            started_at=status.attempts[-1].started_at if status.attempts else now,
            reporter=StatusReporter(record, self._timers, private),
            secrets=self._secret_reader(action, provider),
            now=now,
            external_id=status.external_id,
            signal=action.spec.signal,
            deadline=deadlines.call_deadline(observed, now),
            fencing_token=observed.owner.epoch,
            service_account=account_of_work(action, provider).name,
            labels=action.metadata.labels,
            paused=status.phase is Phase.PAUSED,
            signalled=observed.signalled,
            schedule=_poll_schedule(binding),
            chances_left=remaining_attempts(status, observed.policy),
            private=private,
        )


class StatusReporter:
    """Reporter of a call: adds progress and links to the status, which is written at the latest after a delay."""

    def __init__(self, record: ActionRecord, timers: ActionTimers, private: tuple[str, ...]) -> None:
        self._record = record
        self._timers = timers
        self._private = private

    def progress(self, progress: Progress) -> None:
        """Set the progress of the action."""
        self._record.set_progress(redact_progress(progress, self._private))
        self._timers.flush_later(self._record)

    def link(self, link: Link) -> None:
        """Add a link; it replaces a link of the same name, and the oldest is removed beyond 16."""
        self._record.add_link(redact_link(link, self._private))
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


async def read_quota(executor: AbstractExecutor, run: Run) -> Limited | None:
    """Check whether the target's quota allows a start; None if it does. Raise what the executor raises."""
    if not await executor.is_close_to_rate_limit(run):
        return None
    seconds = float(await executor.get_remaining_seconds_until_rate_limit(run))
    return Limited(
        retry_after=max(LIMIT_FLOOR_SECONDS, seconds),
        message="the target's rate limit is reached",
        key=executor.rate_limit_key(run),
    )


def is_being_cancelled() -> bool:
    """Whether this task is being cancelled, and the executor did not raise ``CancelledError`` by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _partition_failure(failure: Failed) -> Failed:
    return replace(failure, code=Reason.PARTITION_KEY_FAILED, message=f"partition key not found: {failure.message}")


def check_outcome(outcome: object, private: tuple[str, ...] = ()) -> Outcome:
    """Return ``outcome`` if it can be recorded, otherwise a failure that says what is invalid."""
    if (
        isinstance(outcome, Succeeded | Failed)
        and (nested := nesting_problem(outcome.output, "the output")) is not None
    ):
        refused = Failed(code=Reason.INVALID_OUTPUT, message=nested, retry_class=None)
        outcome = refused if isinstance(outcome, Succeeded) else replace(outcome, output=None)
    if not isinstance(outcome, Succeeded | Pending | Paused | Failed | Limited):
        return Failed(
            code=Reason.NO_RESULT_REPORTED,
            message=f"the executor returned {type(outcome).__name__}, which is not an outcome",
            kind=ErrorKind.SYSTEM,
            retry_class=None,
        )
    shown = redact_outcome(outcome, private)
    if isinstance(shown, Succeeded):
        return _check_output(shown)
    if isinstance(shown, Failed) and shown.output is not None:
        kept = _check_output(Succeeded(output=shown.output))
        return shown if isinstance(kept, Succeeded) else replace(shown, output=None)
    return shown


def _check_output(outcome: Succeeded) -> Outcome:
    try:
        size = len(orjson.dumps(outcome.output))
    except (TypeError, RecursionError) as error:
        return Failed(code=Reason.INVALID_OUTPUT, message=f"the output is not valid JSON: {error}", retry_class=None)
    if size > OUTPUT_LIMIT_BYTES:
        message = (
            f"the output has {size} bytes, more than the limit of {OUTPUT_LIMIT_BYTES} bytes; "
            "store it elsewhere and return its address"
        )
        return Failed(code=Reason.OUTPUT_TOO_LARGE, message=message, retry_class=None)
    return outcome
