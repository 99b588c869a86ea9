"""The one place where executors are called: no value of a Secret gets out, whatever an executor returns or raises."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link, Progress
from taskaction.control.objects.outputs import OutputLimit
from taskaction.control.task_actions.outcomes import to_outcome
from taskaction.core.errors import TaskActionError
from taskaction.execution.manager import LIMIT_FLOOR_SECONDS
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded, Work
from taskaction.plugin.base import AbstractExecutor, Reporter, Run, SecretReader
from taskaction.plugin.errors import InvalidParametersError, failure_of, work_after_execute, work_after_poll
from taskaction.plugin.evaluation import EvaluatorBusyError
from taskaction.plugin.redaction import LONGEST_TEXT_CHARS, SHORTEST_BYTES
from taskaction.plugin.secret_ledger import SearchRules, SecretLedger, redact_logs
from taskaction.plugin.secrets import secrets_in

T = TypeVar("T")

_ID_EXPOSED = (
    "the target's id of the started work contains the value of a Secret and cannot be stored; choose another "
    "externalId, and stop the work at the target"
)


def _work_ended(_: BaseException) -> Work:
    """Return what an error says about work that nothing can cancel."""
    return Work.ENDED


class CallFailedError(TaskActionError):
    """Error of an executor, without any value of a Secret.

    Attributes:
        failure: the outcome of the call.
    """

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


class RunFactory(Protocol):
    """Builder of the run for a call, around services that remember and redact what is secret."""

    def __call__(self, *, secrets: SecretReader, reporter: Reporter) -> Run:
        """Return the run with these services."""


class GuardedExecutor:
    """Executor for one call of one action.

    Every method raises ``CallFailedError`` for what the executor raises, and lets a cancellation of the task through.
    """

    def __init__(
        self,
        executor: AbstractExecutor,
        build_run: RunFactory,
        reporter: Reporter,
        ledger: SecretLedger,
        limit: OutputLimit,
    ) -> None:
        """Create the executor for a call whose output may have the size of ``limit``."""
        self._executor = executor
        self._limit = limit
        self._run = build_run(secrets=ledger, reporter=_RedactingReporter(reporter, ledger))
        self._ledger = ledger

    @property
    def idempotency_key(self) -> str:
        """The same for every call of one attempt."""
        return self._run.idempotency_key

    async def execute(self) -> Outcome:
        """Start the action."""
        return await self._call(self._executor.execute, work_after_execute)

    async def poll(self) -> Outcome:
        """Ask how the action stands."""
        return await self._call(self._executor.poll, work_after_poll)

    async def check_quota(self) -> Limited | None:
        """Check whether the target's quota allows a start; None if it does."""

        async def ask() -> Limited | None:
            if not await self._executor.is_close_to_rate_limit(self._run):
                return None
            seconds = float(await self._executor.get_remaining_seconds_until_rate_limit(self._run))
            return Limited(
                retry_after=max(LIMIT_FLOOR_SECONDS, seconds),
                message="the target's rate limit is reached",
                key=self._quota_key(),
            )

        found = await self._guard(ask) if self._executor.limits_itself else None
        return self._ledger.redactor.fields(found)  # the redactor of now, which knows what the call has read

    def _quota_key(self) -> str:
        key: object = self._executor.rate_limit_key(self._run)
        if isinstance(key, str):
            return key
        if inspect.iscoroutine(key):
            key.close()
        raise TypeError(f"rate_limit_key returned {type(key).__name__}, not a text: define it with def, not async def")

    async def find_partition_key(self) -> str | None:
        """Return the partition key that the executor finds; None for no partition.

        Raises:
            CallFailedError: it contains the value of a Secret; a key is part of the status.
        """
        key = await self._guard(lambda: self._executor._get_partition_key(self._run))  # noqa: SLF001 - Port Ocean's name
        text = str(key) if key else None
        if text is not None and self._ledger.redact(text) != text:
            raise CallFailedError(
                failure_of(InvalidParametersError("contains the value of a Secret", code=Reason.SECRET_EXPOSED))
            )
        return text

    async def cancel(self) -> None:
        """Stop the work outside."""
        await self._guard(lambda: self._executor.cancel(self._run))

    async def recover(self) -> str | None:
        """Return the target's id of what a lost call of ``execute`` has started; None if there is nothing to cancel.

        Raises:
            CallFailedError: whether something was started is unknown, or its id contains the value of a Secret.
        """
        found = await self._guard(lambda: self._executor.recover(self._run))
        if found is not None and self._ledger.redact(found) != found:
            raise CallFailedError(failure_of(InvalidParametersError(_ID_EXPOSED, code=Reason.SECRET_RETURNED)))
        return found

    async def release(self) -> None:
        """Ask the target to forget the attempt."""
        await self._guard(lambda: self._executor.release(self._run))

    async def _call(
        self, method: Callable[[Run], Awaitable[object]], work_after: Callable[[BaseException], Work]
    ) -> Outcome:
        if not self._executor.cancels:
            work_after = _work_ended
        try:
            result = await self._guard(lambda: method(self._run), work_after)
            return await self._redact(to_outcome(result, self._limit, self._run.external_id))
        except EvaluatorBusyError as error:
            return Limited(retry_after=error.retry_after or LIMIT_FLOOR_SECONDS, message=str(error))

    async def _guard(
        self, call: Callable[[], Awaitable[T]], work_after: Callable[[BaseException], Work] = _work_ended
    ) -> T:
        """Make a call; a ``CancelledError`` of the executor itself is an error like any other."""
        try:
            with redact_logs(self._ledger):
                return await call()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
                raise
            if type(error) is EvaluatorBusyError:  # of the operator itself, with a text of its own
                raise
            failure = self._ledger.redactor.fields(replace(failure_of(error), work=work_after(error)))
        # Outside of the handler, so that no traceback or context quotes the executor's own error.
        raise CallFailedError(failure)

    async def _redact(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Succeeded) and self._ledger.redactor.cuts(outcome.output):
            return Failed(
                code=Reason.OUTPUT_TOO_LARGE,
                message=f"the action succeeded, but its output has a text of over {LONGEST_TEXT_CHARS} characters, in "
                "which values of Secrets are not searched for; return it in parts, or give the action no Secret",
                retry_class=None,  # a retry would have a second effect
                external_id=outcome.external_id or self._run.external_id,
            )
        shown = await self._redact_fields(outcome)
        if isinstance(shown, Pending | Paused) and shown.external_id != getattr(outcome, "external_id", None):
            return Failed(
                code=Reason.SECRET_RETURNED,
                message=_ID_EXPOSED,
                retry_class=None,
            )
        return shown

    async def _redact_fields(self, outcome: Outcome) -> Outcome:
        redactor = self._ledger.redactor
        if isinstance(outcome, Limited) or outcome.output is None:
            return redactor.fields(outcome)
        output = await redactor.value_in_turns(outcome.output)
        return replace(redactor.fields(replace(outcome, output=None)), output=output)


