"""What Port is told of an action, from its status and what was told before."""

from typing import Any

import pytest

from taskaction.api.enums import LogLevel, Phase
from taskaction.api.task_action import TaskAction
from taskaction.integrations.port.agent import wire
from taskaction.integrations.port.agent.reports import (
    EndReport,
    LogReport,
    Report,
    ReportedState,
    StartReport,
    deletion_report,
    due_reports,
)
from taskaction.integrations.port.agent.runs import PortRunKind


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000Z"


def step(second: int, phase: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"phase": phase, "at": at(second), "reason": reason, "message": message}


def action(*history: dict[str, str], **status: Any) -> TaskAction:
    phase = history[-1]["phase"] if history else "Queued"
    ended = {"finishedAt": at(59)} if Phase(phase).is_terminal else {}
    return TaskAction.from_body(
        {
            "metadata": {"name": "a", "uid": "u", "creationTimestamp": at(0)},
            "spec": {"executor": "noop"},
            "status": {
                "phase": phase,
                "history": history,
                "reason": history[-1]["reason"] if history else None,
                "message": (history[-1]["message"] if history else None) or None,
                **ended,
                **status,
            },
        }
    )


def reports(found: TaskAction, reported: ReportedState | None = None) -> list[Report]:
    return [report for report, _ in due_reports(found, reported or ReportedState())]


def after(found: TaskAction) -> ReportedState:
    return list(due_reports(found, ReportedState()))[-1][1]


RUNNING = step(1, "Running", "Executing")


@pytest.mark.parametrize(
    ("history", "status", "expected"),
    [
        ([], {}, []),
        ([step(1, "Queued", "Suspended", "held back by spec.suspend")], {}, []),
        ([RUNNING], {}, [LogReport(level=LogLevel.INFO, message="Executing", label="Running")]),
        (
            [RUNNING, step(2, "Queued", "BackingOff", "HTTP 503")],
            {},
            [
                LogReport(level=LogLevel.INFO, message="Executing", label="Running"),
                LogReport(level=LogLevel.WARN, message="HTTP 503", label="Retrying"),
            ],
        ),
        (
            [step(1, "WaitingForResources", "RateLimited", "until 10:00")],
            {},
            [LogReport(level=LogLevel.WARN, message="until 10:00", label="Rate limited")],
        ),
        (
            [step(1, "Paused", "SomethingOfAPlugIn", "approve, please")],
            {},
            [LogReport(level=LogLevel.INFO, message="approve, please", label="Paused")],
        ),
        (
            [RUNNING],
            {"externalId": "b-7", "links": [{"name": "build", "url": "https://ci/7"}]},
            [
                LogReport(level=LogLevel.INFO, message="Executing", label="Running"),
                StartReport(links=("https://ci/7",), external_id="b-7", label="Running"),
            ],
        ),
        (
            [RUNNING, step(2, "Succeeded", "Completed")],
            {"output": {"n": 1}},
            [EndReport(phase=Phase.SUCCEEDED, summary="succeeded", output={"n": 1})],
        ),
        (
            [RUNNING, step(2, "Succeeded", "Completed")],
            {"outputUri": "s3://b/1.json", "outputDigest": "sha256:" + "0" * 64, "outputSize": 40_000},
            [
                EndReport(
                    phase=Phase.SUCCEEDED,
                    summary="succeeded",
                    output={"outputUri": "s3://b/1.json", "outputSize": 40_000},
                )
            ],
        ),
        (
            [RUNNING, step(2, "Failed", "UnknownExecutor", "there is none")],
            {},
            [EndReport(phase=Phase.FAILED, summary="UnknownExecutor: there is none")],
        ),
        (
            [step(2, "Aborted", "Deleted", "the object is deleted")],
            {},
            [EndReport(phase=Phase.ABORTED, summary="Deleted: the object is deleted")],
        ),
        (
            [RUNNING, step(2, "TimedOut", "TotalTimeout")],
            {},
            [EndReport(phase=Phase.TIMED_OUT, summary="TotalTimeout")],
        ),
    ],
)
def test_port_is_told_what_has_happened(
    history: list[dict[str, str]], status: dict[str, Any], expected: list[Report]
) -> None:
    assert reports(action(*history, **status)) == expected


