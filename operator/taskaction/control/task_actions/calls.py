"""One call of an executor: the run it is given, and an outcome whatever it does; writes nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from taskaction.api.enums import ErrorKind, Phase
from taskaction.api.provider import ClusterActionProvider
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link, Progress, TaskAction
from taskaction.cluster.gateway import Cluster
from taskaction.control.objects.objects import Persistently
from taskaction.control.objects.records import Record
from taskaction.control.task_actions.observe import Binding, parameters_problem
from taskaction.control.task_actions.sources import Account, Sources
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock
from taskaction.core.constants import LINKS_KEPT, OUTPUT_LIMIT_BYTES
from taskaction.core.names import digest
from taskaction.execution.manager import LIMIT_FLOOR_SECONDS
from taskaction.lifecycle import deadlines
from taskaction.lifecycle.failures import chances_left
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded
from taskaction.lifecycle.state import Observed
from taskaction.plugin.base import AbstractExecutor, Delivery, Run
from taskaction.plugin.errors import InvalidParametersError, TransientError, failure_of
from taskaction.plugin.json_schema import nesting_problem
from taskaction.plugin.redaction import redacted, redacted_link, redacted_outcome, redacted_progress
from taskaction.plugin.schedule import Schedule

DEFAULT_ACCOUNT = "default"
_PARTITION_CHARS = 253
_ASKED_AGAIN = Backoff(initial=0.5, factor=2.0, max=10.0, jitter=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """Bounds of calls.

    Attributes:
        closed_namespaces: namespaces whose accounts and Secrets are never used.
        partition_patience: how many seconds an executor may take to find a partition key.
    """

    closed_namespaces: frozenset[str]
    partition_patience: float = 10.0


class Caller:
    """Builds runs and calls executors; never raises for what an executor does."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        luck: Callable[[], float],
        persistently: Persistently,
        settings: CallSettings,
        reported: Callable[[Record], None],
    ) -> None:
        self._cluster = cluster
        self._persistently = persistently
        self._reported = reported
        self._clock = clock
        self._luck = luck
        self._settings = settings

    async def limited(self, record: Record, binding: Binding, observed: Observed) -> Limited | Failed | None:
        """Ask the executor whether its target's quota allows a start; None where it does."""
        try:
            run = await self._run(record, binding, observed)
            found = await quota_of(binding.executor, run)
        except asyncio.CancelledError as error:
            if is_told_to_stop():
                raise
            return self._unasked(record, failure_of(error))
        except BaseException as error:  # noqa: BLE001 - an executor may raise anything
            return self._unasked(record, failure_of(error))
        if found is not None:
            record.limit_errors = 0
        return found

    def _unasked(self, record: Record, failure: Failed) -> Limited | Failed:
        """Give what follows from a question that raised: nothing was started, so it is asked again before long."""
        if failure.retry_class is None:
            return failure
        record.limit_errors += 1
        return Limited(
            retry_after=_ASKED_AGAIN.delay(record.limit_errors, self._luck()),
            message=f"whether the target's rate limit is reached cannot be found out: {failure.message}",
            key=record.uid,
        )

    async def partition(self, record: Record, binding: Binding, observed: Observed) -> str | Failed | None:
        """Ask the executor in which partition the action is; None for none."""
        patience = asyncio.timeout(self._settings.partition_patience)
        try:
            run = await self._run(record, binding, observed)
            async with patience:
                key = await binding.executor._get_partition_key(run)  # noqa: SLF001 - the seed's name
        except asyncio.CancelledError as error:
            if is_told_to_stop():
                raise
            return _unpartitioned(failure_of(error))
        except BaseException as error:  # noqa: BLE001 - an executor may raise anything
            late = TransientError(f"no answer within {self._settings.partition_patience:g}s")
            return _unpartitioned(failure_of(late if patience.expired() else error))
        text = str(key) if key else None
        if text is not None and len(text) > _PARTITION_CHARS:
            return f"{text[: _PARTITION_CHARS - 33]}-{digest(text.encode())}"
        return text

    async def call(
        self,
        record: Record,
        binding: Binding,
        observed: Observed,
        *,
        poll: bool,
        deliveries: tuple[Delivery, ...] = (),
    ) -> Outcome:
        """Execute or poll; give what came of it, also where the executor raises, cancels itself or answers nonsense."""
        private: tuple[str, ...] = ()
        try:
            run = replace(await self._run(record, binding, observed), deliveries=deliveries)
            executor, private = binding.executor, run.private
            outcome = await (executor.poll(run) if poll else executor.execute(run))
        except asyncio.CancelledError as error:
            if record.cancelling:
                raise
            return redacted_outcome(failure_of(error), private)
        except BaseException as error:  # noqa: BLE001 - an executor may raise anything
            return redacted_outcome(failure_of(error), private)
        return checked(outcome, binding, private)

    async def cancel(self, record: Record, binding: Binding, observed: Observed) -> None:
        """Tell the executor to stop what it has going outside; raises what the executor raises."""
        run = await self._run(record, binding, observed)
        await binding.executor.cancel(run)

    async def release(self, record: Record, binding: Binding, observed: Observed) -> None:
        """Tell the executor that the end is durable; raises what the executor raises."""
        run = await self._run(record, binding, observed)
        await binding.executor.release(run)

    def _sources(self, account: Account, *, trusted: bool = False) -> Sources:
        return Sources(self._cluster, account, self._settings.closed_namespaces, trusted, self._persistently)

    async def _run(self, record: Record, binding: Binding, observed: Observed) -> Run:
        action = record.action
        parameters: dict[str, Any] = action.spec.parameters
        private: tuple[str, ...] = ()
        if action.spec.parameters_from:
            own = self._sources(_own_account(action, binding))
            parameters, private = await own.merged(parameters, action.spec.parameters_from)
            if (problem := parameters_problem(binding, parameters)) is not None:
                raise InvalidParametersError(redacted(problem, private))
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
            reporter=Reports(record, self._reported, private),
            secrets=self._sources(_secrets_account(action, binding), trusted=binding.offer is not None),
            now=now,
            external_id=status.external_id,
            signal=action.spec.signal,
            deadline=deadlines.call_deadline(observed, now),
            fencing_token=observed.owner.epoch,
            service_account=_own_account(action, binding).name,
            labels=action.metadata.labels,
            paused=status.phase is Phase.PAUSED,
            signalled=observed.signalled,
            schedule=_schedule(binding),
            chances_left=chances_left(status, observed.policy),
            private=private,
        )


