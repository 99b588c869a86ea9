"""What a crash of the operator leaves of an Ocean executor's runs; in Ocean they stay in progress for ever."""

import time

import pytest

from cluster.kubectl import Kubectl
from support.actions import action, create, get, phase, reason, wait_for, wait_for_phase
from support.operators import QUICK_LEASES, Operators


def test_ocean_d11_a_run_that_goes_on_outside_is_taken_over_and_not_repeated(
    kubectl: Kubectl, operators: Operators
) -> None:
    operators.start(QUICK_LEASES)
    create(kubectl, [action("one", "ocean-trigger", {"job": kubectl.namespace})])
    before = wait_for(kubectl, "one", lambda found: "externalId" in found.get("status", {}))
    operators.kill()
    operators.start(QUICK_LEASES)
    create(kubectl, [action("probe")])
    wait_for_phase(kubectl, "probe", "Succeeded")
    after = wait_for(kubectl, "one", lambda found: found["status"]["claim"] != before["status"]["claim"])
    assert phase(after) == "Running"
    assert (after["status"]["attempt"], after["status"]["externalId"]) == (1, before["status"]["externalId"])
    assert after["status"]["startedAt"] == before["status"]["startedAt"]
    operators.stop()


@pytest.mark.parametrize("retry_on", [None, ["Interrupted"]], ids=["by default", "with retryOn"])
def test_ocean_d11_a_run_that_was_cut_off_in_its_call_says_so(
    kubectl: Kubectl, operators: Operators, retry_on: list[str] | None
) -> None:
    operators.start(QUICK_LEASES)
    policy = {"retryPolicy": {"limit": 1, "retryOn": retry_on}} if retry_on else {}
    create(kubectl, [action("one", "ocean-trigger", {"job": kubectl.namespace, "seconds": 5}, **policy)])
    wait_for_phase(kubectl, "one", "Running")
    operators.kill()
    operators.start(QUICK_LEASES)
    if retry_on:
        again = wait_for(kubectl, "one", lambda found: found["status"].get("attempt") == 2)
        assert again["status"]["attempts"][0]["error"]["code"] == "Interrupted"
    else:
        assert reason(wait_for_phase(kubectl, "one", "Failed")) == "Interrupted"
    operators.stop()


def test_ocean_d10_a_shutdown_lets_a_call_end_and_its_result_be_written(kubectl: Kubectl, operators: Operators) -> None:
    operators.start(QUICK_LEASES)
    create(kubectl, [action("one", "ocean-trigger", {"job": kubectl.namespace, "seconds": 2})])
    wait_for_phase(kubectl, "one", "Running")
    started = time.monotonic()
    operators.stop()
    assert time.monotonic() - started < 15
    assert get(kubectl, "one")["status"]["externalId"] == f"job-{kubectl.namespace}"
