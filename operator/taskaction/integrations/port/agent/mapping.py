"""Mapping of runs to TaskActions: names, targets, labels and annotations, the same in every process; pure."""

import re
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from taskaction.api.base import DnsLabel, DnsName
from taskaction.api.enums import ProviderKind
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.core.constants import MESSAGE_LIMIT_CHARS, PORT_FINALIZER, PORT_UNREPORTED_LABEL
from taskaction.core.names import digest, dns_label, truncate
from taskaction.integrations.port.agent import annotations
from taskaction.integrations.port.agent.runs import MalformedRun, PortRun, PortRunKind
from taskaction.plugin.origin import with_origin

REFUSED_CODE = "PortRunRefused"
_KEY_CHARS = 253
_NAME_CHARS = 30
_MARK_CHARS = 16
_LABEL_CHARS = 63


class Target(BaseModel):
    """Executor or provider for the runs of one type: exactly one of the three fields."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    executor: DnsLabel | None = None
    provider: DnsName | None = None
    cluster_provider: DnsName | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(name is not None for name in (self.executor, self.provider, self.cluster_provider)) != 1:
            raise ValueError("set exactly one of executor, provider and clusterProvider")
        return self

    def spec(self) -> dict[str, Any]:
        """Return the fields of a TaskAction's spec that name the target."""
        if self.executor is not None:
            return {"executor": self.executor}
        if self.provider is not None:
            return {"providerRef": {"kind": str(ProviderKind.ACTION_PROVIDER), "name": self.provider}}
        return {"providerRef": {"kind": str(ProviderKind.CLUSTER_ACTION_PROVIDER), "name": self.cluster_provider}}


Targets = Mapping[str, Target]
"""By ``integrationActionType``."""
_TARGETS: TypeAdapter[dict[str, Target]] = TypeAdapter(dict[str, Target])


def read_targets(text: str) -> dict[str, Target]:
    """Parse the mapping from JSON; raises ``ValueError`` with the path of the invalid field."""
    try:
        return _TARGETS.validate_json(text or "{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".lstrip(": ")) from error


def plain_name(action_type: str) -> str | None:
    """Return the executor or provider that a type names by default: ``Dispatch_Workflow`` is ``dispatch-workflow``.

    None if the type has no character that a name allows.
    """
    return dns_label(action_type)[:_LABEL_CHARS].strip("-") or None


def action_name(installation: str, kind: PortRunKind, run_id: str) -> str:
    """Return the name of a run's action: the same in every agent and for every claim of the run."""
    readable = re.sub(r"[^a-z0-9]+", "-", run_id.lower())[:_NAME_CHARS].strip("-")
    mark = digest(f"{installation}\n{kind}\n{run_id}".encode())[:_MARK_CHARS]
    return "-".join(filter(None, ("port", readable, mark)))


def manifest(run: PortRun, target: Target, *, installation: str, agent: str) -> Body:
    """Return the action of a run: suspended until Port has accepted the acknowledgement."""
    spec = target.spec() | {"parameters": run.properties}
    return _manifest(run.kind, run.id, run.bucket, run.action_type, spec, installation=installation, agent=agent)


def refusal(run: PortRun | MalformedRun, run_id: str, reason: str, *, installation: str, agent: str) -> Body:
    """Return the action of a run that cannot run: it fails with the reason, and reports like any other."""
    parameters = {"message": truncate(reason, MESSAGE_LIMIT_CHARS), "code": REFUSED_CODE, "retryClass": None}
    spec = {"executor": "fail", "parameters": parameters}
    action_type = run.action_type if isinstance(run, PortRun) else ""
    return _manifest(run.kind, run_id, run.bucket, action_type, spec, installation=installation, agent=agent)


def _manifest(
    kind: PortRunKind,
    run_id: str,
    bucket: str,
    action_type: str,
    spec: Mapping[str, Any],
    *,
    installation: str,
    agent: str,
) -> Body:
    body = {
        "apiVersion": TASK_ACTIONS.api_version,
        "kind": TASK_ACTIONS.kind,
        "metadata": {
            "name": action_name(installation, kind, run_id),
            "labels": {
                annotations.INSTALLATION_LABEL: annotations.label_value(installation),
                annotations.KIND_LABEL: str(kind),
                PORT_UNREPORTED_LABEL: "true",
            },
            "annotations": {
                annotations.RUN_ANNOTATION: run_id,
                annotations.BUCKET_ANNOTATION: bucket,
                annotations.TYPE_ANNOTATION: action_type,
                annotations.ACKNOWLEDGEMENT_ANNOTATION: annotations.pending_acknowledgement(agent),
                annotations.REPORTED_ANNOTATION: "",
            },
            "finalizers": [PORT_FINALIZER],
        },
        "spec": {**spec, "suspend": True, "idempotencyKey": f"port:{kind}:{run_id}"[:_KEY_CHARS]},
    }
    return with_origin(body, annotations.run_origin(installation, kind, run_id))