class Reports:
    """Takes what an executor reports while it runs; it is written with the next status, at the latest after a delay."""

    def __init__(self, record: Record, reported: Callable[[Record], None], private: tuple[str, ...]) -> None:
        self._record = record
        self._reported = reported
        self._private = private

    def progress(self, progress: Progress) -> None:
        """Show how far the action is."""
        progress = redacted_progress(progress, self._private)
        self._record.status = self._record.status.model_copy(update={"progress": progress})
        self._reported(self._record)

    def link(self, link: Link) -> None:
        """Show something worth opening; a link of the same name is replaced, beyond 16 the oldest goes."""
        link = redacted_link(link, self._private)
        links = {known.name: known for known in self._record.status.links} | {link.name: link}
        self._record.status = self._record.status.model_copy(update={"links": tuple(links.values())[-LINKS_KEPT:]})
        self._reported(self._record)


def _schedule(binding: Binding) -> Schedule | None:
    """Give the provider's ``poll`` as a value, None where it says nothing."""
    poll = binding.offer.provider.spec.poll if binding.offer is not None else None
    if poll is None:
        return None
    usual = Schedule()
    return Schedule(
        initial=poll.initial.total_seconds() if poll.initial is not None else usual.initial,
        factor=poll.factor if poll.factor is not None else usual.factor,
        longest=poll.max.total_seconds() if poll.max is not None else usual.longest,
    )


