"""Whatever an executor does, its action ends with a reason that says so, and every other action goes on."""

import pytest

from cluster.kubectl import Kubectl
from support.actions import action, condition, create, patch, reason, wait_for_phase

pytestmark = pytest.mark.usefixtures("operator")
SETTINGS = {"TASKACTION_CANCEL_GRACE": "500ms", "TASKACTION_DRAIN_TIMEOUT": "1s"}

FAULTS = {
    # fault: (the reason, a part of what the status says)
    "raises-cancelled": ("ExecutionFailed", "cancelled itself"),
    "raises-system-exit": ("ExecutionFailed", "SystemExit"),
    "raises-keyboard-interrupt": ("ExecutionFailed", "KeyboardInterrupt"),
    "raises-nothing-said": ("ExecutionFailed", "ValueError"),
    "raises-strange": ("ExecutionFailed", "not even an Exception"),
    "raises-group": ("ExecutionFailed", "two things"),
    "raises-a-megabyte": ("ExecutionFailed", "xxxxxxxx"),
    "returns-nothing": ("NoResultReported", "NoneType, which is not an outcome"),
    "returns-text": ("NoResultReported", "str, which is not an outcome"),
    "returns-an-object": ("InvalidOutput", "not valid JSON"),
    "returns-a-circle": ("InvalidOutput", "nested more than"),
    "returns-too-much": ("OutputTooLarge", "set TASKACTION_STORAGE to a folder"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_executor_fails_its_action_with_a_reason(kubectl: Kubectl, fault: str) -> None:
    create(kubectl, [action("bad", "faulty", {"fault": fault}), action("good")])
    expected, said = FAULTS[fault]
    bad = wait_for_phase(kubectl, "bad", "Failed")
    assert reason(bad) == expected
    assert said in bad["status"]["error"]["message"]
    assert len(bad["status"]["error"]["message"]) <= 4096
    wait_for_phase(kubectl, "good", "Succeeded")


def test_an_executor_that_hangs_is_stopped_by_its_timeout(kubectl: Kubectl) -> None:
    create(kubectl, [action("hung", "faulty", {"fault": "hangs"}, timeouts={"attempt": "500ms"}), action("good")])
    wait_for_phase(kubectl, "good", "Succeeded")
    assert reason(wait_for_phase(kubectl, "hung", "TimedOut")) == "AttemptTimeout"


def test_an_executor_that_will_not_stop_is_given_up_after_the_grace(kubectl: Kubectl) -> None:
    create(kubectl, [action("stubborn", "faulty", {"fault": "hangs-and-will-not-go"}), action("good")])
    wait_for_phase(kubectl, "good", "Succeeded")
    wait_for_phase(kubectl, "stubborn", "Running")
    patch(kubectl, "stubborn", {"abort": {"reason": "enough"}})
    finished = condition(wait_for_phase(kubectl, "stubborn", "Aborted"), "Finished")
    assert finished["reason"] == "Aborted"
    assert "enough" in finished["message"]


def test_a_flood_of_progress_becomes_one_write(kubectl: Kubectl) -> None:
    create(kubectl, [action("flood", "faulty", {"fault": "floods"}), action("good")])
    flood = wait_for_phase(kubectl, "flood", "Succeeded")
    wait_for_phase(kubectl, "good", "Succeeded")
    assert [link["name"] for link in flood["status"]["links"]] == [f"link-{number}" for number in range(484, 500)]
    assert flood["status"]["progress"]["message"] == "step 499"
    assert "history" not in flood["status"]  # it only started and succeeded


def test_an_executor_that_asks_to_be_polled_without_pause_is_polled_with_one(kubectl: Kubectl) -> None:
    create(kubectl, [action("eager", "faulty", {"fault": "polls-without-pause"}), action("good")])
    wait_for_phase(kubectl, "good", "Succeeded")
    wait_for_phase(kubectl, "eager", "Running")
    patch(kubectl, "eager", {"abort": {"reason": "enough"}})
    wait_for_phase(kubectl, "eager", "Aborted")


def test_an_executor_that_gives_an_id_no_status_can_hold_fails(kubectl: Kubectl) -> None:
    create(kubectl, [action("bad", "faulty", {"fault": "returns-a-long-id"}), action("good")])
    wait_for_phase(kubectl, "good", "Succeeded")
    bad = wait_for_phase(kubectl, "bad", "Failed")
    assert "externalId" in bad["status"]["error"]["message"]
