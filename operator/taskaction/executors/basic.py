"""``noop``, ``sleep`` and ``fail``: they do nothing, honestly, for tests, demos and benchmarks."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from taskaction.api.base import Duration
from taskaction.api.enums import RetryClass
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.parameters import Parameters


class NoopParameters(Parameters):
    """What ``noop`` takes."""

    output: Any = None
    """Given back as the result."""


class NoopExecutor(AbstractExecutor):
    """Succeeds at once."""

    ACTION_NAME = "noop"
    PARAMETERS = NoopParameters
    IDEMPOTENT = True
    INLINE = True

    async def execute(self, run: Run) -> Outcome:
        """Give back the parameter ``output``."""
        return Succeeded(output=run.parameters.get("output"))


class SleepParameters(Parameters):
    """What ``sleep`` takes."""

    duration: Duration
    """How long to sleep."""


class SleepExecutor(AbstractExecutor):
    """Succeeds after a while; it holds no worker meanwhile, and a restart does not prolong it."""

    ACTION_NAME = "sleep"
    PARAMETERS = SleepParameters
    IDEMPOTENT = True
    INLINE = True

    async def execute(self, run: Run) -> Outcome:
        """Wait for what is left since the attempt started."""
        duration = SleepParameters.model_validate(run.parameters).duration
        left = duration - (run.now - run.started_at)
        if left <= timedelta():
            return Succeeded()
        return Pending(
            poll_after=left.total_seconds(), message=f"sleeps until {run.started_at + duration:%H:%M:%S} UTC"
        )


class FailParameters(Parameters):
    """What ``fail`` takes."""

    message: Annotated[str, Field(max_length=1024)] = "failed on purpose"
    """The error's message."""
    code: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")] = "FailedOnPurpose"
    """The error's code."""
    times: Annotated[int, Field(ge=1)] | None = None
    """How many attempts fail before one succeeds. Default: all."""
    retry_class: RetryClass | None = RetryClass.ERROR
    """The class of the failure; null for one that no retry can help."""
    retry_after: Duration | None = None
    """How long the failure asks to wait before another attempt."""


class FailExecutor(AbstractExecutor):
    """Fails, always or the first few times."""

    ACTION_NAME = "fail"
    PARAMETERS = FailParameters
    IDEMPOTENT = True
    INLINE = True

    async def execute(self, run: Run) -> Outcome:
        """Fail unless the attempt is a late one."""
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
