"""``flow``: runs an ActionFlow as an action, so that flows nest; the action's account creates the ActionFlowRun.

The action owns the run. An abort of the action aborts the run, a signal of the action is forwarded to the run, and the
output of the run, also a stored one, is the output of the action.
"""

from datetime import timedelta
from typing import Any, Self

from pydantic import model_validator

from taskaction.api.base import DnsName, JsonObject
from taskaction.api.enums import ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Signal
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, Body
from taskaction.core.clock import Clock
from taskaction.core.constants import SIGNAL_ANNOTATION
from taskaction.core.names import child_name
from taskaction.executors.acting import Actor
from taskaction.executors.child import Child, ChildExecutor
from taskaction.executors.workloads.manifests import with_owner
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Pending, Succeeded
from taskaction.lifecycle.signals import fingerprint, is_fingerprint_of, to_child_signal
from taskaction.plugin.base import Run
from taskaction.plugin.errors import AccessDeniedError
from taskaction.plugin.origin import with_origin
from taskaction.plugin.parameters import Parameters
from taskaction.plugin.storage import StorageError
from taskaction.plugin.stored_outputs import OutputLostError, StoredOutputs, find_stored_output
from taskaction.plugin.toolbox import Followed, Toolbox

_LOOK = 60.0
"""Seconds between polls of a paused run; its changes arrive by the watch as well."""
_PATIENCE = timedelta(minutes=10)
"""How long to wait while a ResourceQuota leaves no room for the run: as long as a pod may, by default."""


class FlowParameters(Parameters):
    """Parameters of ``flow``."""

    flow: DnsName | None = None
    """The ActionFlow to run, in the action's namespace. Set either this or `definition`."""
    definition: JsonObject | None = None
    """The definition of a flow. Set either this or `flow`."""
    input: JsonObject | None = None
    """The initial state of the run. Default `{}`."""
    tokens: JsonObject | None = None
    """Where the tokens of each `RunAs` role come from, as in `spec.tokens` of a run."""

    @model_validator(mode="after")
    def _one_flow(self) -> Self:
        if (self.flow is None) == (self.definition is None):
            raise ValueError("set exactly one of flow and definition")
        return self


class FlowExecutor(ChildExecutor):
    """Executor of a flow: creates an ActionFlowRun with the action's account and ends as the run ends."""

    ACTION_NAME = "flow"
    ACCEPTS_SECRETS = False
    PARAMETERS = FlowParameters
    TAKES_REPORTS = False  # the run may contain approvals

    def __init__(self, actor: Actor, followed: Followed, clock: Clock, outputs: StoredOutputs) -> None:
        super().__init__(actor, followed, clock)
        self._outputs = outputs

    @classmethod
    def build(cls, toolbox: Toolbox) -> "FlowExecutor":
        """Create the executor as the others, and with the storage of outputs that did not fit into their runs."""
        actor = Actor(toolbox.cluster, toolbox.closed_namespaces, toolbox.clock)
        return cls(actor, toolbox.followed, toolbox.clock, StoredOutputs(toolbox.storage))

    async def child(self, run: Run) -> Child:
        """Return the run of an attempt."""
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
        body = with_origin(with_owner(body, run, name), f"{run.uid}/{run.attempt}")
        return Child(resource=ACTION_FLOW_RUNS, body=body, patience=_PATIENCE)

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Return the outcome by the status of the run; forward a signal of the action to it."""
        status = body.get("status") or {}
        phase, message = status.get("phase", Phase.QUEUED), status.get("message") or child.title
        if phase == Phase.SUCCEEDED:
            return await self._succeed(run, child, body)
        if phase in {Phase.FAILED, Phase.TIMED_OUT, Phase.ABORTED}:
            code = (status.get("error") or {}).get("code") or status.get("reason") or "FlowFailed"
            return Failed(code=code, message=f"{child.title}: {message}", external_id=child.name)
        problem = await self._forward_signal(run, child, body)
        if phase == Phase.PAUSED:
            refused = f" (the signal is not forwarded: {problem})" if problem else ""
            return Paused(message=f"{child.title}: {message}{refused}", external_id=child.name, poll_after=_LOOK)
        return self.continue_polling(child)

    async def _succeed(self, run: Run, child: Child, body: Body) -> Outcome:
        """Return the success with the output of the run, wherever that is."""
        stored = find_stored_output(ACTION_FLOW_RUNS.kind, body)
        if stored is None:
            return Succeeded(output=body["status"].get("output"), external_id=child.name)
        try:
            output = await self._outputs.read(stored)
        except OutputLostError as error:
            message = f"{child.title} succeeded, but its output is lost: {error}"
            return Failed(code=Reason.OUTPUT_LOST, message=message, retry_class=None, external_id=child.name)
        except StorageError as error:
            message = f"{child.title} succeeded; waiting for the storage of its output: {error}"
            return Pending(poll_after=self.next_poll_delay(run), external_id=child.name, message=message, phase=None)
        return Succeeded(output=output, external_id=child.name)

    async def _forward_signal(self, run: Run, child: Child, body: Body) -> str:
        """Forward each signal of the action once, so that later signals of the run stay; return a problem."""
        signal = run.signal
        if signal is None or is_fingerprint_of(signal, _forwarded_fingerprint(body)):
            return ""
        try:
            await self.actor.patch(child.resource, child.name, child.namespace, _forward_operations(body, signal), run)
        except AccessDeniedError as error:
            return str(error)
        return ""


def _forwarded_fingerprint(body: Body) -> str | None:
    """Return the fingerprint of the last signal that was forwarded to the run."""
    found: str | None = (body["metadata"].get("annotations") or {}).get(SIGNAL_ANNOTATION)
    return found


def _forward_operations(body: Body, signal: Signal) -> list[dict[str, Any]]:
    path, mark = "/metadata/annotations", fingerprint(signal)
    marked = {"op": "add", "path": path, "value": {SIGNAL_ANNOTATION: mark}}
    if body["metadata"].get("annotations"):
        marked = {"op": "add", "path": f"{path}/{SIGNAL_ANNOTATION.replace('/', '~1')}", "value": mark}
    return [
        {"op": "test", "path": "/metadata/uid", "value": body["metadata"]["uid"]},
        marked,
        {"op": "add", "path": "/spec/signal", "value": to_child_signal(signal, signal.state)},
    ]
