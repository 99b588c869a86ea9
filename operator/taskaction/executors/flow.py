"""``flow``: runs an ActionFlow as an action, so that flows nest; the run is an object, made by the action's account.

The run belongs to the action: an abort of either reaches through, a signal of the action is the run's, and what the run
gives back is the action's output.
"""

from datetime import timedelta
from typing import Any, Self

from pydantic import model_validator

from taskaction.api.base import DnsName, JsonObject
from taskaction.api.enums import ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Signal
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, Body
from taskaction.core.constants import SIGNAL_ANNOTATION
from taskaction.core.names import child_name
from taskaction.executors.child import Child, ChildExecutor
from taskaction.executors.workloads.manifests import owned
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Succeeded
from taskaction.lifecycle.signals import fingerprint, handed_on
from taskaction.plugin.base import Run
from taskaction.plugin.errors import AccessDeniedError
from taskaction.plugin.parameters import Parameters

_LOOK = 60.0
"""How often a paused run is looked at; its changes are told besides."""
_NO_PATIENCE = timedelta()


class FlowParameters(Parameters):
    """What ``flow`` takes."""

    flow: DnsName | None = None
    """The ActionFlow to run, in the action's namespace. Set either this or `definition`."""
    definition: JsonObject | None = None
    """A flow of the action's own. Set either this or `flow`."""
    input: JsonObject | None = None
    """The state of the flow with which the run begins. Default `{}`."""
    tokens: JsonObject | None = None
    """Where the tokens of each `RunAs` role come from, as in `spec.tokens` of a run."""

    @model_validator(mode="after")
    def _one_flow(self) -> Self:
        if (self.flow is None) == (self.definition is None):
            raise ValueError("set exactly one of flow and definition")
        return self


class FlowExecutor(ChildExecutor):
    """Makes a run with the rights of the action's account, and ends as it ends."""

    ACTION_NAME = "flow"
    PARAMETERS = FlowParameters

    async def child(self, run: Run) -> Child:
        """Give the run of an attempt."""
        parameters = FlowParameters.model_validate(run.parameters)
        spec: dict[str, Any] = {
            "runAs": {"serviceAccountName": run.service_account},
            "parentRef": {"kind": str(ParentKind.TASK_ACTION), "name": run.name, "uid": run.uid},
        }
        if parameters.flow is not None:
            spec["flowRef"] = {"name": parameters.flow}
        given = {"definition": parameters.definition, "input": parameters.input, "tokens": parameters.tokens}
        spec |= {name: value for name, value in given.items() if value is not None}
        body = {"apiVersion": ACTION_FLOW_RUNS.api_version, "kind": ACTION_FLOW_RUNS.kind, "spec": spec}
        name = child_name(run.name, run.uid, run.attempt)
        return Child(resource=ACTION_FLOW_RUNS, body=owned(body, run, name), patience=_NO_PATIENCE)

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Say how the action stands by how its run stands; hand on what the action was told before."""
        status = body.get("status") or {}
        phase, message = status.get("phase", Phase.QUEUED), status.get("message") or child.title
        if phase == Phase.SUCCEEDED and status.get("outputUri") is not None:
            return Failed(
                code=Reason.OUTPUT_TOO_LARGE,
                message=f"{child.title} succeeded, and its output is too large for an action: it is at "
                f"{status['outputUri']}; have the flow end with a part of it",
                retry_class=None,
                external_id=child.name,
            )
        if phase == Phase.SUCCEEDED:
            return Succeeded(output=status.get("output"), external_id=child.name)
        if phase in {Phase.FAILED, Phase.TIMED_OUT, Phase.ABORTED}:
            code = (status.get("error") or {}).get("code") or status.get("reason") or "FlowFailed"
            return Failed(code=code, message=f"{child.title}: {message}", external_id=child.name)
        problem = await self._signalled(run, child, body)
        if phase == Phase.PAUSED:
            refused = f" (the signal is not handed on: {problem})" if problem else ""
            return Paused(message=f"{child.title}: {message}{refused}", external_id=child.name, poll_after=_LOOK)
        return self.goes_on(child)

    async def _signalled(self, run: Run, child: Child, body: Body) -> str:
        """Give the run the action's signal, each once, so that another one of the run's own stays; say what hinders."""
        signal = run.signal
        if signal is None or _handed(body) == fingerprint(signal):
            return ""
        try:
            await self.actor.patch(child.resource, child.name, child.namespace, _handing(body, signal), run)
        except AccessDeniedError as error:
            return str(error)
        return ""


def _handed(body: Body) -> str | None:
    """Give which signal a run was handed last."""
    found: str | None = (body["metadata"].get("annotations") or {}).get(SIGNAL_ANNOTATION)
    return found


def _handing(body: Body, signal: Signal) -> list[dict[str, Any]]:
    path, mark = "/metadata/annotations", fingerprint(signal)
    marked = {"op": "add", "path": path, "value": {SIGNAL_ANNOTATION: mark}}
    if body["metadata"].get("annotations"):
        marked = {"op": "add", "path": f"{path}/{SIGNAL_ANNOTATION.replace('/', '~1')}", "value": mark}
    return [
        {"op": "test", "path": "/metadata/uid", "value": body["metadata"]["uid"]},
        marked,
        {"op": "add", "path": "/spec/signal", "value": handed_on(signal, signal.state)},
    ]
