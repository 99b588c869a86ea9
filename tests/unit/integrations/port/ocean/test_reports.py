"""What an Ocean executor reports in a call is the call's outcome; every way of reporting is read."""

import asyncio
from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.runs import run, toolbox
from taskaction.api.task_action import Progress, Signal
from taskaction.core.errors import ConfigurationError
from taskaction.integrations.port.agent.mapping import plain_name
from taskaction.integrations.port.ocean import (
    AbstractExecutor,
    AbstractWebhookProcessor,
    ActionExecutionError,
    ActionRun,
    IntegrationActionInvocationPayload,
    IntegrationRun,
    RunKind,
    RunStatus,
    UnknownRunError,
    UserAuthRequiredError,
    WorkflowNodeRun,
    WorkflowNodeRunLog,
    ocean,
)
from taskaction.integrations.port.ocean.adapter import OceanAdapter, build_adapter, executor_name
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Pending, Succeeded
from taskaction.plugin.base import Run
from taskaction.testing.conformance_parts import RecordedReports

SUCCESS, FAILURE, IN_PROGRESS = RunStatus.SUCCESS, RunStatus.FAILURE, RunStatus.IN_PROGRESS
CLIENT = ocean.port_client


class Recording(AbstractExecutor):
    """Does what a test says."""

    ACTION_NAME = "my_action"

    def __init__(self, work: Any) -> None:
        self.work = work
        self.given: list[ActionRun[Any]] = []

    async def execute(self, run: ActionRun[Any]) -> None:
        self.given.append(run)
        await self.work(run)


class Hooked(Recording):
    class Processor(AbstractWebhookProcessor):
        async def authenticate(self, payload: Any, headers: Any) -> bool:
            return True

        async def validate_payload(self, payload: Any) -> bool:
            return True

        async def handle_event(self, payload: Any, resource: Any) -> None:
            pass

    WEBHOOK_PROCESSOR_CLASS = Processor


def made(work: Any, kind: type[Recording] = Recording, cluster: Any = None) -> OceanAdapter:
    return build_adapter(kind(work), toolbox(cluster or FakeCluster()))


async def outcome(work: Any, given: Run | None = None, kind: type[Recording] = Recording) -> Outcome:
    return await made(work, kind).execute(given or run())


def patching(*patches: dict[str, Any]) -> Any:
    async def work(run: ActionRun[Any]) -> None:
        for patch in patches:
            await CLIENT.patch_run(run.id, patch)

    return work


async def test_the_run_has_the_fields_that_ocean_gives() -> None:
    adapter = made(patching({"status": SUCCESS}))
    await adapter.execute(run({"resource_id": "r-1"}))
    (given,) = adapter.ocean_executor.given  # type: ignore[attr-defined]
    assert isinstance(given, ActionRun)
    assert isinstance(given, IntegrationRun)
    assert not isinstance(given, WorkflowNodeRun)
    assert given.id == "uid-1"
    assert given.payload.type == "INTEGRATION_ACTION"
    assert given.payload.integrationActionType == given.action_type == "my_action"
    assert given.payload.integrationActionExecutionProperties == given.execution_properties == {"resource_id": "r-1"}
    assert (given.run_kind, given.buffer_utilization_key) == (RunKind.ACTION, "my-action")


def test_a_run_that_was_recorded_is_read_and_what_is_unknown_ignored() -> None:
    recorded = {
        "id": "r_1",
        "status": "IN_PROGRESS",
        "payload": {
            "type": "INTEGRATION_ACTION",
            "installationId": "mine",
            "integrationActionType": "my_action",
            "integrationActionExecutionProperties": {"a": 1},
            "somethingNew": True,
        },
        "action": {"identifier": "portal_action", "more": 1},
        "identityToken": "not of interest",
    }
    found = ActionRun.model_validate(recorded)
    assert isinstance(found.payload, IntegrationActionInvocationPayload)
    assert found.buffer_utilization_key == "portal_action"
    typed = ActionRun[IntegrationActionInvocationPayload].model_validate(recorded)
    assert typed.execution_properties == {"a": 1}
    assert WorkflowNodeRun.model_validate({"identifier": "n", "config": {}}).run_kind is RunKind.WORKFLOW_NODE


