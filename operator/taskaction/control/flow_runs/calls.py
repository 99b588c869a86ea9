"""One inline call of an executor: builds the run, and returns an outcome."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from taskaction.api.task_action import Link, Progress
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.task_actions.calls import check_outcome, is_being_cancelled, read_quota
from taskaction.control.task_actions.observe import ExecutorBinding
from taskaction.core.names import visit_name
from taskaction.flows.effects import StartAction
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome
from taskaction.plugin.base import AbstractExecutor, Run, SecretReader
from taskaction.plugin.errors import failure_of

_ASKED_AGAIN = 1.0
"""Seconds until the next quota check after one that raised an error."""


def build_run(
    record: RunRecord,
    start: StartAction,
    *,
    secrets: SecretReader,
    account: str,
    began: datetime,
    now: datetime,
    deadline: datetime,
) -> Run:
    """Return the run for an executor; the idempotency key is the same for every call of the visit."""
    claim = record.status.claim
    return Run(
        uid=record.uid,
        name=visit_name(record.name, record.uid, start.visit),
        namespace=record.namespace,
        attempt=1,
        parameters=parameters_of(start),
        config={},
        idempotency_key=f"{record.uid}/{start.visit}-1",
        started_at=began,
        reporter=_DiscardingReporter(),
        secrets=secrets,
        now=now,
        deadline=deadline,
        fencing_token=claim.epoch if claim is not None else 0,
        service_account=account,
    )


def parameters_of(start: StartAction) -> Mapping[str, Any]:
    """Return the parameters of an action."""
    return start.body if isinstance(start.body, Mapping) else {}


async def check_quota(executor: AbstractExecutor, run: Run) -> Limited | Failed | None:
    """Check whether the target's quota allows a start; None if it does."""
    if not executor.limits_itself:
        return None
    try:
        return await read_quota(executor, run)
    except BaseException as error:
        if is_being_cancelled():
            raise
        failure = failure_of(error)
    return failure if failure.retry_class is None else Limited(retry_after=_ASKED_AGAIN, key=run.idempotency_key)


async def call_executor(binding: ExecutorBinding, run: Run, *, poll: bool) -> Outcome:
    """Call an executor; return an outcome even if it raises, cancels itself, or returns nonsense."""
    executor = binding.executor
    try:
        return check_outcome(await (executor.poll(run) if poll else executor.execute(run)))
    except BaseException as error:
        if is_being_cancelled():
            raise
        return failure_of(error)


class _DiscardingReporter:
    """Reporter that drops all reports."""

    def progress(self, progress: Progress) -> None:
        """Drop the report."""

    def link(self, link: Link) -> None:
        """Drop the report."""
