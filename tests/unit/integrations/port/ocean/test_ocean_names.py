"""Calls and names as integrations for Ocean 0.48 to 0.56 have them; each must be taken as it is written there."""

import inspect
from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.runs import run, toolbox
from taskaction.integrations.port import ocean as names
from taskaction.integrations.port.ocean import (
    AbstractExecutor,
    AbstractWebhookProcessor,
    ActionExecutionError,
    ActionRun,
    ExecutionManager,
    IntegrationActionInvocationPayload,
    WebhookEvent,
    WebhookEventRawResults,
    WebhookRequestAdapter,
    WorkflowNodeRun,
    WorkflowNodeRunLog,
    WorkflowNodeRunStatus,
    ocean,
)
from taskaction.integrations.port.ocean.adapter import build_adapter
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.testing.conformance_parts import RecordedReports

CLIENT = ocean.port_client

PARAMETERS = {
    CLIENT.post_run_log: ["run", "message", "level", "status_label"],
    CLIENT.post_run_logs: ["run", "logs"],
    CLIENT.patch_run: ["run", "patch"],
    CLIENT.find_run_by_external_id: ["external_id"],
    CLIENT.is_run_in_progress: ["run"],
    CLIENT.update_run_started: ["run", "link", "external_id", "extra_output", "status_label"],
    CLIENT.report_run_completed: ["run", "success", "message", "status_label", "should_raise"],
    CLIENT.acknowledge_run: ["run"],
    ActionExecutionError: ["message", "status_label"],
    WebhookEvent: ["trace_id", "payload", "headers", "original_request", "group_id", "created_at"],
    WebhookRequestAdapter: ["raw_body", "headers"],
    WebhookEventRawResults: ["updated_raw_results", "deleted_raw_results"],
}
"""What Ocean's callers may give by place, in this order."""


@pytest.mark.parametrize("call", PARAMETERS, ids=lambda call: call.__qualname__)
def test_a_call_takes_what_ocean_takes_in_the_same_places(call: Any) -> None:
    expected = PARAMETERS[call]
    by_place = [
        name
        for name, parameter in inspect.signature(call).parameters.items()
        if parameter.kind in {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY}
    ]
    assert by_place[: len(expected)] == expected


def test_the_manager_takes_oceans_settings() -> None:
    given = dict.fromkeys(
        (
            "webhook_manager",
            "signal_handler",
            "runs_buffer_high_watermark",
            "workers_count",
            "poll_check_interval_seconds",
            "visibility_timeout_ms",
            "max_wait_seconds_before_shutdown",
            "max_runs_buffer_util_pct_per_action",
        )
    )
    assert inspect.signature(ExecutionManager).bind(**given).arguments == given


@pytest.mark.parametrize(
    "hook",
    [
        "authenticate",
        "validate_payload",
        "handle_event",
        "should_process_event",
        "get_matching_kinds",
        "get_processor_type",
        "before_processing",
        "after_processing",
        "on_error",
        "cancel",
        "should_retry",
        "calculate_retry_delay",
        "validate_webhook_setup",
        "get_live_event_log_identifiers",
    ],
)
def test_a_processor_may_call_what_it_inherits_in_ocean(hook: str) -> None:
    assert callable(getattr(AbstractWebhookProcessor, hook))


def test_every_name_that_is_offered_exists() -> None:
    assert {name for name in names.__all__ if not hasattr(names, name)} == set()


class Reporting(AbstractExecutor):
    ACTION_NAME = "reporting"

    def __init__(self, work: Any) -> None:
        self._work = work

    async def execute(self, run: Any) -> None:
        await self._work(run)


async def told(work: Any) -> tuple[Outcome, list[str]]:
    given = run()
    outcome = await build_adapter(Reporting(work), toolbox(FakeCluster())).execute(given)
    assert isinstance(given.reporter, RecordedReports)
    return outcome, [progress.message or "" for progress in given.reporter.progress_reports]