def search_rules(executor: AbstractExecutor) -> SearchRules:
    """Return what values of Secrets must fulfil for an executor."""
    shortest = SHORTEST_BYTES if executor.QUOTES_TARGET else 0
    return SearchRules(executor=executor.ACTION_NAME, shortest_bytes=shortest)


def refuse_secrets(executor: AbstractExecutor, parameters: Mapping[str, Any]) -> None:
    """Raise ``InvalidParametersError`` if a parameter comes from a Secret, and the executor would show it."""
    found = next(secrets_in(parameters), None)
    if found is None or executor.ACCEPTS_SECRETS:
        return
    parameter = ".".join(map(str, found[0]))
    raise InvalidParametersError(
        f"spec.parametersFrom: {parameter!r} cannot come from a Secret: executor {executor.ACTION_NAME!r} writes its "
        "parameters into an object or a message, which others can read; name the Secret there instead of its value, or "
        "use spec.parameters if the value is not secret",
        code=Reason.SECRET_EXPOSED,
    )


class _RedactingReporter:
    """Reporter that passes reports on without values of Secrets."""

    def __init__(self, reporter: Reporter, ledger: SecretLedger) -> None:
        self._reporter = reporter
        self._ledger = ledger

    def progress(self, progress: Progress) -> None:
        """Report the progress of the action."""
        self._reporter.progress(self._ledger.redactor.fields(progress))

    def link(self, link: Link) -> None:
        """Add a link to the status of the action."""
        self._reporter.link(self._ledger.redactor.fields(link))


def is_being_cancelled() -> bool:
    """Whether this task is being cancelled, and the executor did not raise ``CancelledError`` by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
