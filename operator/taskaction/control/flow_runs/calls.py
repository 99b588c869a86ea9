"""One call of an executor for an action that has no object of its own: what it is given, and what comes of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from taskaction.api.task_action import Link, Progress
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.task_actions.calls import checked, is_told_to_stop, quota_of
from taskaction.control.task_actions.observe import Binding
from taskaction.core.names import visit_name
from taskaction.flows.effects import StartAction
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome
from taskaction.plugin.base import AbstractExecutor, Run, SecretReader
from taskaction.plugin.errors import AccessDeniedError, failure_of

_ASKED_AGAIN = 1.0
"""Seconds until an executor is asked again whose quota could not be found out."""


def run_of(
    record: RunRecord,
    start: StartAction,
    *,
    secrets: SecretReader,
    account: str,
    began: datetime,
    now: datetime,
    deadline: datetime,
) -> Run:
    """Give what an executor is told; the key is the same whenever and by whomever it is called."""
    claim = record.status.claim
    return Run(
        uid=record.uid,
        name=visit_name(record.name, record.uid, start.visit),
        namespace=record.namespace,
        attempt=1,
        parameters=body_of(start),
        config={},
        idempotency_key=f"{record.uid}/{start.visit}-1",
        started_at=began,
        reporter=_Silent(),
        secrets=secrets,
        now=now,
        deadline=deadline,
        fencing_token=claim.epoch if claim is not None else 0,
        service_account=account,
    )


def body_of(start: StartAction) -> Mapping[str, Any]:
    """Give the parameters of an action."""
    return start.body if isinstance(start.body, Mapping) else {}


async def limited_by(executor: AbstractExecutor, run: Run) -> Limited | Failed | None:
    """Ask an executor whether its target's quota allows a start; None where it does."""
    if not executor.limits_itself:
        return None
    try:
        return await quota_of(executor, run)
    except BaseException as error:
        if is_told_to_stop():
            raise
        failure = failure_of(error)
    return failure if failure.retry_class is None else Limited(retry_after=_ASKED_AGAIN, key=run.idempotency_key)


async def outcome_of(binding: Binding, run: Run, *, poll: bool) -> Outcome:
    """Call an executor; give what came of it, also where it raises, cancels itself or answers nonsense."""
    executor = binding.executor
    try:
        return checked(await (executor.poll(run) if poll else executor.execute(run)), binding)
    except BaseException as error:
        if is_told_to_stop():
            raise
        return failure_of(error)


class NoAccount:
    """Reads nothing: a run without an account has nobody's rights."""

    async def read_secret(self, name: str, key: str, *, namespace: str | None = None) -> str:  # noqa: ARG002 - theirs
        """Refuse; see ``executors.base.SecretReader``."""
        raise AccessDeniedError(f"Secret {name!r}: spec.runAs of the run names no account that may read {key!r} of it")


class _Silent:
    """Takes reports that nobody is shown."""

    def progress(self, progress: Progress) -> None:
        """Drop it."""

    def link(self, link: Link) -> None:
        """Drop it."""