NAMES = {
    "my_action": "my-action",
    "dispatch_workflow": "dispatch-workflow",
    "triggerWorkflow": "triggerworkflow",
    "Dispatch_Workflow": "dispatch-workflow",
    "Lock User (prod)": "lock-user-prod",
    "already-fine": "already-fine",
    "__x__": "x",
}


@pytest.mark.parametrize(("name", "label"), NAMES.items())
def test_an_ocean_name_becomes_a_dns_label(name: str, label: str) -> None:
    assert executor_name(name) == label == plain_name(name)  # the Port agent's runs find the executor by it


@pytest.mark.parametrize("name", ["", "___", "x" * 64])
def test_a_name_that_gives_no_label_is_refused_with_the_mend(name: str) -> None:
    with pytest.raises(ConfigurationError, match="ACTION_NAME"):
        executor_name(name)


ENDS = {
    "success with a summary": ([{"status": SUCCESS, "summary": "done"}], Succeeded(message="done")),
    "success as text": ([{"status": "SUCCESS"}], Succeeded()),
    "an output": ([{"status": SUCCESS, "output": {"id": 7}}], Succeeded(output={"id": 7})),
    "the later report wins": (
        [{"status": FAILURE, "summary": "no"}, {"status": SUCCESS, "summary": "yes"}],
        Succeeded(message="yes"),
    ),
    "a log after the end": ([{"status": SUCCESS, "summary": "done"}, {"logs": ["more"]}], Succeeded(message="done")),
    "failure": ([{"status": FAILURE, "summary": "no"}], Failed(code="ExecutionFailed", message="no")),
    "failure with nothing but a log": (
        [{"logs": ["it broke"]}, {"status": FAILURE}],
        Failed(code="ExecutionFailed", message="it broke"),
    ),
    "failure with nothing at all": (
        [{"status": FAILURE}],
        Failed(code="ExecutionFailed", message="my_action reported a failure without a summary"),
    ),
}


@pytest.mark.parametrize(("patches", "expected"), ENDS.values(), ids=ENDS)
async def test_what_is_reported_in_execute_is_the_outcome(patches: Any, expected: Outcome) -> None:
    assert await outcome(patching(*patches)) == expected


WAITS = {
    "an external id": ([{"externalRunId": "x-1"}], Recording, "x-1"),
    "an external id by its older name": ([{"external_run_id": "x-1"}], Recording, "x-1"),
    "in progress": ([{"status": IN_PROGRESS}], Recording, None),
    "a webhook class and no report": ([], Hooked, None),
}


@pytest.mark.parametrize(("patches", "kind", "external_id"), WAITS.values(), ids=WAITS)
async def test_a_run_that_goes_on_outside_is_pending(patches: Any, kind: Any, external_id: str | None) -> None:
    found = await outcome(patching(*patches), kind=kind)
    assert isinstance(found, Pending)
    assert found.external_id == external_id


async def test_nothing_reported_and_nothing_to_wait_for_fails_and_says_what_to_do() -> None:
    found = await outcome(patching())
    assert isinstance(found, Failed)
    assert (found.code, found.retry_class) == ("NoResultReported", None)
    assert "report SUCCESS" in found.message


