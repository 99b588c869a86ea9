"""Names, printer columns and selectable fields of the CRDs, around the generated schemas."""

from dataclasses import dataclass
from typing import Any

from taskaction.api.action_event import ActionEvent
from taskaction.api.action_flow import ActionFlow
from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.action_schedule import ActionSchedule
from taskaction.api.base import ApiModel
from taskaction.api.provider import ActionProvider, ClusterActionProvider
from taskaction.api.task_action import TaskAction
from taskaction.core.constants import GROUP, VERSION
from taskaction.crdgen.schema import Schema, structural_schema

_ENVELOPE: Schema = {
    "apiVersion": {"type": "string", "description": "The version of this schema."},
    "kind": {"type": "string", "description": "The kind of this object."},
    "metadata": {"type": "object"},
}


@dataclass(frozen=True, slots=True)
class Column:
    """Printer column of ``kubectl get``; a ``wide`` column appears only with ``-o wide``."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Kind of the API and how the API server serves it."""

    model: type[ApiModel]
    plural: str
    short: tuple[str, ...]
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    namespaced: bool = True
    status: bool = True

    @property
    def name(self) -> str:
        """Value of ``kind`` in objects."""
        return self.model.__name__

    @property
    def crd(self) -> str:
        """Name of the CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"


_AGE = Column("Age", ".metadata.creationTimestamp", "date")
_READY = (
    Column("Executor", ".spec.executor"),
    Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
    Column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
    Column("Queued", ".status.queued", "integer"),
    Column("Running", ".status.running", "integer"),
    _AGE,
    Column("Message", '.status.conditions[?(@.type=="Ready")].message', wide=True),
)

KINDS = (
    Kind(
        model=TaskAction,
        plural="taskactions",
        short=("ta",),
        columns=(
            Column("Phase", ".status.phase"),
            Column("Executor", ".spec.executor"),
            Column("Provider", ".spec.providerRef.name"),
            Column("Task", r".metadata.labels.flyte\.org/task"),
            Column("Attempt", ".status.attempt", "integer"),
            Column("Message", ".status.message"),
            _AGE,
            Column("Reason", ".status.reason", wide=True),
            Column("Parent", ".spec.parentRef.name", wide=True),
            Column("Partition", ".spec.partitionKey", wide=True),
            Column("External-Id", ".status.externalId", wide=True),
        ),
        selectable=(
            ".status.phase",
            ".spec.executor",
            ".spec.providerRef.name",
            ".spec.parentRef.name",
            ".spec.partitionKey",
        ),
    ),
    Kind(
        model=ActionProvider,
        plural="actionproviders",
        short=("ap",),
        columns=_READY,
        selectable=(".spec.executor",),
    ),
    Kind(
        model=ClusterActionProvider,
        plural="clusteractionproviders",
        short=("cap",),
        columns=_READY,
        selectable=(".spec.executor",),
        namespaced=False,
    ),
    Kind(
        model=ActionEvent,
        plural="actionevents",
        short=("ae",),
        columns=(
            Column("Type", ".spec.type"),
            Column("Target", ".spec.target.name"),
            Column("Sender", ".spec.sender"),
            _AGE,
            Column("Correlation-Key", ".spec.correlationKey", wide=True),
        ),
        selectable=(".spec.type", ".spec.target.name", ".spec.correlationKey"),
        status=False,
    ),
    Kind(
        model=ActionFlow,
        plural="actionflows",
        short=("af",),
        columns=(
            Column("Valid", '.status.conditions[?(@.type=="Valid")].status'),
            Column("Reason", '.status.conditions[?(@.type=="Valid")].reason'),
            Column("Title", ".spec.title"),
            _AGE,
            Column("Message", '.status.conditions[?(@.type=="Valid")].message', wide=True),
        ),
    ),
    Kind(
        model=ActionFlowRun,
        plural="actionflowruns",
        short=("afr",),
        columns=(
            Column("Phase", ".status.phase"),
            Column("Flow", ".spec.flowRef.name"),
            Column("State", ".status.states[0].name"),
            Column("Message", ".status.message"),
            _AGE,
            Column("Reason", ".status.reason", wide=True),
            Column("Label", ".spec.label", wide=True),
            Column("Tags", ".spec.tags", wide=True),
            Column("Visits", ".status.visits", "integer", wide=True),
            Column("Parent", ".spec.parentRef.name", wide=True),
        ),
        selectable=(".status.phase", ".spec.flowRef.name", ".spec.parentRef.name"),
    ),
    Kind(
        model=ActionSchedule,
        plural="actionschedules",
        short=("as",),
        columns=(
            Column("Cron", ".spec.cron"),
            Column("Interval", ".spec.interval"),
            Column("Zone", ".spec.timeZone"),
            Column("Suspend", ".spec.suspend", "boolean"),
            Column("Active", ".status.activeCount", "integer"),
            Column("Last", ".status.lastScheduledTime", "date"),
            Column("Next", ".status.nextTime"),
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            _AGE,
            Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', wide=True),
            Column("Message", '.status.conditions[?(@.type=="Ready")].message', wide=True),
            Column("Missed", ".status.missed", "integer", wide=True),
        ),
    ),
)
"""Every kind of the API."""


def crd_manifest(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of ``kind``."""
    schema = structural_schema(kind.model)
    schema["properties"] = {
        **_ENVELOPE,
        **{name: part for name, part in schema["properties"].items() if name != "metadata"},
    }
    schema["required"] = ["spec"]
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "selectableFields": [{"jsonPath": path} for path in kind.selectable],
    }
    if kind.status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": list(kind.short),
                "categories": ["actions"],  # not "taskaction": kubectl would resolve it to all kinds
            },
            "versions": [version],
        },
    }


def _column(column: Column) -> dict[str, Any]:
    result: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return result | ({"priority": 1} if column.wide else {})
