"""What the end of an action is for the state that started it."""

from typing import Any

import pytest

from support.runs import NOW
from taskaction.api.task_action import TaskAction
from taskaction.control.flow_runs.translation import to_action_ended

STAMP = NOW.isoformat()
DOCUMENT = {"action_id": "theirs", "status": "ACTIVE", "details": {"files": 7}, "creator_id": "urn:x"}
LATE = {"phase": "TimedOut", "reason": "TotalTimeout", "message": "not finished within timeouts.total (3s)"}
NOT_STARTED = {"code": "ActionUnableToRun", "kind": "User", "message": "not started in time: no response"}
STARTED = {"attempt": 1, "externalId": "theirs"}
QUEUED = [
    {"phase": "WaitingForResources", "at": STAMP, "reason": "QueueFull", "message": "the queue is full"},
    {"phase": "TimedOut", "at": STAMP, "reason": "TotalTimeout", "message": LATE["message"]},
]


def ended(status: dict[str, Any], executor: str = "globus") -> Any:
    metadata = {"name": "a", "namespace": "n", "uid": "ours", "creationTimestamp": STAMP}
    body = {"metadata": metadata, "spec": {"executor": executor}, "status": {**status, "finishedAt": STAMP}}
    return to_action_ended("1", TaskAction.from_body(body))


@pytest.mark.parametrize("executor", ["globus", "custom"])
def test_a_timeout_has_the_last_status_that_the_provider_gave(executor: str) -> None:
    end = ended({**LATE, **STARTED, "output": DOCUMENT}, executor)
    assert (end.error, end.result, end.cause) == ("ActionTimeout", DOCUMENT, DOCUMENT)


def test_a_timeout_of_an_action_without_a_document_has_one_of_the_operator() -> None:
    end = ended({**LATE, "attempt": 1}, "http")
    assert (end.error, end.result["status"]) == ("ActionTimeout", "ACTIVE")
    assert end.result["details"] == {"code": "TotalTimeout", "description": LATE["message"]}


@pytest.mark.parametrize(
    ("status", "executor", "why"),
    [
        ({**LATE, "attempt": 1}, "globus", "the provider did not answer, and may have started it"),
        ({**LATE, "history": QUEUED}, "globus", "it waited: QueueFull: the queue is full"),
        ({**LATE, "history": QUEUED}, "http", "it waited: QueueFull: the queue is full"),
        (LATE, "http", LATE["message"]),
        ({**LATE, "attempt": 1, "error": NOT_STARTED, "message": NOT_STARTED["message"]}, "globus", "no response"),
        ({"phase": "Failed", "attempt": 1, "error": NOT_STARTED, "message": "no response"}, "globus", "no response"),
    ],
)
def test_what_was_never_reached_is_unable_to_run_with_the_reason(
    status: dict[str, Any], executor: str, why: str
) -> None:
    end = ended(status, executor)
    assert (end.error, end.result["status"]) == ("ActionUnableToRun", "FAILED")
    assert why in end.result["details"]["description"]
    assert "action_id" not in end.result