def test_what_was_told_is_not_told_again() -> None:
    found = action(RUNNING, step(2, "Paused", "Paused", "why"), externalId="x")
    assert reports(found, ReportedState.from_text(after(found).to_text())) == []


def test_only_what_is_new_is_told() -> None:
    before = after(action(RUNNING, externalId="x"))
    later = action(RUNNING, step(2, "Paused", "Paused", "why"), externalId="y")
    assert reports(later, before) == [
        LogReport(level=LogLevel.INFO, message="why", label="Paused"),
        StartReport(links=(), external_id="y", label="Paused"),
    ]


def test_changes_that_have_left_the_history_do_not_repeat_the_rest() -> None:
    told = after(action(RUNNING))
    assert reports(action(step(5, "Paused", "Paused", "why")), told) == [
        LogReport(level=LogLevel.INFO, message="why", label="Paused")
    ]


def test_nothing_is_told_after_the_end() -> None:
    found = action(RUNNING, step(2, "Succeeded", "Completed"))
    assert after(found).ended == "Succeeded"
    assert reports(found, ReportedState(ended="gone")) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"logged": 7}', '{"ended": null}'])
def test_a_note_that_makes_no_sense_counts_as_nothing_told(text: str) -> None:
    assert reports(action(RUNNING, step(2, "Succeeded", "Completed")), ReportedState.from_text(text))


PATH = "/v1/actions/runs/r%2F1"
NODE = "/v1/workflows/nodes/runs/r%2F1"


@pytest.mark.parametrize(
    ("kind", "report", "expected"),
    [
        (
            PortRunKind.ACTION,
            LogReport(level=LogLevel.WARN, message="m", label="Waiting"),
            [("POST", f"{PATH}/logs", {"message": "m", "statusLabel": "Waiting"})],
        ),
        (
            PortRunKind.ACTION,
            StartReport(links=("https://a",), external_id="7", label="Running"),
            [("PATCH", PATH, {"statusLabel": "Running", "link": "https://a", "externalRunId": "7"})],
        ),
        (
            PortRunKind.ACTION,
            EndReport(phase=Phase.SUCCEEDED, summary="done"),
            [("PATCH", PATH, {"status": "SUCCESS", "statusLabel": "Succeeded", "summary": "done"})],
        ),
        (
            PortRunKind.ACTION,
            EndReport(phase=Phase.TIMED_OUT, summary="TotalTimeout: late"),
            [("PATCH", PATH, {"status": "FAILURE", "statusLabel": "Timed out", "summary": "TotalTimeout: late"})],
        ),
        (
            PortRunKind.WORKFLOW_NODE,
            LogReport(level=LogLevel.WARN, message="m", label="Waiting"),
            [
                ("POST", f"{NODE}/logs", {"logs": [{"level": "WARN", "message": "m"}]}),
                ("PATCH", NODE, {"statusLabel": {"text": "Waiting"}}),
            ],
        ),
        (
            PortRunKind.WORKFLOW_NODE,
            StartReport(links=("https://a",), external_id="7", label="Running"),
            [
                (
                    "PATCH",
                    NODE,
                    {
                        "status": "IN_PROGRESS",
                        "statusLabel": {"text": "Running"},
                        "externalRunId": "7",
                        "links": ["https://a"],
                        "output": {"workflowRunUrl": "https://a"},
                    },
                )
            ],
        ),
        (
            PortRunKind.WORKFLOW_NODE,
            EndReport(phase=Phase.SUCCEEDED, summary="done", links=("https://a",), output={"n": 1}),
            [
                ("POST", f"{NODE}/logs", {"logs": [{"level": "INFO", "message": "done"}]}),
                (
                    "PATCH",
                    NODE,
                    {
                        "status": "COMPLETED",
                        "result": "SUCCESS",
                        "statusLabel": {"text": "Succeeded"},
                        "output": {"workflowRunUrl": "https://a", "n": 1},
                    },
                ),
            ],
        ),
        (
            PortRunKind.WORKFLOW_NODE,
            deletion_report(),
            [
                (
                    "POST",
                    f"{NODE}/logs",
                    {"logs": [{"level": "ERROR", "message": "Deleted: the TaskAction was deleted before it ended"}]},
                ),
                ("PATCH", NODE, {"status": "COMPLETED", "result": "FAILED", "statusLabel": {"text": "Aborted"}}),
            ],
        ),
    ],
)
def test_each_report_is_said_as_port_takes_it(
    kind: PortRunKind, report: Report, expected: list[tuple[str, str, dict[str, Any]]]
) -> None:
    said = [(request.method, request.path, request.body) for request in wire.report_requests(kind, "r/1", report)]
    assert said == expected


