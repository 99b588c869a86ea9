"""Executors that were written for Port Ocean, in the real operator on a real API server."""

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import (
    API_VERSION,
    action,
    all_finished,
    create,
    get_all,
    phase,
    reason,
    wait_for,
    wait_for_all,
    wait_for_phase,
)
from support.api import list_objects

pytestmark = pytest.mark.usefixtures("operator")


def test_what_an_executor_reports_becomes_the_status(kubectl: Kubectl) -> None:
    patches = [
        {"link": "https://target/7"},
        {"logs": ["nearly"]},
        {"status": "SUCCESS", "summary": "all done", "output": {"id": 7}},
    ]
    create(kubectl, [action("one", "ocean-report", {"patches": patches})])
    status = wait_for_phase(kubectl, "one", "Succeeded")["status"]
    assert (status["message"], status["output"]) == ("all done", {"id": 7})
    assert status["links"] == [{"name": "run", "url": "https://target/7"}]


def test_a_failure_that_is_reported_fails_the_action_in_its_words(kubectl: Kubectl) -> None:
    create(kubectl, [action("one", "ocean-report", {"patches": [{"status": "FAILURE", "summary": "not today"}]})])
    status = wait_for_phase(kubectl, "one", "Failed")["status"]
    assert status["error"] == {"code": "ExecutionFailed", "kind": "User", "message": "not today"}


def test_a_run_without_a_report_fails_and_says_what_to_report(kubectl: Kubectl) -> None:
    create(kubectl, [action("one", "ocean-report", {"patches": []})])
    assert reason(wait_for_phase(kubectl, "one", "Failed")) == "NoResultReported"


def test_a_run_that_goes_on_outside_has_its_id_on_record(kubectl: Kubectl) -> None:
    create(kubectl, [action("one", "ocean-trigger", {"job": kubectl.namespace})])
    running = wait_for(kubectl, "one", lambda found: "externalId" in found.get("status", {}))
    assert phase(running) == "Running"
    assert running["status"]["externalId"] == f"job-{kubectl.namespace}"
    assert reason(running) == "WaitingForCompletion"


def test_a_task_that_outlives_its_call_ends_the_action(kubectl: Kubectl) -> None:
    patches = [{"externalRunId": str(kubectl.namespace)}, {"status": "SUCCESS", "summary": "from a task"}]
    create(kubectl, [action("one", "ocean-report", {"patches": patches, "later": True})])
    status = wait_for_phase(kubectl, "one", "Succeeded")["status"]
    assert (status["message"], status["attempt"]) == ("from a task", 1)
    wait_until(lambda: not list_objects(kubectl, "actionevents"), timeout=30, what="no event")


def test_anybody_with_the_right_may_report_by_an_event(kubectl: Kubectl) -> None:
    create(kubectl, [action("one", "ocean-trigger", {"job": kubectl.namespace})])
    wait_for(kubectl, "one", lambda found: "externalId" in found.get("status", {}))
    payload = {"status": "FAILURE", "summary": "the job was lost"}
    spec = {"target": {"name": "one"}, "type": "Report", "payload": payload}
    create(kubectl, [{"apiVersion": API_VERSION, "kind": "ActionEvent", "metadata": {"name": "told"}, "spec": spec}])
    assert wait_for_phase(kubectl, "one", "Failed")["status"]["message"] == "the job was lost"


def test_runs_of_a_key_that_only_the_executor_knows_go_one_at_a_time(kubectl: Kubectl) -> None:
    keys = [f"key-{number % 3}" for number in range(12)]
    create(kubectl, [action(f"run-{number}", "ocean-partition", {"key": key}) for number, key in enumerate(keys)])
    found = wait_for_all(kubectl, lambda found: len(found) == len(keys) and all_finished(found))
    assert {name: phase(item) for name, item in found.items()} == dict.fromkeys(found, "Succeeded")
    assert found["run-4"]["status"]["partitionKey"] == "key-1"


def test_ocean_d03_a_partition_that_cannot_be_found_fails_the_action_with_a_reason(kubectl: Kubectl) -> None:
    create(kubectl, [action("bad", "ocean-partition", {}), action("good", "ocean-partition", {"key": "a"})])
    bad = wait_for_phase(kubectl, "bad", "Failed")
    assert reason(bad) == "PartitionKeyFailed"
    assert "KeyError: 'key'" in bad["status"]["message"]
    wait_for_phase(kubectl, "good", "Succeeded")


def test_ocean_d05_an_error_in_a_rate_check_is_seen_and_asked_again(kubectl: Kubectl) -> None:
    create(kubectl, [action("one", "ocean-limited")])
    waited = wait_for(kubectl, "one", lambda found: phase(found) in {"WaitingForResources", "Failed"})
    assert "no route to the target" in waited["status"]["message"]
    wait_for_phase(kubectl, "one", "Succeeded")
    assert len(get_all(kubectl)) == 1
