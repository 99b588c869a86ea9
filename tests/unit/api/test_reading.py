"""Objects are read as the API server gives them: durations, moments, fields of a newer version, and their JSON form."""

import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from support import full_manifests as full
from taskaction.api.action_event import ActionEvent, ActionEventSpec
from taskaction.api.action_flow import ActionFlowSpec, ActionFlowStatus
from taskaction.api.action_flow_run import ActionFlowRunSpec, ActionFlowRunStatus
from taskaction.api.base import ApiModel, format_time
from taskaction.api.enums import Phase, ProviderKind, RetryClass
from taskaction.api.provider import ActionProvider, ActionProviderSpec, ClusterActionProvider, ClusterActionProviderSpec
from taskaction.api.retries_and_timeouts import BackoffPolicy, Timeouts
from taskaction.api.task_action import TaskAction, TaskActionSpec, TaskActionStatus
from taskaction.core.durations import format_duration, parse_duration

METADATA = {"name": "a", "namespace": "shop", "uid": "1-2-3", "creationTimestamp": "2026-01-31T09:30:00Z"}
ZONES = [UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))]
FULL = [
    (TaskActionSpec, full.ACTION_SPEC),
    (TaskActionStatus, full.ACTION_STATUS),
    (ActionProviderSpec, full.PROVIDER_SPEC),
    (ClusterActionProviderSpec, full.CLUSTER_PROVIDER_SPEC),
    (ActionEventSpec, full.EVENT_SPEC),
    (ActionFlowSpec, full.FLOW_SPEC),
    (ActionFlowStatus, full.FLOW_STATUS),
    (ActionFlowRunSpec, full.RUN_SPEC),
    (ActionFlowRunStatus, full.RUN_STATUS),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("90s", timedelta(seconds=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("1.5h", timedelta(minutes=90)),
        ("1m1m", timedelta(minutes=2)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_is_read(text: str, expected: timedelta) -> None:
    assert BackoffPolicy.model_validate({"initial": text}).initial == expected
    assert Timeouts.model_validate({"attempt": text}).attempt == expected


@pytest.mark.parametrize(
    "text", ["", "5", "5 s", "-5s", "1d", "5S", "1e3s", ".5s", "5s\n", "٣s", "s", "9" * 31 + "h", "1" * 33 + "s"]
)
def test_what_is_no_duration_is_named(text: str) -> None:
    with pytest.raises(ValidationError, match="attempt"):
        Timeouts.model_validate({"attempt": text})


@given(st.integers(min_value=0, max_value=2_562_047 * 3_600_000))
@settings(max_examples=100)
def test_a_duration_survives_being_written(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T10:30:00+01:00", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00.123456Z", datetime(2026, 1, 31, 9, 30, 0, 123456, tzinfo=UTC)),
        ("2026-01-31T09:30:00.123456789Z", datetime(2026, 1, 31, 9, 30, 0, 123456, tzinfo=UTC)),
    ],
    ids=["seconds", "a time zone", "microseconds", "nanoseconds, as Go writes them"],
)
def test_a_moment_is_read(text: str, expected: datetime) -> None:
    assert TaskActionSpec.model_validate({"notAfter": text}).not_after == expected


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z", "2026-01-31T09:30:00+24:00"]
)
def test_what_is_no_moment_is_named(text: str) -> None:
    with pytest.raises(ValidationError, match="notAfter"):
        TaskActionSpec.model_validate({"notAfter": text})


@given(st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31), timezones=st.sampled_from(ZONES)))  # noqa: DTZ001
@settings(max_examples=100)
def test_a_moment_is_written_in_utc_to_the_millisecond(moment: datetime) -> None:
    written = format_time(moment)
    assert written.endswith("Z")
    assert timedelta(0) <= moment - datetime.fromisoformat(written) < timedelta(milliseconds=1)


@pytest.mark.parametrize(("model", "body"), FULL, ids=[model.__name__ for model, _ in FULL])
def test_what_is_read_is_written_again(model: type[ApiModel], body: dict) -> None:
    assert model.model_validate(body).to_json() == body


@pytest.mark.parametrize(("model", "body"), FULL, ids=[model.__name__ for model, _ in FULL])
def test_fields_of_a_newer_version_are_passed_over(model: type[ApiModel], body: dict) -> None:
    newer = body | {"inventedLater": {"deep": [1]}}
    assert model.model_validate(newer) == model.model_validate(body)