async def test_the_methods_of_the_port_client_report() -> None:
    async def work(run: ActionRun[Any]) -> None:
        await CLIENT.acknowledge_run(run)
        await CLIENT.update_run_started(run, "https://target/runs/7", "x-7", {"started": True})
        assert CLIENT.is_run_in_progress(run)
        assert await CLIENT.find_run_by_external_id("x-7") is run
        assert await CLIENT.find_run_by_external_id("x-8") is None
        await CLIENT.post_run_log(run, "half done", level="INFO", should_raise=False)
        await CLIENT.post_run_logs(run, [{"level": "INFO", "message": "nearly done"}])
        await CLIENT.report_run_completed(run, True, "done", should_raise=False)
        assert not CLIENT.is_run_in_progress(run)

    given = run()
    assert await outcome(work, given) == Succeeded(output={"started": True}, message="done")
    assert isinstance(given.reporter, RecordedReports)
    assert [(link.name, link.url) for link in given.reporter.links] == [("run", "https://target/runs/7")]
    messages = [progress.message for progress in given.reporter.progress_reports]
    assert messages == ["", "half done", "nearly done", "done"]  # the first has the output so far


async def test_lines_and_links_that_no_status_can_hold_are_cut_or_left_out() -> None:
    given = run()
    patches = {"logs": ["x" * 5000]}, {"link": ["https://a", "u" * 4000]}, {"link": {"url": "https://b"}}
    await outcome(patching(*patches, {"status": SUCCESS, "summary": "y" * 5000}), given)
    assert isinstance(given.reporter, RecordedReports)
    assert all(len(progress.message) <= 1024 for progress in given.reporter.progress_reports)
    assert [link.url for link in given.reporter.links] == ["https://a", "https://b"]


async def test_a_status_that_no_run_can_have_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match=r"status: .*WAITING"):
        await outcome(patching({"status": "WAITING"}))


async def test_a_run_that_this_process_never_had_cannot_be_reported_on() -> None:
    async def work(run: ActionRun[Any]) -> None:
        await CLIENT.patch_run("another", {"status": SUCCESS})

    with pytest.raises(UnknownRunError, match="another"):
        await outcome(work)


async def test_an_error_leaves_the_call_as_it_is() -> None:
    async def work(run: ActionRun[Any]) -> None:
        raise ActionExecutionError("the target said no", status_label="Refused")

    with pytest.raises(ActionExecutionError, match="the target said no"):
        await outcome(work)


async def test_a_user_who_must_authenticate_pauses_the_run_until_the_signal() -> None:
    tries: list[str] = []

    async def work(run: ActionRun[Any]) -> None:
        tries.append(run.id)
        if len(tries) == 1:
            raise UserAuthRequiredError("log in at https://target")
        await CLIENT.patch_run(run, {"status": SUCCESS})

    adapter = made(work)
    assert await adapter.execute(run()) == Paused(message="log in at https://target")
    assert isinstance(await adapter.poll(run(paused=True)), Paused)
    assert tries == ["uid-1"]
    assert await adapter.poll(run(paused=True, signal=Signal(value=True))) == Succeeded()


async def test_runs_side_by_side_do_not_mix() -> None:
    both = asyncio.Barrier(20)

    async def work(run: ActionRun[Any]) -> None:
        await both.wait()
        await CLIENT.patch_run(run.id, {"summary": f"for {run.id}"})
        await asyncio.sleep(0)
        await CLIENT.patch_run(run.id, {"status": SUCCESS})
        assert ocean.integration_config["of"] == run.id

    adapter = made(work)
    runs = [run(uid=f"uid-{number}", config={"of": f"uid-{number}"}) for number in range(20)]
    found = await asyncio.gather(*(adapter.execute(one) for one in runs))
    assert found == [Succeeded(message=f"for uid-{number}") for number in range(20)]


async def test_what_the_context_does_not_offer_says_where_to_look() -> None:
    with pytest.raises(AttributeError, match="porting-from-ocean"):
        _ = ocean.event_listener


# -- what is kept on the action ----------------------------------------------------------------------------------------


def last(given: Run) -> Progress:
    assert isinstance(given.reporter, RecordedReports)
    return given.reporter.progress_reports[-1]


NODE = {"taskaction.dev/port-run-kind": "workflow_node"}


