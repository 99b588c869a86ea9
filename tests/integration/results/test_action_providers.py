"""R26, R29 and R33: what an Action Provider is asked, and what a flow gets of its last words."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from support.actions import action, create, patch, wait_for
from support.api import get_object
from support.operators import QUICK_LEASES
from support.raw_target import Answer, RawRequest, RawTarget, raw_target, response
from support.refusals import create as create_object
from support.refusals import manifest

pytestmark = pytest.mark.usefixtures("operator")

SETTINGS = {**QUICK_LEASES, "TASKACTION_CANCEL_GRACE": "2s"}
SOON = {"initial": "200ms", "factor": 1, "max": "200ms"}
CAUGHT = [
    {"ErrorEquals": [name], "Next": "Next", "ResultPath": "$.end"} for name in ("ActionTimeout", "ActionUnableToRun")
]


def status(standing: str, **details: Any) -> bytes:
    document = {"action_id": "theirs", "status": standing, "details": details, "creator_id": "urn:x"}
    return response(202, json.dumps(document).encode())


def end_of(kubectl: Kubectl, url: str, seconds: int, **state: Any) -> dict[str, Any]:
    """Have a flow call a provider; give what its handler gets."""
    called = {"Type": "Action", "ActionUrl": url, "Parameters": {}, "WaitTime": seconds, "ResultPath": "$.end", **state}
    states = {"Call": {**called, "Catch": CAUGHT, "Next": "Next"}, "Next": {"Type": "Pass", "End": True}}
    create_object(kubectl, manifest("ActionFlowRun", {"definition": {"StartAt": "Call", "States": states}}, name="it"))
    kubectl("wait", "afr/it", "--for=condition=Finished", "--timeout=60s")
    found: dict[str, Any] = get_object(kubectl, "afr", "it")["status"]["output"]["end"]
    return found


# -- R26: timeouts -----------------------------------------------------------------------------------------------------


def polled_until_late(request: RawRequest) -> bytes:
    if request.line.endswith("/cancel"):
        return status("FAILED", code="Cancelled")
    return status("ACTIVE", files=7) if request.line.endswith("/status") else status("ACTIVE", files=0)


def test_r26_a_timeout_has_the_last_status_that_the_provider_gave(kubectl: Kubectl) -> None:
    with raw_target(polled_until_late) as target:
        end = end_of(kubectl, target.url, 3)
    assert (end["Error"], end["action_id"], end["status"]) == ("ActionTimeout", "theirs", "ACTIVE")
    assert end["details"] == {"files": 7}
    assert target.asked("POST /theirs/cancel")


def test_r26_a_paused_action_times_out_with_what_it_waited_for(kubectl: Kubectl) -> None:
    with raw_target(lambda request: status("INACTIVE", code="ConsentRequired")) as target:
        end = end_of(kubectl, target.url, 2)
    assert (end["Error"], end["status"], end["details"]) == ("ActionTimeout", "INACTIVE", {"code": "ConsentRequired"})


@contextmanager
def nobody() -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    with raw_target(answer) as target:
        yield target.url


@pytest.mark.parametrize(
    ("provider", "reason"),
    [
        (nobody, "not started in time: "),
        (lambda: answering(lambda _: response(503)), "not started in time: HTTP 503"),
        (lambda: answering(lambda _: b""), "not started in time: "),
    ],
    ids=["nobody listens", "unavailable", "closes"],
)
def test_r26_a_provider_that_was_never_reached_is_unable_to_run(
    kubectl: Kubectl, provider: Callable[[], Any], reason: str
) -> None:
    with provider() as url:
        end = end_of(kubectl, url, 3)
    assert (end["Error"], end["status"]) == ("ActionUnableToRun", "FAILED")
    assert end["details"]["description"].startswith(reason)
    assert "action_id" not in end


def test_r26_a_provider_that_never_answers_is_unable_to_run(kubectl: Kubectl) -> None:
    release = threading.Event()

    def hangs(_: RawRequest) -> bytes:
        release.wait(60)
        return b""

    with raw_target(hangs) as target:
        end = end_of(kubectl, target.url, 2, ActionScope="urn:x")
        release.set()
    assert (end["Error"], end["details"]["code"]) == ("ActionUnableToRun", "ActionUnableToRun")
    assert end["details"]["description"].endswith("; the provider did not answer, and may have started it")
    assert [one.line for one in target.received] == ["POST /run"]


# -- R29: introspection ------------------------------------------------------------------------------------------------


def test_r29_with_a_scope_the_provider_is_not_introspected(kubectl: Kubectl) -> None:
    with raw_target(lambda _: status("SUCCEEDED")) as target:
        end = end_of(kubectl, target.url, 30, ActionScope="https://auth.example.org/scopes/all")
    assert end["status"] == "SUCCEEDED"
    assert target.received[0].line == "POST /run"
    assert not target.asked("GET /")


# -- R33: requests without a body --------------------------------------------------------------------------------------


def without_body(target: RawTarget) -> dict[str, str | None]:
    return {one.line: one.header("Content-Type") for one in target.received if not one.body}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_r33_a_request_without_a_body_has_no_content_type(kubectl: Kubectl, method: str) -> None:
    with raw_target(lambda _: response()) as target:
        create(kubectl, [action("it", "http", {"method": method, "url": f"{target.url}/it"})])
        assert wait_for(kubectl, "it")["status"]["phase"] == "Succeeded"
    assert without_body(target) == {f"{method} /it": None}


def test_r33_a_cancel_and_a_release_of_a_provider_have_no_content_type(kubectl: Kubectl) -> None:
    with raw_target(polled_until_late) as target:
        create(kubectl, [action("it", "globus", {"url": target.url, "poll": SOON})])
        wait_for(kubectl, "it", lambda item: item.get("status", {}).get("externalId"))
        patch(kubectl, "it", {"abort": {}})
        wait_for(kubectl, "it")
    found = without_body(target)
    assert "POST /theirs/cancel" in found
    assert set(found.values()) == {None}