async def quota_of(executor: AbstractExecutor, run: Run) -> Limited | None:
    """Ask whether the target's quota allows a start; None where it does. Raises what the executor raises."""
    if not await executor.is_close_to_rate_limit(run):
        return None
    seconds = float(await executor.get_remaining_seconds_until_rate_limit(run))
    return Limited(
        retry_after=max(LIMIT_FLOOR_SECONDS, seconds),
        message="the target's rate limit is reached",
        key=executor.rate_limit_key(run),
    )


def is_told_to_stop() -> bool:
    """Tell a turn that is cancelled from an executor that raises ``CancelledError`` by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _unpartitioned(failure: Failed) -> Failed:
    return replace(
        failure, code=Reason.PARTITION_KEY_FAILED, message=f"the partition key could not be found: {failure.message}"
    )


def _own_account(action: TaskAction, binding: Binding) -> Account:
    defaults = binding.offer.provider.spec.defaults if binding.offer is not None else None
    run_as = action.spec.run_as or (defaults.run_as if defaults is not None else None)
    name = run_as.service_account_name if run_as is not None else DEFAULT_ACCOUNT
    return Account(namespace=action.metadata.namespace, name=name)


def _secrets_account(action: TaskAction, binding: Binding) -> Account:
    """Give whose rights read the executor's Secrets: the provider's own for its configuration, else the action's."""
    if binding.offer is None:
        return _own_account(action, binding)
    provider = binding.offer.provider
    run_as = provider.spec.defaults.run_as if provider.spec.defaults is not None else None
    name = run_as.service_account_name if run_as is not None else DEFAULT_ACCOUNT
    shared = isinstance(provider, ClusterActionProvider)
    return Account(namespace=action.metadata.namespace if shared else provider.metadata.namespace, name=name)


def checked(outcome: object, binding: Binding, private: tuple[str, ...] = ()) -> Outcome:
    """Give ``outcome`` where it is one that can be recorded, else the failure that says what is wrong with it."""
    if (
        isinstance(outcome, Succeeded | Failed)
        and (nested := nesting_problem(outcome.output, "the output")) is not None
    ):
        refused = Failed(code=Reason.INVALID_OUTPUT, message=nested, retry_class=None)
        outcome = refused if isinstance(outcome, Succeeded) else replace(outcome, output=None)
    if not isinstance(outcome, Succeeded | Pending | Paused | Failed | Limited):
        return Failed(
            code=Reason.NO_RESULT_REPORTED,
            message=f"the executor returned {type(outcome).__name__}, which is no outcome",
            kind=ErrorKind.SYSTEM,
            retry_class=None,
        )
    shown = redacted_outcome(outcome, private)
    if isinstance(shown, Succeeded):
        return _checked_output(shown, binding)
    if isinstance(shown, Failed) and shown.output is not None:
        kept = _checked_output(Succeeded(output=shown.output), binding=None)
        return shown if isinstance(kept, Succeeded) else replace(shown, output=None)
    return shown


def _checked_output(outcome: Succeeded, binding: Binding | None) -> Outcome:
    try:
        size = len(orjson.dumps(outcome.output))
    except (TypeError, RecursionError) as error:
        return Failed(code=Reason.INVALID_OUTPUT, message=f"the output is no JSON: {error}", retry_class=None)
    if size > OUTPUT_LIMIT_BYTES:
        message = (
            f"the output has {size} bytes, more than the {OUTPUT_LIMIT_BYTES} that a status may hold; "
            "store it elsewhere and give back where"
        )
        return Failed(code=Reason.OUTPUT_TOO_LARGE, message=message, retry_class=None)
    outputs = binding.offer.outputs if binding is not None and binding.offer is not None else None
    problem = outputs.problem(outcome.output) if outputs is not None else None
    if problem is not None:
        return Failed(code=Reason.INVALID_OUTPUT, message=f"outputSchema: {problem}", retry_class=None)
    return outcome