async def test_r38_lines_labels_and_output_are_kept_for_the_next_call() -> None:
    async def work(run: IntegrationRun) -> None:
        await CLIENT.update_run_started(run, "https://t/7", "x-7", {"jobId": 7}, status_label="Building")
        await CLIENT.post_run_log(run, "half done", level="WARNING")

    async def ends(run: IntegrationRun) -> None:
        await CLIENT.post_run_logs(run, [WorkflowNodeRunLog(level="ERROR", message="careful")])
        await CLIENT.report_run_completed(run, True, "done", output={"exit": 0})

    first = run()
    assert isinstance(await outcome(work, first), Pending)
    kept = last(first)
    assert (kept.label, kept.output) == ("Building", {"jobId": 7})
    second = run(progress=kept, external_id="x-7")
    assert await outcome(ends, second) == Succeeded(message="done", output={"jobId": 7, "exit": 0})
    assert last(second).label is None  # that of the work is wrong after its end
    lines = [(line.number, str(line.level), line.message) for line in last(second).log or ()]
    assert lines == [(1, "WARN", "half done"), (2, "ERROR", "careful")]


async def test_r38_the_output_that_an_executor_sets_in_a_workflow_node_is_kept() -> None:
    async def work(run: IntegrationRun) -> None:
        assert isinstance(run, WorkflowNodeRun)
        run.output["agentId"] = "a-1"

    async def ends(run: IntegrationRun) -> None:
        assert isinstance(run, WorkflowNodeRun)
        assert run.output == {"agentId": "a-1"}
        run.output.update({"status": "FINISHED"})
        await CLIENT.report_run_completed(run, True)
        assert not CLIENT.is_run_in_progress(run)

    first = run(labels=NODE)
    assert isinstance(await outcome(work, first, Hooked), Pending)
    second = run(labels=NODE, progress=last(first))
    assert await outcome(ends, second, Hooked) == Succeeded(output={"agentId": "a-1", "status": "FINISHED"})


async def test_r38_a_workflow_node_that_has_started_has_its_link_in_the_output_as_in_ocean() -> None:
    async def work(run: IntegrationRun) -> None:
        await CLIENT.update_run_started(run, "https://t/7", "x-7", {"workflowRunId": 7})

    given = run(labels=NODE)
    assert isinstance(await outcome(work, given), Pending)
    assert last(given).output == {"workflowRunUrl": "https://t/7", "workflowRunId": 7}


@pytest.mark.parametrize(("result", "expected"), [("SUCCESS", Succeeded), ("FAILED", Failed), ("CANCELLED", Failed)])
async def test_r38_a_patch_of_a_workflow_node_ends_the_run(result: str, expected: type[Outcome]) -> None:
    patch = {"status": "COMPLETED", "result": result, "statusLabel": {"text": "Over"}}
    given = run(labels=NODE)
    assert isinstance(await outcome(patching(patch), given), expected)
    assert last(given).label == "Over"


async def test_r38_an_error_may_have_a_label() -> None:
    async def work(run: IntegrationRun) -> None:
        raise ActionExecutionError("no approval", status_label="Rejected")

    given = run()
    with pytest.raises(ActionExecutionError):
        await outcome(work, given)
    assert last(given).label == "Rejected"


async def test_r38_what_is_kept_is_bounded() -> None:
    async def work(run: IntegrationRun) -> None:
        for number in range(50):
            await CLIENT.post_run_log(run, f"{number}" + "x" * 5000)
        await CLIENT.patch_run(run, {"output": {"much": "x" * 20_000}, "statusLabel": "l" * 100, "status": "SUCCESS"})

    given = run()
    assert isinstance(found := await outcome(work, given), Succeeded)
    assert found.output == {"much": "x" * 20_000}
    kept = last(given)
    assert [line.number for line in kept.log or ()] == list(range(31, 51))
    assert {len(line.message) for line in kept.log or ()} == {1024}
    assert (len(kept.label or ""), kept.output) == (64, None)
