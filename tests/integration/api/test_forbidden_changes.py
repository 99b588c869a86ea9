"""Fields that are fixed at creation: the API server refuses that they change, come or go, and says the mend."""

import pytest

from cluster.kubectl import Kubectl
from support.full_manifests import ACTION_SPEC, CLUSTER_PROVIDER_SPEC, EVENT_SPEC, PROVIDER_SPEC
from support.refusals import assert_says, create, manifest, merge, merge_refusal
from taskaction.api.action_event import ActionEventSpec
from taskaction.api.task_action import TaskActionSpec
from taskaction.api.task_action_rules import MUTABLE_SPEC_FIELDS

NEW_ACTION = "is immutable: delete the action and create a new one"
PARAMETERS = "spec.parameters are immutable; make a new action instead"
CHANGED_ACTION = {
    "executor": "sleep",
    "providerRef": {"name": "other"},
    "parameters": {"text": "b"},
    "parametersFrom": [{"parameter": "region", "configMapKeyRef": {"name": "other", "key": "k"}}],
    "parentRef": {"name": "other"},
    "childPolicy": "Keep",
    "idempotencyKey": "twice",
    "notAfter": "2998-01-01T00:00:00Z",
    "partitionKey": "market",
    "timeouts": {"total": "3h"},
    "retryPolicy": {"limit": 4},
    "runAs": {"serviceAccountName": "other"},
}
CHANGED_EVENT = {
    "target": {"name": "other"},
    "correlationKey": "job-2",
    "scope": {"executor": "http"},
    "type": "Update",
    "payload": {"state": "undone"},
    "content": {"size": 2},
    "sender": "somebody else",
    "receivedAt": "2026-02-01T00:00:00Z",
    "ttlSeconds": 61,
}
SEEN_BY_POLICY_ONLY = {
    "a value": {"text": "b"},
    "a type": {"number": "1"},
    "a new key": {"new": 1},
    "a removed key": {"text": None},
    "a renamed key": {"text": None, "txet": "a"},
    "a key deep inside": {"list": [1, {"b": "d"}]},
    "the order of a list": {"list": [{"b": "c"}, 1]},
}
ALLOWED_CHANGES = {
    "suspend": {"suspend": False},
    "priority": {"priority": -5},
    "ttlSecondsAfterFinished": {"ttlSecondsAfterFinished": None},
    "signal": {"signal": {"value": "no"}},
    "abort": {"abort": {"reason": "enough"}},
}
OWNER = "is immutable: running actions would change their owner, so create a new provider"
ORDER = "is immutable: queued actions would lose their order, so create a new provider"
FIXED_IN_PROVIDERS = {
    "sharding changes": ("full", {"sharding": "Partition"}, OWNER),
    "sharding leaves its default": ("bare", {"sharding": "Action"}, OWNER),
    "the partition key changes": ("full", {"partitionKeyPath": "other"}, ORDER),
    "the partition key goes": ("full", {"partitionKeyPath": None}, ORDER),
    "a partition key comes": ("bare", {"partitionKeyPath": "shop"}, ORDER),
}


@pytest.fixture(scope="module")
def objects(shared: Kubectl) -> Kubectl:
    """Objects that bear every field (`full`), or hardly any (`bare`); nobody changes them."""
    create(shared, manifest("TaskAction", ACTION_SPEC, name="full"))
    create(shared, manifest("TaskAction", {"executor": "noop"}, name="bare"))
    create(shared, manifest("TaskAction", {"executor": "noop", "abort": {"reason": "enough"}}, name="aborted"))
    create(shared, manifest("TaskAction", {"providerRef": {"name": "p"}}, name="offered"))
    create(shared, manifest("ActionProvider", PROVIDER_SPEC, name="full"))
    create(shared, manifest("ActionProvider", {"executor": "noop"}, name="bare"))
    create(shared, manifest("ActionEvent", EVENT_SPEC, name="full"))
    create(shared, manifest("ActionEvent", {"type": "Webhook", "target": {"name": "a"}}, name="bare"))
    return shared


def test_every_field_of_the_specs_is_in_the_tables() -> None:
    names = {field.alias for field in TaskActionSpec.model_fields.values()}
    assert names == set(CHANGED_ACTION) | set(ALLOWED_CHANGES)
    assert set(ALLOWED_CHANGES) == MUTABLE_SPEC_FIELDS
    assert {field.alias for field in ActionEventSpec.model_fields.values()} == set(CHANGED_EVENT)


@pytest.mark.parametrize("field", sorted(CHANGED_ACTION.keys() - {"parameters", "providerRef"}))
def test_an_action_keeps_what_it_was_made_with(objects: Kubectl, field: str) -> None:
    changed = merge_refusal(objects, "ta", "full", {"spec": {field: CHANGED_ACTION[field]}})
    assert_says(changed, (f"spec.{field}", f"{field} {NEW_ACTION}"))
    removed = merge_refusal(objects, "ta", "full", {"spec": {field: None}})
    assert_says(removed, (f"spec.{field}", f"{field} {NEW_ACTION}"))


