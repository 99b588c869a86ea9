"""R40 to R42: limits, ids and configuration of Ocean's executors in process are as in Ocean, or end with a reason."""

from typing import Any

import pytest

from cluster.kubectl import Kubectl
from support.actions import action, create, wait_for, wait_for_phase

pytestmark = pytest.mark.usefixtures("operator")

PREFIX = "OCEAN__INTEGRATION__CONFIG__"
SETTINGS = {
    "TASKACTION_RATE_CHECK_TIMEOUT": "1s",
    f"{PREFIX}LABELS": '["a"]',
    f"{PREFIX}AUTH__USER": "me",
    f"{PREFIX}PAGE_SIZE": "10",
}


def started(external_id: str, **more: Any) -> dict[str, Any]:
    return {"started": {"link": "https://target/7", "external_id": external_id, **more}}


def test_r40_a_permanent_error_in_a_rate_check_fails_after_a_bound(kubectl: Kubectl) -> None:
    create(kubectl, [action("one", "ocean-unlimited")])
    status = wait_for_phase(kubectl, "one", "Failed")["status"]
    assert status["error"]["message"] == "rate limit of the target unknown after 1s: KeyError: 'rate_limit'"


@pytest.mark.parametrize("length", [254, 1024, 5000])
def test_r41_an_id_of_any_length_is_recorded_and_found(kubectl: Kubectl, length: int) -> None:
    external_id = f"{kubectl.namespace}-".ljust(length, "x")
    create(kubectl, [action("one", "ocean-probe", started(external_id))])
    one = wait_for(kubectl, "one", lambda found: "externalId" in found.get("status", {}))
    stored = one["status"]["externalId"]
    assert stored == external_id if length <= 1024 else stored.startswith(external_id[:900])
    create(kubectl, [action("two", "ocean-probe", {"find": external_id})])
    found = wait_for_phase(kubectl, "two", "Succeeded")["status"]["output"]["found"]
    assert found == {"id": one["metadata"]["uid"], "status": "IN_PROGRESS"}


def test_r41_a_run_that_has_ended_is_found_with_its_status(kubectl: Kubectl) -> None:
    external_id = f"{kubectl.namespace}-ended"
    ends = [{"externalRunId": external_id}, {"status": "FAILURE", "summary": "no"}]
    create(kubectl, [action("one", "ocean-report", {"patches": ends})])
    one = wait_for_phase(kubectl, "one", "Failed")
    create(kubectl, [action("two", "ocean-probe", {"find": external_id})])
    found = wait_for_phase(kubectl, "two", "Succeeded")["status"]["output"]["found"]
    assert found == {"id": one["metadata"]["uid"], "status": "FAILURE"}


def test_r42_the_configuration_is_read_as_ocean_reads_it(kubectl: Kubectl) -> None:
    create(kubectl, [action("one", "ocean-probe", {"config": ["labels", "auth", "page_size", "greeting", "count"]})])
    found = wait_for_phase(kubectl, "one", "Succeeded")["status"]["output"]["config"]
    assert found == {"labels": ["a"], "auth": {"user": "me"}, "page_size": 10, "greeting": "hello", "count": None}
