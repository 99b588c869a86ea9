"""What every process records of its requests to the API server."""

import pytest
from structlog.testing import capture_logs

from taskaction.cluster.rest import FinishedRequest
from taskaction.runtime import recorder
from taskaction.runtime.process_metrics import ProcessMetrics
from taskaction.runtime.recorder import ProcessRecorder


def request(*warnings: str) -> FinishedRequest:
    return FinishedRequest("create", "pods", "", 201, 0.1, warnings)


def test_a_warning_is_logged_once() -> None:
    recorded = ProcessRecorder(ProcessMetrics("operator"), "taskaction")
    with capture_logs() as lines:
        for _ in range(3):
            recorded.on_api_request(request("deprecated", "restricted"))
    assert [line["text"] for line in lines if line["event"] == "API server warns"] == ["deprecated", "restricted"]


def test_the_memory_of_warnings_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_MOST_WARNINGS", 2)
    recorded = ProcessRecorder(ProcessMetrics("operator"), "taskaction")
    with capture_logs() as lines:
        for number in range(5):
            recorded.on_api_request(request(str(number)))
    assert len(lines) == 5
    assert len(recorded._warned) <= 2
