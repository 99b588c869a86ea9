"""Actions without objects of their own, for the items of a Map that says ``Inline``: an executor is simply called.

Only executors that say so are (``INLINE``): a call that a crash cuts off is made again with the same idempotency key.
Nothing of it is on record but what the run makes of it.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from taskaction.api.base import format_time
from taskaction.api.task_action import Link, Progress
from taskaction.control.calls import checked
from taskaction.control.flows.records import RunRecord
from taskaction.control.flows.translation import SCHEME, unable
from taskaction.control.gather import Binding, parameters_problem
from taskaction.control.sources import Account, Sources
from taskaction.core.clock import Clock
from taskaction.core.names import visit_name
from taskaction.executors.base import AbstractExecutor, Run, SecretReader
from taskaction.executors.errors import AccessDeniedError, failure_of
from taskaction.executors.registry import Registry
from taskaction.flows import errors
from taskaction.flows.effects import ActionEnded, StartAction
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded

_EXECUTOR = f"{SCHEME}executor/"
_SHORTEST = 0.05


class InlineCalls:
    """Calls executors for runs, as many at a time as there are workers."""

    def __init__(
        self, *, registry: Registry, clock: Clock, sources: Callable[[Account], Sources], at_a_time: int
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._sources = sources
        self._slots = asyncio.Semaphore(at_a_time)

    async def call(self, record: RunRecord, start: StartAction) -> ActionEnded:
        """Run an action to its end; gives how it ended, whatever happens."""
        executor = self._executor(start)
        if isinstance(executor, str):
            return unable(start.visit, executor)
        body = start.body if isinstance(start.body, Mapping) else {}
        binding = Binding(executor=executor, offer=None)
        if (problem := parameters_problem(binding, body)) is not None:
            return unable(start.visit, problem)
        began = self._clock.now()
        deadline = began + timedelta(seconds=start.wait_time)
        poll = False
        while True:
            run = self._run(record, start, body, began=began, deadline=deadline)
            async with self._slots:
                outcome = await _outcome(executor, run, binding, poll=poll)
            match outcome:
                case Succeeded():
                    return ActionEnded(start.visit, self._document(record, start, "SUCCEEDED", outcome.output, began))
                case Failed():
                    why = {"code": outcome.code, "description": outcome.message}
                    return ActionEnded(start.visit, self._document(record, start, "FAILED", why, began))
                case Paused():
                    return unable(start.visit, f"{outcome.message}: leave out Inline, so that people can be asked")
                case Pending(poll_after=wait):
                    poll = True
                case Limited(retry_after=wait):
                    poll = False
            left = (deadline - self._clock.now()).total_seconds()
            if left <= 0:
                last = self._document(record, start, "ACTIVE", {}, began)
                return ActionEnded(start.visit, last, error=errors.ACTION_TIMEOUT, cause=last)
            await self._clock.sleep(min(max(wait, _SHORTEST), left))

    def _executor(self, start: StartAction) -> AbstractExecutor | str:
        """Give what executes it, or why nothing can without an object."""
        if not start.url.startswith(_EXECUTOR):
            return f"Inline: {start.url} needs an action of its own: name a taskaction://executor/, or leave out Inline"
        name = start.url.removeprefix(_EXECUTOR)
        executor = self._registry.get(name)
        if executor is None:
            return self._registry.unknown_message(name)
        traits = executor.traits(start.body if isinstance(start.body, Mapping) else {}, {})
        if not executor.INLINE or not traits.idempotent or traits.external_effect:
            return f"Inline: executor {name!r} needs an action of its own here: leave out Inline"
        return executor

    def _run(self, record: RunRecord, start: StartAction, body: Mapping[str, Any], **times: Any) -> Run:
        account = record.run.spec.run_as
        secrets: SecretReader = _NoAccount()
        if account is not None:
            secrets = self._sources(Account(namespace=record.namespace, name=account.service_account_name))
        claim = record.status.claim
        return Run(
            uid=record.uid,
            name=visit_name(record.name, record.uid, start.visit),
            namespace=record.namespace,
            attempt=1,
            parameters=body,
            config={},
            idempotency_key=f"{record.uid}/{start.visit}-1",
            started_at=times["began"],
            reporter=_Silent(),
            secrets=secrets,
            now=self._clock.now(),
            deadline=times["deadline"],
            fencing_token=claim.epoch if claim is not None else 0,
            service_account=account.service_account_name if account is not None else "",
        )

    def _document(self, record: RunRecord, start: StartAction, status: str, details: Any, began: Any) -> dict[str, Any]:
        """Give a short ActionStatus: thousands of them are kept in one object."""
        return {
            "action_id": f"{record.uid}/{start.visit}",
            "status": status,
            "details": {} if details is None else details,
            "start_time": format_time(began),
            "completion_time": format_time(self._clock.now()) if status != "ACTIVE" else None,
            "creator_id": "",
        }


async def _outcome(executor: AbstractExecutor, run: Run, binding: Binding, *, poll: bool) -> Outcome:
    try:
        return checked(await (executor.poll(run) if poll else executor.execute(run)), binding)
    except Exception as error:  # noqa: BLE001 - an executor may raise anything
        return failure_of(error)


class _NoAccount:
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
