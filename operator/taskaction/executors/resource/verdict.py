"""The verdict on the object of an action: by the user's checks, and by what is known of its kind; pure."""

from collections.abc import Iterable, Sequence

from taskaction.cluster.gateway import JOBS, PODS, Body, Resource
from taskaction.executors.resource.kinds import find_states
from taskaction.executors.resource.kinds.core import CREATED
from taskaction.executors.resource.model import Check, ResourceParameters
from taskaction.executors.resource.states import read_state
from taskaction.executors.verdicts import Finished, Running, Verdict, Waiting
from taskaction.executors.workloads.job_states import read_job_state
from taskaction.executors.workloads.pod_states import read_pod_state
from taskaction.lifecycle.outcomes import Failed
from taskaction.plugin.checks import Expectation, ExpectedCondition


def is_known(resource: Resource) -> bool:
    """Whether the success of objects of a kind is known without checks of the user."""
    return resource == PODS or find_states(resource) is not None


def ends_at_creation(parameters: ResourceParameters, resource: Resource) -> bool:
    """Whether an action has nothing more to wait for once its object exists."""
    return find_states(resource) == CREATED if parameters.success is None else not parameters.success


def is_told_by_pods(parameters: ResourceParameters, resource: Resource) -> bool:
    """Whether the pods of an object tell how it has ended: a Job itself does not say why."""
    is_checked = parameters.success is not None and parameters.failure is not None
    return resource == JOBS and not is_checked


def read_object(
    parameters: ResourceParameters, resource: Resource, title: str, body: Body, pods: Sequence[Body] | None = None
) -> Verdict:
    """Return the verdict on ``body``; checks of the user replace what is known of the success or failure of its kind.

    Checks of the user read the object as it is, whatever generation its status belongs to. ``pods`` are those of a Job;
    None if they are not known.
    """
    known = read_known(resource, title, body, pods)
    if parameters.failure is None:
        if isinstance(known, Failed):
            return known
    elif (found := _first_holding(parameters.failure, body)) is not None:
        return Failed(code=f"{resource.kind}Failed", message=f"{title}: {found.describe(body)}")
    if parameters.success is None:
        return known if not isinstance(known, Failed) else Running(known.message)
    if not parameters.success or _first_holding(parameters.success, body) is not None:
        return Finished()
    if isinstance(known, Waiting) and known.problem:
        return known
    return Running(f"{title}: {' and '.join(check.expectation.describe(body) for check in parameters.success)}")


def read_known(resource: Resource, title: str, body: Body, pods: Sequence[Body] | None = None) -> Verdict:
    """Return the verdict on an object by its kind alone; of an unknown kind, nothing is known but that it exists."""
    if resource == PODS:
        return read_pod_state(body, container="")  # no container, so no output: the user says which field it is
    states = find_states(resource)
    found = read_state(states, resource.kind, title, body) if states is not None else Running(title)
    if pods is not None and isinstance(found, Finished | Failed):
        return read_job_state(body, body["spec"], pods, container="")
    return found


def _first_holding(checks: Iterable[Check], body: Body) -> ExpectedCondition | Expectation | None:
    """Return the first check that holds."""
    return next((check.expectation for check in checks if check.expectation.holds(body)), None)
