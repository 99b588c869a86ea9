"""Schedules on a real API server: at their times, by several rules, after a crash, as an account, and deleted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.api import create_objects, get_object, list_objects
from support.operators import QUICK_LEASES, Operators
from support.people import binding, right
from support.refusals import assert_says, create, manifest, merge

SETTINGS = QUICK_LEASES
NOOP: dict[str, Any] = {"spec": {"executor": "noop"}}
LONG: dict[str, Any] = {"spec": {"executor": "approval"}}
ROBOT = {"serviceAccountName": "robot"}
JOB: dict[str, Any] = {"spec": {"executor": "noop", "runAs": ROBOT}}


def schedule(template: dict[str, Any] = NOOP, **spec: Any) -> dict[str, Any]:
    times = {} if "cron" in spec else {"interval": "1s"}
    return manifest("ActionSchedule", {**times, "template": template, **spec})


def status(kubectl: Kubectl) -> dict[str, Any]:
    return dict(get_object(kubectl, "as", "subject").get("status") or {})


def ready(kubectl: Kubectl) -> dict[str, Any]:
    return next((one for one in status(kubectl).get("conditions", ()) if one["type"] == "Ready"), {"reason": ""})


def until(check: Callable[[], bool], what: str) -> None:
    wait_until(check, timeout=30, what=what)


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def names(kubectl: Kubectl) -> list[str]:
    return sorted(one["metadata"]["name"] for one in list_objects(kubectl, "ta"))


def times(kubectl: Kubectl) -> list[int]:
    return [int(name.rpartition("-")[2]) for name in names(kubectl)]


@pytest.mark.usefixtures("operator")
def test_actions_are_made_each_second_until_the_end(kubectl: Kubectl) -> None:
    template = {"spec": {"executor": "noop", "parameters": {"output": {"at": "{{ schedule.time }}"}}}}
    create(kubectl, schedule(template, endAt=in_seconds(3), successfulHistoryLimit=10))
    until(lambda: ready(kubectl)["reason"] == "ScheduleEnded" and not status(kubectl)["activeCount"], "the end")
    found = times(kubectl)
    assert found == list(range(found[0], found[0] + len(found)))
    assert len(found) >= 2
    last = get_object(kubectl, "ta", f"subject-{found[-1]}")
    nominal = last["metadata"]["annotations"]["taskaction.dev/scheduled-time"]
    assert last["status"]["output"] == {"at": nominal}
    assert status(kubectl)["lastScheduledTime"] == nominal.replace("Z", ".000Z")
    assert (status(kubectl)["missed"], ready(kubectl)["status"]) == (0, "False")
    table = kubectl("get", "as", "subject").splitlines()
    assert table[0].split()[:4] == ["NAME", "CRON", "INTERVAL", "ZONE"]


@pytest.mark.usefixtures("operator")
def test_a_time_waits_with_forbid_and_nothing_is_made_while_suspended(kubectl: Kubectl) -> None:
    create(kubectl, schedule(LONG, concurrencyPolicy="Forbid"))
    until(lambda: status(kubectl).get("activeCount") == 1, "the first action")
    (first,) = names(kubectl)
    merge(kubectl, "as", "subject", {"spec": {"suspend": True}})
    until(lambda: ready(kubectl)["reason"] == "Suspended", "the suspension")
    merge(kubectl, "ta", first, {"spec": {"abort": {}}})
    kubectl("wait", f"ta/{first}", "--for=condition=Finished", "--timeout=30s")
    until(lambda: status(kubectl)["activeCount"] == 0, "the end of the first action")
    assert names(kubectl) == [first]
    merge(kubectl, "as", "subject", {"spec": {"suspend": False}})
    until(lambda: len(names(kubectl)) == 2, "the second action")


def test_times_that_no_operator_was_running_for_are_made_up_for(operators: Operators, kubectl: Kubectl) -> None:
    operators.kill()
    create(kubectl, schedule(catchUp={"policy": "All", "limit": 3}, successfulHistoryLimit=100))
    until(lambda: datetime.now(UTC) > created(kubectl) + timedelta(seconds=5), "five times")
    operators.start(SETTINGS)
    until(lambda: bool(status(kubectl).get("lastScheduledTime")), "the first decision")
    assert status(kubectl)["missed"] >= 2
    found = times(kubectl)
    assert len(found) >= 3
    assert found == list(range(found[0], found[0] + len(found)))
    assert found[0] > created(kubectl).timestamp() + 1


def created(kubectl: Kubectl) -> datetime:
    return datetime.fromisoformat(get_object(kubectl, "as", "subject")["metadata"]["creationTimestamp"])


@pytest.mark.usefixtures("operator")
def test_nothing_is_made_before_a_start_that_is_set_while_the_schedule_runs(kubectl: Kubectl) -> None:
    create(kubectl, schedule(successfulHistoryLimit=100))
    until(lambda: bool(names(kubectl)), "the first action")
    merge(kubectl, "as", "subject", {"spec": {"startAt": in_seconds(3600)}})
    until(lambda: "nextTime" in status(kubectl) and status(kubectl)["observedGeneration"] == 2, "the new start")
    moved = datetime.fromisoformat(status(kubectl)["nextTime"])
    assert moved > datetime.now(UTC) + timedelta(minutes=50)
    before = names(kubectl)
    until(lambda: datetime.now(UTC).timestamp() > times(kubectl)[-1] + 3, "three more seconds")
    assert names(kubectl) == before


@pytest.mark.usefixtures("operator")
def test_an_object_of_somebody_else_is_left_alone(kubectl: Kubectl) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    taken = f"subject-{start.timestamp():.0f}"
    create(kubectl, manifest("TaskAction", {"executor": "approval"}, name=taken))
    create(kubectl, schedule(interval="1h", startAt=start.strftime("%Y-%m-%dT%H:%M:%SZ")))
    until(lambda: ready(kubectl)["reason"] == "NameTaken", "the refusal")
    assert_says(ready(kubectl)["message"], (taken, "delete it"))
    assert (status(kubectl)["missed"], names(kubectl)) == (1, [taken])
    assert "ownerReferences" not in get_object(kubectl, "ta", taken)["metadata"]


@pytest.mark.usefixtures("operator")
def test_the_account_of_the_template_creates_the_objects_and_needs_the_right(kubectl: Kubectl) -> None:
    create(kubectl, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}})
    create(kubectl, schedule(JOB, catchUp={"policy": "Last"}))
    until(lambda: ready(kubectl)["reason"] == "Forbidden", "the refusal")
    assert_says(ready(kubectl)["message"], ("robot", "add a RoleBinding"))
    role, grant = binding("robot", (right("create", "taskactions"),))
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": kubectl.namespace}
    create_objects(kubectl, [role, grant | {"subjects": [subject]}])
    until(lambda: bool(names(kubectl)), "the first action")
    assert get_object(kubectl, "ta", names(kubectl)[0])["spec"]["runAs"] == ROBOT


@pytest.mark.usefixtures("operator")
def test_what_is_made_is_deleted_with_the_schedule_and_replaced_before(kubectl: Kubectl) -> None:
    create(kubectl, schedule(LONG, concurrencyPolicy="Replace"))
    until(lambda: len(names(kubectl)) == 1, "the first action")
    (first,) = names(kubectl)
    until(lambda: len(names(kubectl)) == 1 and first not in names(kubectl), "the second one instead")
    kubectl("delete", "as", "subject", "--wait=false")
    until(lambda: not names(kubectl), "the deletion of both")
