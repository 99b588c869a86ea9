"""Actions and runs of flows as the API server shows them, and requests to create them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

from taskaction_client.types.action_flow_run import ActionFlowRunSpec, ActionFlowRunStatus
from taskaction_client.types.common import Phase
from taskaction_client.types.task_action import TaskActionSpec, TaskActionStatus

API_VERSION = "taskaction.dev/v1alpha1"
REQUEST_ID = "client.taskaction.dev/request-id"
"""Annotation by which the client recognizes an object that it has created, if the response was lost."""
BATCH = "client.taskaction.dev/batch"
"""Label of the objects of one batch, by which one watch shows all of them."""
TERMINAL: frozenset[Phase] = frozenset({"Succeeded", "Failed", "Aborted", "TimedOut"})
_LONGEST_PREFIX = 52
"""Names have at most 63 characters."""

SpecT = TypeVar("SpecT")
StatusT = TypeVar("StatusT")


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[SpecT, StatusT]):
    """An action or run at one moment.

    Attributes:
        body: the whole object, as the API server has sent it.
    """

    kind: ClassVar[str]
    plural: ClassVar[str]

    body: Mapping[str, Any]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Return the snapshot of an object from the API server."""
        return cls(body)

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return str(self.body["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        """The object's uid, which no other object ever has."""
        return str(self.body["metadata"]["uid"])

    @property
    def resource_version(self) -> str:
        """Version of the object, as the API server counts it."""
        return str(self.body["metadata"]["resourceVersion"])

    @property
    def spec(self) -> SpecT:
        """What was asked for."""
        return cast("SpecT", self.body["spec"])

    @property
    def status(self) -> StatusT:
        """What the operator has observed."""
        return cast("StatusT", self.body.get("status") or {})

    @property
    def phase(self) -> Phase:
        """Summary of the status; ``Queued`` as long as the operator has written none."""
        return cast("Phase", self._observed.get("phase") or "Queued")

    @property
    def reason(self) -> str:
        """Reason for the phase, in CamelCase; empty if there is none yet."""
        return str(self._observed.get("reason") or "")

    @property
    def message(self) -> str:
        """Message for people; empty if there is none yet."""
        return str(self._observed.get("message") or "")

    @property
    def output(self) -> Any:
        """The output as JSON, or None."""
        return self._observed.get("output")

    @property
    def has_ended(self) -> bool:
        """Whether the phase is terminal, and so never changes again."""
        return self.phase in TERMINAL

    @property
    def succeeded(self) -> bool:
        """Whether the action or run has ended with success."""
        return self.phase == "Succeeded"

    @property
    def _observed(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.body.get("status") or {})

    def __str__(self) -> str:
        """Return kind, namespace and name."""
        return f"{self.kind} {self.namespace}/{self.name}"


class Action(Snapshot[TaskActionSpec, TaskActionStatus]):
    """An action."""

    __slots__ = ()
    kind = "TaskAction"
    plural = "taskactions"


class FlowRun(Snapshot[ActionFlowRunSpec, ActionFlowRunStatus]):
    """A run of a flow."""

    __slots__ = ()
    kind = "ActionFlowRun"
    plural = "actionflowruns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[SpecT]):
    """What to create.

    Attributes:
        name: name of the object; by default one is generated from the spec.
        request_id: identifies the request. A request with the name and the id of an existing object returns that
            object, so a program may repeat it after a crash. By default a new id, for which another object of the same
            name is an ``AlreadyExistsError``.
    """

    spec: SpecT
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None

    def to_body(self, kind: str, namespace: str, labels: Mapping[str, str]) -> dict[str, Any]:
        """Return the object to create; its name and its id stay the same however often it is sent."""
        metadata = {
            "name": self.name or generate_name(cast("Mapping[str, Any]", self.spec)),
            "namespace": namespace,
            "annotations": {**self.annotations, REQUEST_ID: self.request_id or secrets.token_hex(16)},
        }
        if marked := {**self.labels, **labels}:
            metadata["labels"] = marked
        return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": self.spec}


def generate_name(spec: Mapping[str, Any]) -> str:
    """Return a new name from the executor, the provider or the flow, and a random part."""
    reference = spec.get("providerRef") or spec.get("flowRef")
    named = spec.get("executor") or (reference.get("name") if isinstance(reference, Mapping) else None) or "run"
    return f"{str(named)[:_LONGEST_PREFIX].rstrip('-.')}-{secrets.token_hex(5)}"


def is_same_request(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether a stored object was created by a request."""
    asked = sent["metadata"]["annotations"][REQUEST_ID]
    return bool((stored["metadata"].get("annotations") or {}).get(REQUEST_ID) == asked)
