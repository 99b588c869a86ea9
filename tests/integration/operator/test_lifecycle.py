"""An action's life on a real API server: writes, retries, timeouts, suspension, expiry, and its parent's end."""

import time
from itertools import pairwise

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import (
    Body,
    action,
    condition,
    create,
    get,
    get_all,
    patch,
    phase,
    reason,
    wait_for,
    wait_for_phase,
)
from support.api import list_objects

pytestmark = pytest.mark.usefixtures("operator")

ASK = {"prompt": "?"}
PARENT = {"parentRef": {"kind": "TaskAction", "name": "parent"}}


def phases(item: Body) -> list[str]:
    return [entry["phase"] for entry in item["status"]["history"]]


def test_a_short_action_goes_from_queued_to_its_end_by_one_write(kubectl: Kubectl) -> None:
    create(kubectl, [action("short", parameters={"output": {"answer": 42, "nothing": None}})])
    ended = wait_for_phase(kubectl, "short", "Succeeded")
    assert ended["status"]["output"] == {"answer": 42, "nothing": None}
    assert ended["status"].keys() - {"claim"} == {  # a claim only if the start was written on its own
        "phase",
        "reason",
        "conditions",
        "observedGeneration",
        "attempt",
        "output",
        "startedAt",
        "finishedAt",
    }
    assert [one["type"] for one in ended["status"]["conditions"]] == ["Succeeded", "Finished"]
    managers = [entry for entry in ended["metadata"].get("managedFields", []) if entry.get("subresource") == "status"]
    assert len(managers) <= 1
    assert kubectl("wait", "ta/short", "--for=condition=Finished", "--timeout=5s")
    assert kubectl("wait", "ta/short", "--for=condition=Succeeded", "--timeout=5s")


def test_a_failing_action_is_retried_with_backoff_and_keeps_its_attempts(kubectl: Kubectl) -> None:
    retry = {"limit": 2, "backoff": {"initial": "100ms", "factor": 2, "jitter": 0}}
    create(kubectl, [action("flaky", "fail", {"times": 2}, retryPolicy=retry)])
    ended = wait_for_phase(kubectl, "flaky", "Succeeded")
    attempts = ended["status"]["attempts"]
    assert [(one["number"], one["phase"]) for one in attempts] == [(1, "Failed"), (2, "Failed"), (3, "Succeeded")]
    assert all(one["error"]["message"] == "failed on purpose" for one in attempts[:2])


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"executor": "sleep", "parameters": {"duration": "1h"}, "timeouts": {"attempt": "300ms"}}, "AttemptTimeout"),
        ({"executor": "sleep", "parameters": {"duration": "1h"}, "timeouts": {"total": "300ms"}}, "TotalTimeout"),
        (
            {"providerRef": {"kind": "ActionProvider", "name": "missing"}, "timeouts": {"queued": "300ms"}},
            "QueuedTimeout",
        ),
    ],
    ids=["attempt", "total", "queued"],
)
def test_each_timeout_has_its_own_reason(kubectl: Kubectl, spec: Body, why: str) -> None:
    create(kubectl, [{**action("late"), "spec": spec}])
    assert reason(wait_for_phase(kubectl, "late", "TimedOut")) == why


def test_a_suspended_action_waits_and_its_clocks_stand_still(kubectl: Kubectl) -> None:
    create(kubectl, [action("held", suspend=True, timeouts={"queued": "500ms"}), action("good")])
    wait_for(kubectl, "held", lambda item: reason(item) == "Suspended")
    wait_for_phase(kubectl, "good", "Succeeded")
    time.sleep(0.6)  # longer than its timeout
    assert reason(get(kubectl, "held")) == "Suspended"
    patch(kubectl, "held", {"suspend": False})
    wait_for_phase(kubectl, "held", "Succeeded")


