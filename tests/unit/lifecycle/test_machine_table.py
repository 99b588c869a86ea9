"""Every phase meets every event: the table is the machine as a reader may check it, row by row."""

from dataclasses import dataclass

import pytest

from support.lifecycle import NOW, after, kinds, observed, status_in
from taskaction.api.enums import Phase
from taskaction.lifecycle.decisions import Decision, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Failed, Limited, Paused, Pending, Succeeded
from taskaction.lifecycle.state import Activity, CallEnded, CancelEnded, Event, Reconcile, Slot

EVENTS: dict[str, tuple[Event, Activity]] = {
    "look": (Reconcile(), Activity.IDLE),
    "slot": (Slot(), Activity.IDLE),
    "succeeded": (CallEnded(Succeeded(output=42)), Activity.CALLING),
    "pending": (CallEnded(Pending(poll_after=5, external_id="job-7")), Activity.CALLING),
    "paused": (CallEnded(Paused(message="approve me")), Activity.CALLING),
    "failed": (CallEnded(Failed(code="Broken", message="it broke")), Activity.CALLING),
    "limited": (CallEnded(Limited(retry_after=5)), Activity.CALLING),
    "stopped": (CancelEnded(), Activity.CANCELLING),
}
WAITING = (Phase.QUEUED, Phase.WAITING_FOR_RESOURCES)
STARTED = (Phase.INITIALIZING, Phase.RUNNING, Phase.PAUSED)
FINISHED = (Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.TIMED_OUT)
NEEDS_AN_ATTEMPT = ("succeeded", "pending", "paused")
"""What only an attempt can end in; the engine asks for a quota before it opens one, so the others come without."""


@dataclass(frozen=True)
class Row:
    phase: Phase
    reason: str | None
    write: Write
    effects: tuple[str, ...]

    @classmethod
    def of(cls, decision: Decision) -> "Row":
        status = decision.status
        return cls(status.phase, status.reason, decision.write, tuple(kinds(decision)))


def started(phase: Phase) -> dict[str, Row]:
    """Give the rows of an attempt under way; only what a look and a slot find differs."""
    poll = "Paused" if phase is Phase.PAUSED else "Executing"
    return {
        "look": Row(phase, poll, Write.NONE, ("Enqueue",)),
        "slot": Row(phase, poll, Write.NONE, ("Call",)),
        "succeeded": Row(Phase.SUCCEEDED, "Completed", Write.NOW, ("ExpireAt",)),
        "pending": Row(Phase.RUNNING, "WaitingForCompletion", Write.LATER, ("PollAt",)),
        "paused": Row(Phase.PAUSED, "Paused", Write.NOW, () if phase is Phase.PAUSED else ("RecordEvent",)),
        "failed": Row(Phase.FAILED, "Broken", Write.NOW, ("ExpireAt", "RecordEvent")),
        "limited": Row(phase, poll, Write.NONE, ("PollAt",)),
        "stopped": Row(Phase.FAILED, "Interrupted", Write.NOW, ("ExpireAt", "RecordEvent")),
    }


def not_started(phase: Phase) -> dict[str, Row]:
    return {
        "look": Row(phase, None, Write.NONE, ("Enqueue",)),
        "slot": Row(Phase.RUNNING, "Executing", Write.LATER, ("Call",)),
        "failed": Row(Phase.FAILED, "Broken", Write.NOW, ("ExpireAt", "RecordEvent")),
        "limited": Row(Phase.WAITING_FOR_RESOURCES, "RateLimited", Write.LATER, ("Park",)),
        "stopped": Row(phase, None, Write.NONE, ("Enqueue",)),
    }


def finished(phase: Phase) -> dict[str, Row]:
    return {event: Row(phase, "Ended", Write.NONE, ("ExpireAt",)) for event in EVENTS}


TABLE: dict[tuple[Phase, str], Row] = {
    (phase, event): row
    for phases, rows in ((WAITING, not_started), (STARTED, started), (FINISHED, finished))
    for phase in phases
    for event, row in rows(phase).items()
}


@pytest.mark.parametrize(("phase", "event"), [pytest.param(*pair, id=f"{pair[0].value}-{pair[1]}") for pair in TABLE])
def test_a_phase_meets_an_event(phase: Phase, event: str) -> None:
    happened, activity = EVENTS[event]

    decision = step(observed(status=status_in(phase), activity=activity), happened, NOW)

    assert Row.of(decision) == TABLE[phase, event]


def test_the_table_leaves_no_possible_pair_out() -> None:
    impossible = {(phase, event) for phase in WAITING for event in NEEDS_AN_ATTEMPT}

    assert set(TABLE) == {(phase, event) for phase in Phase for event in EVENTS} - impossible


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.is_terminal])
@pytest.mark.parametrize("event", ["Reconcile", None, CallEnded("Succeeded")], ids=["word", "none", "unknown-outcome"])  # type: ignore[arg-type]
def test_what_is_no_event_is_refused(phase: Phase, event: object) -> None:
    with pytest.raises(AssertionError):
        step(observed(status=status_in(phase)), event, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("phase", FINISHED)
def test_a_finished_status_stays_the_same_object(phase: Phase, event: str) -> None:
    status = status_in(phase)

    assert step(observed(status=status), EVENTS[event][0], after(86_400)).status is status
