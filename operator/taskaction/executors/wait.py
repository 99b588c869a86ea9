"""``wait``: until a time, for a duration, or for a condition on another object of the namespace."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, Field, model_validator

from taskaction.api.base import AnyJson, Duration
from taskaction.cluster.errors import ForbiddenError, UnavailableError
from taskaction.cluster.gateway import Body, Cluster, Resource
from taskaction.core.backoff import Backoff
from taskaction.executors.base import AbstractExecutor, Run
from taskaction.executors.errors import AccessDeniedError
from taskaction.executors.parameters import Parameters
from taskaction.executors.toolbox import Toolbox
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded

_LOOKS = Backoff(initial=1.0, factor=2.0, max=30.0)


class ConditionWanted(Parameters):
    """A condition in ``status.conditions``."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Its type."""
    status: str = "True"
    """Its status. Default True."""


class ObjectWanted(Parameters):
    """An object of the action's namespace and what is waited for; without a condition or path, that it exists."""

    api_version: Annotated[str, Field(min_length=1, max_length=253)]
    """For example v1 or apps/v1."""
    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    """For example Deployment."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Its name."""
    plural: Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9-]+$")] | None = None
    """The resource's plural, where it is not the kind in lower case with the usual English ending."""
    condition: ConditionWanted | None = None
    """A condition that must hold."""
    path: Annotated[str, Field(max_length=253)] | None = None
    """A field, dots reaching into objects, that must equal `equals`."""
    equals: AnyJson = None
    """The value that the field must have."""

    @property
    def resource(self) -> Resource:
        """Where the API server keeps such objects."""
        group, _, version = self.api_version.rpartition("/")
        return Resource(group=group, version=version, plural=self.plural or _plural(self.kind), kind=self.kind)


class WaitParameters(Parameters):
    """What ``wait`` takes: exactly one of until, duration and object."""

    until: AwareDatetime | None = None
    """A moment, RFC 3339 with a time zone."""
    duration: Duration | None = None
    """A length of time since the attempt started."""
    object: ObjectWanted | None = None
    """A condition on another object."""
    timeout: Duration | None = None
    """How long to wait for the object; then the attempt fails with code WaitTimeout."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(wanted is not None for wanted in (self.until, self.duration, self.object)) != 1:
            raise ValueError("set exactly one of until, duration and object")
        return self


class WaitExecutor(AbstractExecutor):
    """Waits without holding a worker; an object is read with the rights of the action's account."""

    ACTION_NAME = "wait"
    PARAMETERS = WaitParameters
    IDEMPOTENT = True

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @classmethod
    def build(cls, toolbox: Toolbox) -> "WaitExecutor":
        """Take the cluster, to read the objects that are waited for."""
        return cls(toolbox.cluster)

    async def execute(self, run: Run) -> Outcome:
        """Look whether the time has come."""
        wanted = WaitParameters.model_validate(run.parameters)
        if wanted.object is not None:
            return await self._for_object(wanted.object, wanted.timeout, run)
        moment = wanted.until or run.started_at + (wanted.duration or timedelta())
        return _until(moment, run)

    async def _for_object(self, wanted: ObjectWanted, timeout: timedelta | None, run: Run) -> Outcome:
        what = f"{wanted.kind} {wanted.name!r}"
        try:
            body = await self._cluster.get(
                wanted.resource,
                wanted.name,
                run.namespace,
                as_user=f"system:serviceaccount:{run.namespace}:{run.service_account}",
            )
        except ForbiddenError as error:
            raise AccessDeniedError(
                f"ServiceAccount {run.service_account!r} may not read {what}: add a RoleBinding that grants it the "
                f"verb get on {wanted.resource.plural}"
            ) from error
        except UnavailableError as error:
            missing: str | None = f"cannot be read for now: {error}"
        else:
            missing = _missing(wanted, body)
        if missing is None:
            return Succeeded(message=f"{what} is as wanted")
        waited = (run.now - run.started_at).total_seconds()
        left = timeout.total_seconds() - waited if timeout is not None else _LOOKS.max
        if left <= 0:
            return Failed(code="WaitTimeout", message=f"{what}: {missing}")
        # Doubling by the time that has passed already needs no counter that a restart would lose.
        return Pending(poll_after=min(max(waited, _LOOKS.initial), _LOOKS.max, left), message=f"{what}: {missing}")


def _until(moment: datetime, run: Run) -> Outcome:
    left = (moment - run.now).total_seconds()
    return Succeeded() if left <= 0 else Pending(poll_after=left, message=f"waits until {moment.isoformat()}")


def _missing(wanted: ObjectWanted, body: Body | None) -> str | None:
    """Give what is still missing, None where nothing is."""
    if body is None:
        return "does not exist"
    if wanted.condition is not None:
        found = {
            condition.get("type"): condition.get("status")
            for condition in (body.get("status") or {}).get("conditions") or ()
        }
        actual = found.get(wanted.condition.type, "missing")
        return None if actual == wanted.condition.status else f"condition {wanted.condition.type} is {actual}"
    if wanted.path is not None:
        value: Any = body
        for name in wanted.path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return None if value == wanted.equals else f"{wanted.path} is {value!r}"
    return None


def _plural(kind: str) -> str:
    """Give the plural that API authors nearly always choose."""
    word = kind.lower()
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in {"a", "e", "o", "u"}:
        return f"{word[:-1]}ies"
    return f"{word}s"
