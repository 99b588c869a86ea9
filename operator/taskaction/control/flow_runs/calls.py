"""One inline call of an executor: builds the run, and returns an outcome."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from taskaction.api.task_action import Link, Progress
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.vault import wrap_private
from taskaction.control.objects.outputs import OutputLimit
from taskaction.control.task_actions.guard import CallFailedError, GuardedExecutor, refuse_secrets, search_rules
from taskaction.core.names import visit_name
from taskaction.flows.effects import StartAction
from taskaction.lifecycle.idempotency import inline_key
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.secret_ledger import RawSecretReader, SecretLedger

_ASKED_AGAIN = 1.0
"""Seconds until the next quota check after one that raised an error."""


def prepare_call(
    executor: AbstractExecutor,
    record: RunRecord,
    start: StartAction,
    *,
    reader: RawSecretReader,
    account: str,
    began: datetime,
    now: datetime,
    deadline: datetime,
    limit: OutputLimit,
) -> GuardedExecutor:
    """Return the executor for a call; the idempotency key is the same for every call of the visit.

    Raises:
        InvalidParametersError: the executor cannot take a private parameter.
    """
    parameters = parameters_of(start)
    ledger = SecretLedger(reader, search_rules(executor))
    refuse_secrets(executor, parameters)
    ledger.add_parameters(parameters)
    claim = record.status.claim
    build_run = partial(
        Run,
        uid=record.uid,
        name=visit_name(record.name, record.uid, start.visit),
        namespace=record.namespace,
        attempt=1,
        parameters=parameters,
        config={},
        idempotency_key=inline_key(record.uid, start.visit),
        started_at=began,
        now=now,
        deadline=deadline,
        fencing_token=claim.epoch if claim is not None else 0,
        service_account=account,
    )
    return GuardedExecutor(
        executor,
        build_run,
        _DiscardingReporter(),
        ledger,
        limit,
    )


def parameters_of(start: StartAction) -> Mapping[str, Any]:
    """Return the parameters of an action, with the private ones as values of Secrets."""
    if not isinstance(start.body, Mapping):
        return {}
    found: Mapping[str, Any] = wrap_private(start.body, start.private)
    return found


async def check_quota(guarded: GuardedExecutor) -> Limited | Failed | None:
    """Check whether the target's quota allows a start; None if it does."""
    try:
        return await guarded.check_quota()
    except CallFailedError as error:
        failure = error.failure
    return failure if failure.retry_class is None else Limited(retry_after=_ASKED_AGAIN, key=guarded.idempotency_key)


async def call_executor(guarded: GuardedExecutor, *, poll: bool) -> Outcome:
    """Call an executor; return an outcome even if it raises, cancels itself, or returns nonsense."""
    try:
        return await (guarded.poll() if poll else guarded.execute())
    except CallFailedError as error:
        return error.failure


class _DiscardingReporter:
    """Reporter that drops all reports."""

    def progress(self, progress: Progress) -> None:
        """Drop the report."""

    def link(self, link: Link) -> None:
        """Drop the report."""