@pytest.mark.parametrize("field", sorted(CHANGED_ACTION.keys() - {"parameters", "executor"}))
def test_an_action_gets_nothing_that_it_was_made_without(objects: Kubectl, field: str) -> None:
    message = merge_refusal(objects, "ta", "bare", {"spec": {field: CHANGED_ACTION[field]}})
    assert_says(message, (f"spec.{field}", f"{field} {NEW_ACTION}"))


@pytest.mark.parametrize("change", SEEN_BY_POLICY_ONLY.values(), ids=SEEN_BY_POLICY_ONLY)
def test_parameters_do_not_change(objects: Kubectl, change: dict) -> None:
    message = merge_refusal(objects, "ta", "full", {"spec": {"parameters": change}})
    assert "spec.parameters" in message
    assert PARAMETERS in message or f"parameters {NEW_ACTION}" in message


@pytest.mark.parametrize(("name", "value"), [("full", None), ("bare", {"a": 1})], ids=["go", "come"])
def test_parameters_neither_come_nor_go(objects: Kubectl, name: str, value: object) -> None:
    message = merge_refusal(objects, "ta", name, {"spec": {"parameters": value}})
    assert_says(message, ("spec.parameters", f"parameters {NEW_ACTION}"))


def test_an_action_keeps_its_provider(objects: Kubectl) -> None:
    for change in ({"name": "other"}, {"kind": "ClusterActionProvider"}):
        message = merge_refusal(objects, "ta", "offered", {"spec": {"providerRef": change}})
        assert_says(message, ("spec.providerRef", f"providerRef {NEW_ACTION}"))


def test_an_executor_is_not_swapped_for_a_provider(objects: Kubectl) -> None:
    message = merge_refusal(objects, "ta", "bare", {"spec": {"executor": None, "providerRef": {"name": "p"}}})
    assert_says(message, (f"executor {NEW_ACTION}", f"providerRef {NEW_ACTION}"))


@pytest.mark.parametrize("change", ALLOWED_CHANGES.values(), ids=ALLOWED_CHANGES)
@pytest.mark.parametrize("name", ["full", "bare"])
def test_what_steers_a_running_action_may_change(objects: Kubectl, name: str, change: dict) -> None:
    spec = merge(objects, "ta", name, {"spec": change}, "--dry-run=server")["spec"]
    for field, wanted in change.items():
        if isinstance(wanted, dict):
            assert wanted.items() <= spec[field].items()  # beside what is stamped
        else:
            assert spec.get(field) == wanted


@pytest.mark.parametrize("abort", [None, {"reason": "never mind"}], ids=["taken back", "changed"])
def test_an_abort_stays(objects: Kubectl, abort: object) -> None:
    message = merge_refusal(objects, "ta", "aborted", {"spec": {"abort": abort}})
    assert_says(message, ("spec.abort", "cannot be changed or removed: create a new action instead"))


@pytest.mark.parametrize(("name", "change", "message"), FIXED_IN_PROVIDERS.values(), ids=FIXED_IN_PROVIDERS)
def test_a_provider_keeps_what_its_order_rests_on(objects: Kubectl, name: str, change: dict, message: str) -> None:
    (field,) = change
    assert_says(merge_refusal(objects, "ap", name, {"spec": change}), (f"spec.{field}", f"{field} {message}"))


@pytest.mark.parametrize("field", sorted(PROVIDER_SPEC.keys() - {"sharding", "partitionKeyPath"}))
def test_everything_else_of_a_provider_may_change(objects: Kubectl, field: str) -> None:
    found = merge(objects, "ap", "bare", {"spec": {field: PROVIDER_SPEC[field]}}, "--dry-run=server")
    assert found["spec"][field] == PROVIDER_SPEC[field]


def test_a_cluster_provider_keeps_its_sharding(shared: Kubectl) -> None:
    name = f"full-{shared.namespace}"
    create(shared, manifest("ClusterActionProvider", CLUSTER_PROVIDER_SPEC, name=name))
    try:
        message = merge_refusal(shared, "cap", name, {"spec": {"sharding": "Partition", "limits": None}})
        assert_says(message, ("spec.sharding", "create a new provider"))
        allowed = merge(shared, "cap", name, {"spec": {"allowedNamespaces": ["*"]}}, "--dry-run=server")
        assert allowed["spec"]["allowedNamespaces"] == ["*"]
    finally:
        shared("delete", "cap", name)


@pytest.mark.parametrize("field", CHANGED_EVENT)
def test_an_event_does_not_change(objects: Kubectl, field: str) -> None:
    message = merge_refusal(objects, "ae", "full", {"spec": {field: CHANGED_EVENT[field]}})
    assert_says(message, (f"spec.{field}", f"{field} is immutable: delete the event and create a new one"))
