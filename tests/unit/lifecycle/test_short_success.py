"""The final status of a short success leaves out what its other fields say, and nothing else."""

from typing import Any

import pytest

from support.lifecycle import BROKEN, MY_CLAIM, NOW, after, observed, running
from taskaction.api.enums import Phase
from taskaction.api.task_action import Attempt, TaskActionStatus, Transition
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Outcome, Succeeded
from taskaction.lifecycle.short_success import compact_success
from taskaction.lifecycle.state import Activity, CallEnded, Slot


def ended(outcome: Outcome, **facts: Any) -> TaskActionStatus:
    """Return the final status of an action that starts now and whose call ends a second later."""
    started = step(observed(**facts), Slot(), NOW).status
    calling = observed(**facts)._replace(status=started, activity=Activity.CALLING)
    return step(calling, CallEnded(outcome), after(1)).status


def compacted(status: TaskActionStatus) -> TaskActionStatus:
    return compact_success(status, is_claim_known=False)


def test_the_stored_status_of_a_short_success_is_small() -> None:
    assert compacted(ended(Succeeded())).to_json() == {
        "phase": "Succeeded",
        "reason": "Completed",
        "conditions": [
            {"type": kind, "status": "True", "reason": "Completed", "lastTransitionTime": "2026-01-01T12:01:01.000Z"}
            for kind in ("Succeeded", "Finished")
        ],
        "observedGeneration": 2,
        "attempt": 1,
        "startedAt": "2026-01-01T12:01:00.000Z",
        "finishedAt": "2026-01-01T12:01:01.000Z",
    }


def test_what_a_short_success_returned_stays() -> None:
    status = compacted(ended(Succeeded(output={"a": []}, message="well done", external_id="job-7")))
    stored = status.to_json()
    assert (stored["output"], stored["message"], stored["externalId"]) == ({"a": []}, "well done", "job-7")
    assert {condition["message"] for condition in stored["conditions"]} == {"well done"}
    assert stored.keys().isdisjoint({"attempts", "history", "claim"})


def test_a_claim_that_the_server_may_have_stays() -> None:
    status = ended(Succeeded())
    assert (
        compact_success(status, is_claim_known=True).claim
        == status.claim
        == MY_CLAIM.model_copy(
            update={"at": NOW, "parameters_hash": status.claim.parameters_hash if status.claim else None}
        )
    )


LONGER: dict[str, tuple[str, dict[str, Any]]] = {
    "a second attempt": (
        "attempts",
        {
            "attempts": (
                Attempt(number=1, phase=Phase.FAILED, started_at=NOW, ended_at=NOW),
                Attempt(number=2, phase=Phase.SUCCEEDED, started_at=after(1), ended_at=after(1)),
            ),
            "attempt": 2,
        },
    ),
    "an attempt that waited for room": (
        "attempts",
        {
            "attempts": (
                Attempt(number=1, phase=Phase.SUCCEEDED, started_at=NOW, ended_at=after(1), running_at=after(1)),
            )
        },
    ),
    "a key of its own": (
        "attempts",
        {
            "attempts": (
                Attempt(number=1, phase=Phase.SUCCEEDED, started_at=NOW, ended_at=after(1), idempotency_key="k"),
            )
        },
    ),
    "a wait before the start": (
        "history",
        {
            "history": (
                Transition(phase=Phase.WAITING_FOR_RESOURCES, at=NOW, reason="QueueFull", message="full"),
                Transition(phase=Phase.RUNNING, at=NOW, reason="Executing"),
                Transition(phase=Phase.SUCCEEDED, at=after(1), reason="Completed"),
            )
        },
    ),
    "a pause": (
        "history",
        {
            "history": (
                Transition(phase=Phase.PAUSED, at=NOW, reason="WaitingForSignal", message="sure?"),
                Transition(phase=Phase.SUCCEEDED, at=after(1), reason="Completed"),
            )
        },
    ),
}


@pytest.mark.parametrize(("field", "changes"), LONGER.values(), ids=LONGER)
def test_what_no_other_field_says_stays(field: str, changes: dict[str, Any]) -> None:
    status = ended(Succeeded()).model_copy(update=changes)
    assert getattr(compacted(status), field) == getattr(status, field) != ()


@pytest.mark.parametrize("status", [ended(BROKEN), running()], ids=["failed", "running"])
def test_only_a_success_is_compacted(status: TaskActionStatus) -> None:
    assert compacted(status) is status
    assert status.attempts


def test_compacting_again_changes_nothing() -> None:
    once = compacted(ended(Succeeded()))
    assert compacted(once) is once


def test_a_reader_gets_the_same_status_that_was_compacted() -> None:
    once = compacted(ended(Succeeded(output=[None, {}, ""])))
    assert TaskActionStatus.model_validate(once.to_json()) == once


def test_empty_values_are_not_stored_but_those_of_an_output_are() -> None:
    status = TaskActionStatus(output={"list": [], "text": "", "nothing": None}, links=(), message=None)
    assert status.to_json() == {"phase": "Queued", "output": {"list": [], "text": "", "nothing": None}}