@pytest.mark.parametrize(("model", "body"), FULL, ids=[model.__name__ for model, _ in FULL])
def test_what_is_read_cannot_be_changed(model: type[ApiModel], body: dict) -> None:
    read = model.model_validate(body)
    name = next(iter(type(read).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(read, name, None)


def test_an_action_without_a_status_is_queued() -> None:
    found = TaskAction.from_body({"metadata": METADATA, "spec": {"executor": "noop"}})
    assert found.status.phase is Phase.QUEUED
    assert found.metadata.namespace == "shop"
    assert found.spec.to_json() == {"executor": "noop", "parameters": {}, "parametersFrom": []}


def test_kinds_of_references_default_to_the_usual() -> None:
    spec = TaskActionSpec.model_validate({"providerRef": {"name": "p"}})
    assert spec.provider_ref is not None
    assert spec.provider_ref.kind is ProviderKind.ACTION_PROVIDER


def test_a_null_is_a_field_that_is_not_set() -> None:
    spec = TaskActionSpec.model_validate({"executor": "noop", "timeouts": None, "retryPolicy": None, "abort": None})
    assert spec == TaskActionSpec(executor="noop")


def test_classes_of_failure_are_read_in_their_order() -> None:
    spec = TaskActionSpec.model_validate({"executor": "noop", "retryPolicy": {"retryOn": ["Timeout", "Error"]}})
    assert spec.retry_policy is not None
    assert spec.retry_policy.retry_on == (RetryClass.TIMEOUT, RetryClass.ERROR)


@pytest.mark.parametrize(
    ("model", "spec", "field"),
    [
        (TaskAction, {"executor": "noop", "priority": 1001}, "spec.priority"),
        (TaskAction, {"executor": "noop", "parameters": [1]}, "spec.parameters"),
        (ActionProvider, {}, "spec.executor"),
        (ClusterActionProvider, {"executor": "noop", "sharding": "Namespace"}, "spec.sharding"),
        (ActionEvent, {"type": "webhook"}, "spec.type"),
    ],
    ids=["a bound", "a type", "a missing field", "a word unknown", "a pattern"],
)
def test_what_an_older_schema_let_through_is_named(model: type[ApiModel], spec: dict, field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"metadata": METADATA, "spec": spec})
    assert [".".join(str(part) for part in error["loc"]) for error in caught.value.errors()] == [field]


@pytest.mark.parametrize("phase", Phase)
def test_a_phase_is_final_or_started_or_neither(phase: Phase) -> None:
    assert phase.is_terminal == (phase in {"Succeeded", "Failed", "Aborted", "TimedOut"})
    assert phase.is_started == (phase in {"Initializing", "Running", "Paused"})


def test_a_double_that_kubernetes_writes_as_digits_is_read_as_one_everywhere() -> None:
    body = {
        "metadata": METADATA,
        "spec": {"executor": "noop", "parameters": {"a": [10**20]}, "signal": {"value": [10**19]}},
        "status": {"output": {"b": 10**20}},
    }
    action = TaskAction.from_body(body)
    assert action.spec.signal is not None
    found = [action.spec.parameters["a"][0], action.spec.signal.value[0], action.status.output["b"]]
    assert [(type(one), one) for one in found] == [(float, 1e20), (float, 1e19), (float, 1e20)]


def _new_body(number: int) -> dict[str, Any]:
    metadata = METADATA | {"name": f"queued-{number}", "uid": f"uid-{number}", "resourceVersion": str(number)}
    return {"metadata": metadata, "spec": {"executor": "noop"}, "status": {"phase": "Queued"}}


def test_new_actions_share_a_status_and_others_have_their_own() -> None:
    one, two = (TaskAction.from_body(_new_body(number)) for number in range(2))
    assert one.status is two.status
    assert one.status == TaskActionStatus.model_validate({"phase": "Queued"})
    waiting = TaskAction.from_body(_new_body(3) | {"status": {"phase": "Queued", "reason": "Suspended"}})
    assert waiting.status.reason == "Suspended"


def test_what_is_not_remembered_of_an_object_changes_neither_copies_nor_its_json() -> None:
    action = TaskAction.from_body(_new_body(1))
    whole = TaskAction.model_validate(_new_body(1))
    changed = action.spec.model_copy(update={"suspend": True})
    assert (changed.suspend, action.spec.suspend, action.spec.model_fields_set) == (True, None, set())
    assert action == whole
    assert action.to_json() == whole.to_json()


def test_a_queued_action_is_small_in_memory() -> None:
    bodies = [_new_body(number) for number in range(1000)]
    TaskAction.from_body(bodies[0])
    tracemalloc.start()
    try:
        kept = [TaskAction.from_body(body) for body in bodies]
        each = tracemalloc.get_traced_memory()[0] / len(kept)
    finally:
        tracemalloc.stop()
    assert each < 2048
