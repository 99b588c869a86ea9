"""``noop``, ``sleep`` and ``fail``: executors without effects, for tests, demos and benchmarks."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from taskaction.api.base import Duration
from taskaction.api.enums import RetryClass
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.parameters import Parameters


class NoopParameters(Parameters):
    """Parameters of ``noop``."""

    output: Any = None
    """The output of the action."""


class NoopExecutor(AbstractExecutor):
    """Executor that succeeds at once."""

    ACTION_NAME = "noop"
    QUOTES_TARGET = False
    PARAMETERS = NoopParameters
    IDEMPOTENT = True
    INLINE = True

    async def execute(self, run: Run) -> Outcome:
        """Return the parameter ``output`` as the output."""
        return Succeeded(output=run.parameters.get("output"))


class SleepParameters(Parameters):
    """Parameters of ``sleep``."""

    duration: Duration
    """How long to sleep."""


class SleepExecutor(AbstractExecutor):
    """Executor that succeeds after a duration; it holds no worker meanwhile, and a restart does not prolong it."""

    ACTION_NAME = "sleep"
    ACCEPTS_SECRETS = False
    PARAMETERS = SleepParameters
    IDEMPOTENT = True
    INLINE = True

    async def execute(self, run: Run) -> Outcome:
        """Wait for the rest of the duration since the attempt started."""
        duration = SleepParameters.model_validate(run.parameters).duration
        left = duration - (run.now - run.started_at)
        if left <= timedelta():
            return Succeeded()
        return Pending(
            poll_after=left.total_seconds(), message=f"sleeping until {run.started_at + duration:%H:%M:%S} UTC"
        )


class FailParameters(Parameters):
    """Parameters of ``fail``."""

    message: Annotated[str, Field(max_length=1024)] = "failed on purpose"
    """The message of the error."""
    code: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")] = "FailedOnPurpose"
    """The code of the error."""
    times: Annotated[int, Field(ge=1)] | None = None
    """The number of attempts that fail before one succeeds. Default: all fail."""
    retry_class: RetryClass | None = RetryClass.ERROR
    """The retry class of the failure; null for a failure that is never retried."""
    retry_after: Duration | None = None
    """The time to wait before the next attempt."""


class FailExecutor(AbstractExecutor):
    """Executor that fails, always or for the first attempts."""

    ACTION_NAME = "fail"
    ACCEPTS_SECRETS = False
    PARAMETERS = FailParameters
    IDEMPOTENT = True
    INLINE = True

    async def execute(self, run: Run) -> Outcome:
        """Fail unless `times` attempts have failed."""
        parameters = FailParameters.model_validate(run.parameters)
        if parameters.times is not None and run.attempt > parameters.times:
            return Succeeded(output={"attempt": run.attempt})
        after = parameters.retry_after
        return Failed(
            code=parameters.code,
            message=parameters.message,
            retry_class=parameters.retry_class,
            retry_after=after.total_seconds() if after is not None else None,
        )
