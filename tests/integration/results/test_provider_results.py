"""R25 and R32: results of Action Providers reach the flow or stay at the provider, and ids are the provider's own."""

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.action_provider import ActionProvider
from support.actions import action, create, wait_for
from support.api import create_object, wait_for_object
from support.refusals import manifest

pytestmark = pytest.mark.usefixtures("operator")

SOON = {"initial": "100ms", "factor": 1, "max": "100ms"}
EVERYTHING = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 3}]
BY_NAME = [{"ErrorEquals": ["States.DataLimitExceeded"], "IntervalSeconds": 1, "MaxAttempts": 3}]


@pytest.fixture
def provider() -> Iterator[ActionProvider]:
    with ActionProvider() as found:
        yield found


def run(kubectl: Kubectl, provider: ActionProvider, body: dict[str, Any], **state: Any) -> dict[str, Any]:
    """Have a flow of one action run to its end, and return its status."""
    only = {"Type": "Action", "ActionUrl": provider.url, "Parameters": body, "ResultPath": "$.done", "End": True}
    states = {"Only": only | state} | ({"Caught": {"Type": "Pass", "End": True}} if "Catch" in state else {})
    definition = {"StartAt": "Only", "States": states}
    create_object(kubectl, manifest("ActionFlowRun", {"definition": definition}))
    found = wait_for_object(kubectl, "afr", "subject", lambda item: "finishedAt" in item.get("status", {}), 40)
    status: dict[str, Any] = found["status"]
    return status


def test_r25_a_result_of_40_kb_reaches_the_flow_and_is_released_then(
    kubectl: Kubectl, provider: ActionProvider
) -> None:
    status = run(kubectl, provider, {"size": 40_000}, Retry=EVERYTHING)
    assert status["phase"] == "Succeeded", status
    assert len(status["output"]["done"]["details"]["text"]) == 40_000
    assert status["output"]["done"]["action_id"] == "provider-0"
    wait_until(lambda: provider.asked["release"] == 1, timeout=20, what="the release")
    assert provider.asked["run"] == 1


@pytest.mark.parametrize("retry", [EVERYTHING, BY_NAME], ids=["by States.ALL", "by name"])
def test_r25_a_result_beyond_the_limit_is_neither_repeated_nor_released(
    kubectl: Kubectl, provider: ActionProvider, retry: list[dict[str, Any]]
) -> None:
    status = run(kubectl, provider, {"size": 300_000}, Retry=retry, ResultPath=None)
    assert (status["phase"], status["error"]["code"]) == ("Failed", "States.DataLimitExceeded"), status
    cause = str(status["error"])
    assert "provider-0" in cause
    assert "TASKACTION_STORAGE" in cause
    assert provider.asked == {"run": 1}
    assert "provider-0" in provider.actions


def test_r25_an_action_of_its_own_keeps_the_lower_limit_and_says_what_to_set(
    kubectl: Kubectl, provider: ActionProvider
) -> None:
    parameters = {"url": provider.url, "body": {"size": 40_000}, "poll": SOON}
    create(kubectl, [action("own", "globus", parameters, retryPolicy={"limit": 3})])
    status = wait_for(kubectl, "own")["status"]
    assert (status["phase"], status["reason"], status["attempt"]) == ("Failed", "OutputTooLarge", 1)
    for part in ("32768 bytes", "TASKACTION_STORAGE", "TASKACTION_MAX_OUTPUT_BYTES", "'provider-0'"):
        assert part in status["message"]
    assert (status["externalId"], "output" in status, "outputUri" in status) == ("provider-0", False, False)
    assert status["outputSize"] > 40_000
    assert provider.asked == {"run": 1}


@pytest.mark.parametrize(
    ("body", "action_id"),
    [({"fails": True}, "provider-0"), ({"refuse": True}, None)],
    ids=["failed at the provider", "refused by it"],
)
def test_r32_documents_of_failures_have_the_providers_id_or_none(
    kubectl: Kubectl, provider: ActionProvider, body: dict[str, Any], action_id: str | None
) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught", "ResultPath": "$.error"}]
    status = run(kubectl, provider, body, Catch=catch)
    error = status["output"]["error"]
    assert error.get("action_id") == action_id
    assert ("action_id" in error) == (action_id is not None)