async def test_labels_are_shown_as_newer_integrations_give_them() -> None:
    async def work(given: Any) -> None:
        await CLIENT.update_run_started(given, "https://target/runs/7", "7", {"kind": "x"}, status_label="Dispatched")
        await CLIENT.post_run_log(given, "half done", level="WARNING", status_label="Waiting", should_raise=False)

    outcome, shown = await told(work)
    assert isinstance(outcome, Pending)
    assert outcome.external_id == "7"
    assert shown == ["Dispatched", "half done"]


@pytest.mark.parametrize("after_message", [("Gone wrong",), ("Gone wrong", True), (True,), (False,), ()])
async def test_a_failure_is_reported_as_older_and_as_newer_integrations_do(after_message: tuple[Any, ...]) -> None:
    outcome, _ = await told(
        lambda given: CLIENT.report_run_completed(given, False, "no such repository", *after_message)
    )
    assert isinstance(outcome, Failed)
    assert outcome.message == "no such repository"


async def test_lines_of_a_workflow_are_shown_by_their_message() -> None:
    async def work(given: Any) -> None:
        await CLIENT.post_run_logs(given, [WorkflowNodeRunLog(level="WARN", message="nearly"), "there"])
        await CLIENT.patch_run(given, {"statusLabel": {"text": "Done"}, "status": "SUCCESS"})

    outcome, shown = await told(work)
    assert outcome == Succeeded()
    assert shown[0] == "there"


def test_an_execution_error_bears_the_label_of_its_class_or_its_own() -> None:
    class RefusedError(ActionExecutionError):
        DEFAULT_STATUS_LABEL = "Refused"

    assert ActionExecutionError("no").status_label is None
    assert ActionExecutionError("no", "Not found").status_label == "Not found"
    assert RefusedError("no").status_label == "Refused"
    assert RefusedError("no", status_label="Later").status_label == "Later"


def test_a_run_names_the_action_that_was_invoked() -> None:
    payload = IntegrationActionInvocationPayload(integrationActionType="dispatch")
    recorded = ActionRun[IntegrationActionInvocationPayload].model_validate(
        {"id": "r", "status": "IN_PROGRESS", "payload": payload, "action": {"identifier": "deploy_it"}}
    )
    assert recorded.action_identifier == recorded.buffer_utilization_key == "deploy_it"


@pytest.mark.parametrize("place", ["config", "node"])
def test_a_workflows_node_is_read_from_a_claim_and_from_a_lookup(place: str) -> None:
    config = {
        "type": "INTEGRATION_ACTION",
        "installationId": "i",
        "integrationProvider": "github",
        "integrationInvocationType": "dispatch",
        "integrationActionExecutionProperties": {"repo": "r"},
    }
    found = WorkflowNodeRun.model_validate(
        {
            "identifier": "n",
            "nodeUid": "u",
            "status": WorkflowNodeRunStatus.IN_PROGRESS,
            "executionIdentity": {"type": "actor", "identifier": "ann"},
            place: config if place == "config" else {"config": config},
        }
    )
    assert (found.id, found.node_uid, found.action_type) == ("n", "u", "dispatch")
    assert found.execution_properties == {"repo": "r"}
    assert found.is_in_progress
    assert found.output == {}


def test_a_workflows_node_without_a_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match=r"config or node\.config"):
        WorkflowNodeRun.model_validate({"identifier": "n"})


async def test_a_signature_can_be_computed_over_the_bytes_of_a_delivery() -> None:
    request = WebhookRequestAdapter(b'{"a": 1}', {"x-signature": "s"})
    event = WebhookEvent(trace_id="t", payload={"a": 1}, headers=request.headers, original_request=request)
    copy = event.clone()
    assert copy._original_request is request
    assert await copy._original_request.body() == b'{"a": 1}'
    assert copy.created_at == event.created_at
