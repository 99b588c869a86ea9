"""Statuses across releases: this one reads what the former wrote, and the former reads what this one writes.

``tests/data/former_release`` holds what the former release wrote, and its schema of the status.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from support.lifecycle import ABORT, BROKEN, NOW, after, observed, running
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskActionStatus
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Paused, Pending, Succeeded
from taskaction.lifecycle.short_success import compact_success
from taskaction.lifecycle.state import Activity, CallEnded, CancelEnded, Event, Reconcile, Slot

DATA = Path(__file__).parents[2] / "data" / "former_release"
RUNNING = [one for one in json.loads((DATA / "running.json").read_text())["running"] if one["kind"] == "TaskAction"]
FORMER = Draft202012Validator(json.loads((DATA / "status_schema.json").read_text()))
FINISHED: dict[str, Any] = {
    "phase": "Succeeded",
    "reason": "Completed",
    "attempt": 1,
    "attempts": [{"number": 1, "phase": "Succeeded", "startedAt": "2026-11-30T15:33:20.603Z"}],
    "claim": {"at": "2026-11-30T15:33:20.603Z", "epoch": 1796052798, "holder": "former-0"},
    "conditions": [
        {
            "type": kind,
            "status": status,
            "reason": "Completed",
            "message": "",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-30T15:33:20.700Z",
        }
        for kind, status in (("Progressing", "False"), ("Succeeded", "True"), ("Failed", "False"), ("Finished", "True"))
    ],
    "history": [{"phase": "Succeeded", "at": "2026-11-30T15:33:20.700Z", "reason": "Completed", "message": ""}],
    "links": [],
    "observedGeneration": 1,
    "startedAt": "2026-11-30T15:33:20.603Z",
    "finishedAt": "2026-11-30T15:33:20.700Z",
}
STATUSES: dict[str, tuple[TaskActionStatus, Event, Activity]] = {
    "succeeded": (running(), CallEnded(Succeeded()), Activity.CALLING),
    "failed": (running(), CallEnded(BROKEN), Activity.CALLING),
    "outside": (running(), CallEnded(Pending(poll_after=1.0, external_id="job-7")), Activity.CALLING),
    "paused": (running(), CallEnded(Paused(message="sure?", reason=Reason.PAUSED)), Activity.CALLING),
    "queued": (TaskActionStatus(), Reconcile(), Activity.IDLE),
}


def without_empty(status: dict[str, Any]) -> dict[str, Any]:
    """Return a status without the empty lists and texts that this release leaves out."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: strip(part) for name, part in value.items() if part not in ("", [])}
        return [strip(part) for part in value] if isinstance(value, list) else value

    return {name: strip(part) for name, part in status.items() if part not in ("", [])}


@pytest.mark.parametrize("status", [*(one["status"] for one in RUNNING), FINISHED], ids=lambda one: one["phase"])
def test_nothing_of_a_former_status_is_lost(status: dict[str, Any]) -> None:
    assert TaskActionStatus.model_validate(status).to_json() == without_empty(status)


def test_a_former_final_status_stays_as_it_is() -> None:
    status = TaskActionStatus.model_validate(FINISHED)
    assert compact_success(status, is_claim_known=True).claim == status.claim
    decision = step(observed(status=status), Reconcile(), NOW)
    assert decision.status is status


@pytest.mark.parametrize(("status", "event", "activity"), STATUSES.values(), ids=STATUSES)
def test_the_former_release_finds_every_field_that_it_requires(
    status: TaskActionStatus, event: Event, activity: Activity
) -> None:
    decided = step(observed()._replace(status=status, activity=activity), event, NOW).status
    written = compact_success(decided, is_claim_known=False).to_json()
    assert [error.message for error in FORMER.iter_errors(written)] == []


def test_the_former_release_reads_a_cancelled_and_a_short_action() -> None:
    cancelled = observed()._replace(status=running(), activity=Activity.CANCELLING, abort=ABORT)
    short = step(observed()._replace(status=TaskActionStatus()), Slot(), NOW).status
    short = step(observed()._replace(status=short, activity=Activity.CALLING), CallEnded(Succeeded()), after(1)).status
    for status in (step(cancelled, CancelEnded(), NOW).status, compact_success(short, is_claim_known=False)):
        assert [error.message for error in FORMER.iter_errors(status.to_json())] == []
    assert "claim" not in compact_success(short, is_claim_known=False).to_json()
