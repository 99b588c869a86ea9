"""What the API server accepts: CRDs and policies without a complaint, and manifests of which nothing is lost."""

from datetime import datetime

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.manifests import POLICIES
from local.policies import read
from support.api import get_object
from support.full_manifests import (
    ACTION_SPEC,
    ACTION_STATUS,
    CLUSTER_PROVIDER_SPEC,
    EVENT_SPEC,
    FLOW_SPEC,
    FLOW_STATUS,
    PROVIDER_SPEC,
    PROVIDER_STATUS,
    RUN_SPEC,
    RUN_STATUS,
)
from support.refusals import Body, create, manifest, merge
from taskaction.api.action_event import ActionEvent, ActionEventSpec
from taskaction.api.action_flow import ActionFlow, ActionFlowSpec, ActionFlowStatus
from taskaction.api.action_flow_run import ActionFlowRun, ActionFlowRunSpec, ActionFlowRunStatus
from taskaction.api.base import ApiModel, format_time
from taskaction.api.provider import (
    ActionProvider,
    ActionProviderSpec,
    ActionProviderStatus,
    ClusterActionProvider,
    ClusterActionProviderSpec,
)
from taskaction.api.task_action import TaskAction, TaskActionSpec, TaskActionStatus
from taskaction.crdgen.manifest import KINDS, Kind

OFFERED_SPEC = {
    "providerRef": {"kind": "ClusterActionProvider", "name": "p"},
    "parentRef": {"kind": "ActionFlowRun", "name": "run"},
    "runAs": {"serviceAccountName": "default"},
    "abort": {"reason": "enough"},
}
OWN_DEFINITION = {"definition": FLOW_SPEC["definition"], "abort": {"reason": "enough"}, "signal": {"value": 1}}
FULL = {
    "an action": (TaskAction, ACTION_SPEC, ACTION_STATUS),
    "an offered and aborted action": (TaskAction, OFFERED_SPEC, {}),
    "a provider": (ActionProvider, PROVIDER_SPEC, PROVIDER_STATUS),
    "a cluster provider": (ClusterActionProvider, CLUSTER_PROVIDER_SPEC, PROVIDER_STATUS),
    "an event": (ActionEvent, EVENT_SPEC, {}),
    "a flow": (ActionFlow, FLOW_SPEC, FLOW_STATUS),
    "a run": (ActionFlowRun, RUN_SPEC, RUN_STATUS),
    "a run of its own definition": (ActionFlowRun, OWN_DEFINITION, {}),
}
COMPLETE = [
    (TaskActionSpec, ACTION_SPEC | OFFERED_SPEC),
    (TaskActionStatus, ACTION_STATUS),
    (ActionProviderSpec, PROVIDER_SPEC),
    (ClusterActionProviderSpec, CLUSTER_PROVIDER_SPEC),
    (ActionProviderStatus, PROVIDER_STATUS),
    (ActionEventSpec, EVENT_SPEC),
    (ActionFlowSpec, FLOW_SPEC),
    (ActionFlowStatus, FLOW_STATUS),
    (ActionFlowRunSpec, RUN_SPEC | OWN_DEFINITION),
    (ActionFlowRunStatus, RUN_STATUS),
]


def kind_ids(kind: Kind) -> str:
    return kind.name


def policies() -> list[str]:
    """The validating policies of the project; the server checks the types of these only."""
    manifests = [found for path in sorted(POLICIES.glob("*.yaml")) for found in read(path)]
    return [found["metadata"]["name"] for found in manifests if found["kind"] == "ValidatingAdmissionPolicy"]


@pytest.mark.parametrize("kind", KINDS, ids=kind_ids)
def test_a_crd_is_established_without_a_complaint(crds: Cluster, kind: Kind) -> None:
    found = get_object(crds.kubectl, "crd", kind.crd)
    conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}  # NonStructuralSchema would be a third
    assert found["status"]["storedVersions"] == ["v1alpha1"]