def test_a_finished_action_is_deleted_when_its_time_has_come(kubectl: Kubectl) -> None:
    create(kubectl, [action("brief", ttlSecondsAfterFinished=1), action("kept")])
    wait_for_phase(kubectl, "kept", "Succeeded")
    wait_until(lambda: set(get_all(kubectl)) == {"kept"}, timeout=30, what="the brief one to be deleted")


@pytest.mark.parametrize(("policy", "left"), [("Keep", "Paused"), ("Abort", "Aborted")])
def test_what_a_finished_parent_means_for_its_children_is_its_policy(kubectl: Kubectl, policy: str, left: str) -> None:
    create(kubectl, [action("parent", "approval", ASK, childPolicy=policy), action("child", "approval", ASK, **PARENT)])
    wait_for_phase(kubectl, "child", "Paused")
    wait_for_phase(kubectl, "parent", "Paused")
    patch(kubectl, "parent", {"signal": {"value": True}})
    wait_for_phase(kubectl, "parent", "Succeeded")
    if policy == "Abort":
        assert reason(wait_for_phase(kubectl, "child", left)) == "ParentCompleted"
    else:
        patch(kubectl, "child", {"signal": {"value": True}})
        wait_for_phase(kubectl, "child", "Succeeded")


def test_actions_of_one_partition_run_one_after_the_other_in_the_order_of_their_creation(kubectl: Kubectl) -> None:
    names = [f"step-{number}" for number in range(4)]
    for name in names:  # one by one: within one second the order is that of the resource versions
        create(kubectl, [action(name, "sleep", {"duration": "300ms"}, partitionKey="line")])
    ended = {name: wait_for_phase(kubectl, name, "Succeeded")["status"] for name in names}
    spans = [(status["startedAt"], status["finishedAt"]) for status in ended.values()]
    assert spans == sorted(spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_an_aborted_action_says_who_and_why(kubectl: Kubectl) -> None:
    create(kubectl, [action("wrong", "approval", ASK)])
    wait_for_phase(kubectl, "wrong", "Paused")
    patch(kubectl, "wrong", {"abort": {"reason": "a typo"}})
    ended = wait_for_phase(kubectl, "wrong", "Aborted")
    assert "a typo" in condition(ended, "Finished")["message"]
    assert ended["spec"]["abort"]["by"]
    assert phases(ended) == ["Paused", "Aborted"] or phases(ended) == ["Running", "Paused", "Aborted"]


def test_events_tell_of_ends_that_people_act_on(kubectl: Kubectl) -> None:
    create(kubectl, [action("bad", "fail"), action("good")])
    wait_for_phase(kubectl, "bad", "Failed")
    wait_for_phase(kubectl, "good", "Succeeded")

    def told() -> dict[str, tuple[str, str]]:
        found = list_objects(kubectl, "events")
        return {item["involvedObject"]["name"]: (item["type"], item["reason"]) for item in found}

    wait_until(lambda: "bad" in told(), timeout=30, what="an event")
    assert told() == {"bad": ("Warning", "FailedOnPurpose")}


def test_a_deleted_action_is_gone_at_once_where_nothing_is_outside(kubectl: Kubectl) -> None:
    create(kubectl, [action("ask", "approval", ASK)])
    wait_for_phase(kubectl, "ask", "Paused")
    kubectl("delete", "ta", "ask", "--timeout=10s")
    assert not get_all(kubectl)


def test_kubectl_shows_what_people_want_to_know(kubectl: Kubectl) -> None:
    create(kubectl, [action("bad", "fail")])
    wait_for_phase(kubectl, "bad", "Failed")
    header, row = kubectl("get", "ta").splitlines()
    assert header.split() == ["NAME", "PHASE", "EXECUTOR", "PROVIDER", "TASK", "ATTEMPT", "MESSAGE", "AGE"]
    assert "Failed" in row
    assert "failed on purpose" in row
    assert phase(get(kubectl, "bad")) == "Failed"
