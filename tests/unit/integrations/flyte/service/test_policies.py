"""What a task says of retries and time reaches its action, within what an object can carry."""

import pytest
from flyteidl2.core.tasks_pb2 import TaskMetadata
from google.protobuf.json_format import ParseDict

from taskaction.api.retries_and_timeouts import RetryPolicy, Timeouts
from taskaction.integrations.flyte.service.policies import policies


@pytest.mark.parametrize(
    ("said", "retry", "timeouts"),
    [
        ({}, {"limit": 0}, None),
        ({"retries": {"retries": 2}}, {"limit": 2}, None),
        ({"retries": {"retries": 5000}}, {"limit": 100}, None),
        (
            {"retries": {"retries": 1, "backoff": {"base": "2s", "factor": 3, "cap": "60s"}}},
            {"limit": 1, "backoff": {"initial": "2s", "factor": 3, "max": "1m"}},
            None,
        ),
        (
            {"retries": {"backoff": {"base": "60s", "factor": 0, "cap": "1s"}}},
            {"limit": 0, "backoff": {"initial": "1m", "factor": 1, "max": "1m"}},
            None,
        ),
        ({"timeout": "90s"}, {"limit": 0}, {"running": "1m30s"}),
        ({"timeout": "0.000001s"}, {"limit": 0}, {"running": "1ms"}),
        ({"timeout": "-5s"}, {"limit": 0}, None),
        ({"timeout": "315576000000s"}, {"limit": 0}, {"running": "87600h"}),
        (
            {"timeouts": {"queuedTimeout": "60s", "deadline": "3600s"}},
            {"limit": 0},
            {"waiting": "1m", "total": "1h"},
        ),
    ],
)
def test_retries_and_times_are_taken_over(said, retry, timeouts):
    spec = policies(ParseDict(said, TaskMetadata()))
    assert spec["retryPolicy"] == {"systemLimit": 3, **retry}
    assert spec.get("timeouts") == timeouts
    RetryPolicy.model_validate(spec["retryPolicy"])
    Timeouts.model_validate(spec.get("timeouts", {}))