@pytest.mark.parametrize("name", policies())
def test_the_server_finds_no_fault_in_the_types_of_a_policy(crds: Cluster, name: str) -> None:
    def status() -> Body:
        return dict(get_object(crds.kubectl, "validatingadmissionpolicy", name).get("status", {}))

    wait_until(lambda: "typeChecking" in status(), timeout=30, what=f"{name} to be checked", every=0.1)
    assert status()["typeChecking"].get("expressionWarnings", []) == []


def test_an_action_is_queued_as_soon_as_it_is_there(shared: Kubectl) -> None:
    assert create(shared, manifest("TaskAction", {"executor": "noop"}, name="new"))["status"] == {"phase": "Queued"}


@pytest.mark.parametrize(
    ("body", "field", "default"),
    [
        (
            manifest("TaskAction", {"providerRef": {"name": "p"}}),
            "providerRef",
            {"kind": "ActionProvider", "name": "p"},
        ),
        (
            manifest("TaskAction", {"executor": "noop", "parentRef": {"name": "p"}}),
            "parentRef",
            {"kind": "TaskAction", "name": "p"},
        ),
        (manifest("ActionProvider", {"executor": "noop"}), "sharding", "Provider"),
        (manifest("ClusterActionProvider", {"executor": "noop"}), "sharding", "Provider"),
        (manifest("ActionEvent", {"type": "Update", "correlationKey": "k"}), "ttlSeconds", 3600),
    ],
    ids=["provider", "parent", "sharding", "cluster-wide sharding", "time to live"],
)
def test_a_default_that_decides_is_stored(shared: Kubectl, body: Body, field: str, default: object) -> None:
    assert create(shared, body, "--dry-run=server")["spec"][field] == default


@pytest.mark.parametrize(
    ("body", "spec"),
    [
        (manifest("TaskAction", {"executor": "noop"}), {"executor": "noop"}),
        (manifest("TaskAction", {"executor": "noop", "abort": None, "suspend": None}), {"executor": "noop"}),
        (manifest("ClusterActionProvider", {"executor": "noop", "allowedNamespaces": []}), None),
        (manifest("TaskAction", {"executor": "noop", "parentRef": {"kind": "ActionFlowRun", "name": "subject"}}), None),
        (manifest("TaskAction", {"executor": "noop", "notAfter": "2026-01-31T10:30:00.5+01:00"}), None),
        (manifest("TaskAction", {"executor": "n" * 63}, name="n" * 63), None),
    ],
    ids=["the least", "nulls", "no namespaces", "a flow run of the same name", "a time zone", "the longest names"],
)
def test_what_is_at_the_edge_is_accepted(shared: Kubectl, body: Body, spec: Body | None) -> None:
    stored = create(shared, body, "--dry-run=server")["spec"]
    expected = spec or body["spec"]
    assert {name: stored[name] for name in stored if name != "sharding"} == expected


@pytest.mark.parametrize(("model", "full"), COMPLETE, ids=[model.__name__ for model, _ in COMPLETE])
def test_the_full_manifests_have_every_field(model: type[ApiModel], full: Body) -> None:
    assert {field.alias for field in model.model_fields.values()} == set(full)


@pytest.mark.parametrize(("model", "spec", "status"), FULL.values(), ids=FULL)
def test_nothing_is_lost_between_server_and_models(
    shared: Kubectl, model: type[ApiModel], spec: Body, status: Body
) -> None:
    kind, name = model.__name__, f"full-{shared.namespace}-{len(spec)}"
    stored = create(shared, manifest(kind, spec, name=name))
    try:
        if status:
            stored = merge(shared, kind, name, {"status": status}, "--subresource=status")
    finally:
        shared("delete", kind, name)
    read_back = model.model_validate(stored).to_json()
    stamps = [stored["spec"][field] for field in ("abort", "signal") if field in spec]
    for stamp in stamps:
        stamp["at"] = format_time(datetime.fromisoformat(stamp["at"]))  # the models keep milliseconds
    assert {field: read_back["spec"][field] for field in stored["spec"]} == stored["spec"]
    for stamp in stamps:
        del stamp["by"], stamp["at"]
    assert stored["spec"] == spec
    if status:
        assert stored["status"] == read_back["status"] == status