def test_claims_and_acknowledgements_are_those_of_oceans_client() -> None:
    claim = wire.claim_request(PortRunKind.ACTION, installation="a", limit=3, visibility_ms=30_000, exclude=["b"])
    assert (claim.method, claim.path) == ("POST", "/v1/actions/runs/claim-pending")
    assert claim.body == {"installationId": "a", "limit": 3, "visibilityTimeoutMs": 30_000, "exclude": ["b"]}
    node = wire.claim_request(PortRunKind.WORKFLOW_NODE, installation="a", limit=3, visibility_ms=1, exclude=[])
    assert (node.path, "exclude" in node.body) == ("/v1/workflows/runs/claim-pending", False)
    assert wire.acknowledge_request(PortRunKind.ACTION, "r").body == {"runId": "r"}
    assert wire.acknowledge_request(PortRunKind.WORKFLOW_NODE, "n").path == "/v1/workflows/runs/ack"
    assert wire.acknowledge_request(PortRunKind.WORKFLOW_NODE, "n").body == {"nodeRunIdentifier": "n"}


@pytest.mark.parametrize("answer", [None, [], {"runs": "x"}, {"runs": {"a": 1}}])
def test_an_answer_without_runs_is_no_claim(answer: object) -> None:
    with pytest.raises(ValueError, match="no list 'runs'"):
        wire.parse_claim(PortRunKind.ACTION, answer)


def line(number: int, message: str, level: str = "INFO") -> dict[str, Any]:
    return {"number": number, "at": at(number), "level": level, "message": message}


def progress(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"progress": {"message": "", "log": list(lines), **more}, "attempt": 1}


def logged(found: TaskAction, reported: ReportedState) -> list[tuple[str, str, str]]:
    said = [report for report in reports(found, reported) if isinstance(report, LogReport)]
    return [(str(report.level), report.message, report.label) for report in said]


def test_r38_lines_of_the_executor_are_reported_once_with_its_label() -> None:
    first = action(RUNNING, **progress(line(1, "one"), line(2, "two", "WARN"), label="Building"))
    assert logged(first, ReportedState())[1:] == [("INFO", "one", "Building"), ("WARN", "two", "Building")]
    told = after(first)
    assert told.lines == "1:2"
    assert ReportedState.from_text(told.to_text()) == told
    assert logged(first, told) == []
    more = action(RUNNING, **progress(line(2, "two"), line(3, "three")))
    assert logged(more, told) == [("INFO", "three", "Running")]
    dropped = action(RUNNING, **progress(line(9, "nine")))
    assert logged(dropped, told) == [("WARN", "6 earlier lines were not kept", "Running"), ("INFO", "nine", "Running")]
    again = action(RUNNING, **{**progress(line(1, "one")), "attempt": 2})
    assert logged(again, told) == [("INFO", "one", "Running")]


def test_r38_output_and_label_of_a_run_that_continues_are_reported_when_they_change() -> None:
    first = action(RUNNING, **progress(label="Building", output={"jobId": 7}))
    (start,) = [report for report in reports(first) if isinstance(report, StartReport)]
    assert (start.label, start.output) == ("Building", {"jobId": 7})
    told = after(first)
    assert reports(first, told) == []
    changed = action(RUNNING, **progress(label="Building", output={"jobId": 8}))
    assert [type(report) for report in reports(changed, told)] == [StartReport]
    (patch,) = wire.report_requests(PortRunKind.WORKFLOW_NODE, "n", start)
    assert (patch.body["output"], patch.body["statusLabel"]) == ({"jobId": 7}, {"text": "Building"})


def test_r38_the_label_of_the_end_is_the_executors_if_it_has_one() -> None:
    ended = [RUNNING, step(2, "Failed", "ExecutionFailed", "no")]
    found = [reports(action(*ended, **status))[-1] for status in (progress(label="Rejected"), {})]
    assert [report.label for report in found if isinstance(report, EndReport)] == ["Rejected", "Execution failed"]
