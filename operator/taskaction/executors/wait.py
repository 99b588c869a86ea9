"""``wait``: until a time, for a duration, or for a condition on another object of the namespace."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from taskaction.api.base import AnyJson, Duration
from taskaction.cluster.errors import UnavailableError
from taskaction.core.backoff import Backoff
from taskaction.executors.acting import Actor
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.checks import ApiVersion, Expectation, ExpectedCondition
from taskaction.plugin.parameters import Parameters
from taskaction.plugin.toolbox import Toolbox

_LOOKS = Backoff(initial=1.0, factor=2.0, max=30.0)


class ExpectedObject(Parameters):
    """Object in the action's namespace and its expected state; without a condition or path, that it exists."""

    api_version: ApiVersion
    """For example v1 or apps/v1."""
    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    """For example Deployment."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The name of the object."""
    condition: ExpectedCondition | None = None
    """A condition that must hold."""
    path: Annotated[str, Field(max_length=253)] | None = None
    """The path of a field that must equal `equals`, with names separated by dots."""
    equals: AnyJson = None
    """The value that the field must have, or a list of accepted values."""

    @model_validator(mode="after")
    def _with_a_value(self) -> Self:
        if (self.path is None) != ("equals" not in self.model_fields_set):
            raise ValueError("path requires equals, and equals requires path")
        if self.path is not None and self.condition is not None:
            raise ValueError("set at most one of condition and path")
        return self

    @property
    def expectation(self) -> ExpectedCondition | Expectation | None:
        """The expectation; None if the object must only exist."""
        return Expectation(path=self.path, equals=self.equals) if self.path is not None else self.condition


class WaitParameters(Parameters):
    """Parameters of ``wait``: exactly one of until, duration and object."""

    until: AwareDatetime | None = None
    """A point in time, RFC 3339 with a time zone."""
    duration: Duration | None = None
    """A time since the start of the attempt."""
    object: ExpectedObject | None = None
    """An expectation of another object."""
    timeout: Duration | None = None
    """The time to wait for the object. After it, the attempt fails with code WaitTimeout."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(wanted is not None for wanted in (self.until, self.duration, self.object)) != 1:
            raise ValueError("set exactly one of until, duration and object")
        return self


class WaitExecutor(AbstractExecutor):
    """Executor that waits without holding a worker; it reads objects with the rights of the action's account."""

    ACTION_NAME = "wait"
    ACCEPTS_SECRETS = False
    PARAMETERS = WaitParameters
    IDEMPOTENT = True

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    @classmethod
    def build(cls, toolbox: Toolbox) -> "WaitExecutor":
        """Create the executor with the cluster, to read objects."""
        return cls(Actor(toolbox.cluster, toolbox.closed_namespaces, toolbox.clock))

    async def execute(self, run: Run) -> Outcome:
        """Check whether the wait is over."""
        wanted = WaitParameters.model_validate(run.parameters)
        if wanted.object is not None:
            return await self._for_object(wanted.object, wanted.timeout, run)
        moment = wanted.until or run.started_at + (wanted.duration or timedelta())
        return _until(moment, run)

    async def _for_object(self, wanted: ExpectedObject, timeout: timedelta | None, run: Run) -> Outcome:
        what = f"{wanted.kind} {wanted.name!r}"
        try:
            missing = await self._unmet_expectation(wanted, run)
        except UnavailableError as error:
            missing = f"cannot be read at present: {error}"
        if missing is None:
            return Succeeded(message=f"{what} is as expected")
        waited = (run.now - run.started_at).total_seconds()
        left = timeout.total_seconds() - waited if timeout is not None else _LOOKS.max
        if left <= 0:
            return Failed(code="WaitTimeout", message=f"{what}: {missing}")
        # A wait that follows from the elapsed time needs no counter, which a restart would lose.
        return Pending(poll_after=min(max(waited, _LOOKS.initial), _LOOKS.max, left), message=f"{what}: {missing}")

    async def _unmet_expectation(self, wanted: ExpectedObject, run: Run) -> str | None:
        """Return a description of the unmet expectation, or None if it is met."""
        resource = await self._actor.resource(wanted.api_version, wanted.kind)
        if resource is None:
            return f"the API server does not know kind {wanted.kind!r} of {wanted.api_version!r}"
        body = await self._actor.get(resource, wanted.name, run.namespace if resource.namespaced else "", run)
        if body is None:
            return "does not exist"
        return (
            None if wanted.expectation is None or wanted.expectation.holds(body) else wanted.expectation.describe(body)
        )


def _until(moment: datetime, run: Run) -> Outcome:
    left = (moment - run.now).total_seconds()
    return Succeeded() if left <= 0 else Pending(poll_after=left, message=f"waiting until {moment.isoformat()}")
