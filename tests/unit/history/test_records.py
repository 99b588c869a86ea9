"""What the history keeps of an object: everything that people search by, and nothing that is private."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.histories import action, record
from support.records import body
from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.core.constants import API_VERSION
from taskaction.history.records import deleted_record, finished_record
from taskaction.testing.clock import START

MILLISECONDS = int(START.timestamp() * 1000)
LATER = (START + timedelta(seconds=90)).isoformat()


def run(**spec: object) -> ActionFlowRun:
    found = body("one", status={"phase": "Failed", "finishedAt": LATER, "state": {"x": 1}, "stateUri": "s3://b/x"})
    return ActionFlowRun.from_body(found | {"kind": "ActionFlowRun", "spec": spec})


def test_a_finished_action_has_what_people_search_by() -> None:
    found = action(
        status={"reason": "Succeeded", "message": "done", "finishedAt": LATER, "attempt": 3},
        executor=None,
        providerRef={"kind": "ClusterActionProvider", "name": "ci"},
    )
    one = finished_record(
        found.model_copy(update={"metadata": found.metadata.model_copy(update={"labels": {"a": "b"}})}), 7
    )
    assert (one.uid, one.kind, one.namespace, one.name, one.version) == ("uid-of-one", "TaskAction", "team-a", "one", 7)
    assert (one.phase, one.reason, one.message, one.attempts) == ("Succeeded", "Succeeded", "done", 3)
    assert (one.executor, one.provider_kind, one.provider) == (None, "ClusterActionProvider", "ci")
    assert (one.created_at, one.started_at, one.ended_at) == (MILLISECONDS, MILLISECONDS, MILLISECONDS + 90_000)
    assert (one.duration, one.deleted_at, one.labels) == (90_000, None, {"a": "b"})


def test_a_run_is_recorded_without_what_only_an_unfinished_run_needs() -> None:
    one = finished_record(run(input={"a": 1}), 7)
    assert (one.kind, one.executor, one.provider, one.attempts, one.duration) == ("ActionFlowRun", None, None, 0, None)
    kept = json.loads(one.body)
    assert kept["spec"]["input"] == {"a": 1}
    assert kept["status"].keys().isdisjoint({"state", "stateUri", "privateState"})


def test_an_object_that_was_deleted_before_its_end_keeps_its_phase() -> None:
    at = START + timedelta(seconds=5)
    one = deleted_record(action(status={"phase": "Running", "finishedAt": None}), 7, at)
    assert (one.phase, one.ended_at, one.deleted_at, one.duration) == (
        "Running", MILLISECONDS + 5_000, MILLISECONDS + 5_000, 5_000,
    )  # fmt: skip


def test_an_unfinished_object_has_no_record_of_its_end() -> None:
    with pytest.raises(ValueError, match="has not finished"):
        finished_record(action(status={"phase": "Running", "finishedAt": None}), 1)


@pytest.mark.parametrize(
    ("owners", "spec", "expected"),
    [
        ((), {}, (None, None, None)),
        ((), {"parentRef": {"name": "p"}}, ("TaskAction", "p", None)),
        ((("taskaction.dev/v1", "ActionFlowRun"),), {"parentRef": {"name": "p"}}, ("ActionFlowRun", "o", "u")),
        ((("batch/v1", "Job"), (API_VERSION, "TaskAction")), {}, ("TaskAction", "o", "u")),
        ((("batch/v1", "Job"),), {}, (None, None, None)),
    ],
)
def test_the_owner_is_the_parent(owners, spec, expected) -> None:
    found = body("one", status={"phase": "Failed", "finishedAt": LATER}, **spec)
    references = [{"apiVersion": version, "kind": kind, "name": "o", "uid": "u"} for version, kind in owners]
    found["metadata"]["ownerReferences"] = references
    one = finished_record(type(action()).from_body(found), 1)
    assert (one.owner_kind, one.owner_name, one.owner_uid) == expected


NAMES = st.sampled_from(["a", "_private", "_private_token", "x_private", "_privat"])
JSON = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def names_in(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {name for inner in value.values() for name in names_in(inner)}
    return {name for inner in value for name in names_in(inner)} if isinstance(value, list) else set()


@given(parameters=st.dictionaries(NAMES, JSON, max_size=3), output=JSON)
def test_no_private_property_is_recorded(parameters, output) -> None:
    kept = json.loads(record(parameters=parameters, status={"output": output}).body)
    assert not any(name.startswith("_private") for name in names_in(kept))
    everything = names_in(parameters) | names_in(output)
    if not any(name.startswith("_private") for name in everything):
        assert kept["spec"].get("parameters", {}) == parameters


def test_a_copy_of_the_specification_in_an_annotation_is_not_recorded() -> None:
    found = body("one", status={"phase": "Failed", "finishedAt": LATER})
    found["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a"}
    kept = json.loads(finished_record(type(action()).from_body(found), 1).body)
    assert kept["metadata"]["annotations"] == {"team": "a"}


def test_a_character_that_postgresql_refuses_is_replaced() -> None:
    one = record(status={"message": "a\x00b"})
    assert one.message == "a�b"
    assert "\x00" not in one.body
