"""Writes of status that the API server refuses, whoever makes them: the fences against owners of the past."""

import pytest

from cluster.kubectl import Kubectl
from support.full_manifests import ACTION_STATUS, ERROR, LATER, MOMENT
from support.refusals import assert_says, create, manifest, merge, merge_refusal

STATUS = "--subresource=status"
RUNNING_ATTEMPT = {"number": 2, "phase": "Running", "startedAt": LATER}
ENDED_ATTEMPT = {"number": 2, "phase": "Failed", "startedAt": LATER, "endedAt": LATER, "error": ERROR}
CLAIM = {"holder": "replica-1", "epoch": 7, "at": MOMENT}
RUNNING = {"phase": "Running", "attempt": 2, "attempts": [RUNNING_ATTEMPT], "claim": CLAIM, "startedAt": MOMENT}
TERMINAL = ("Succeeded", "Failed", "Aborted", "TimedOut")
STARTED = ("Initializing", "Running", "Paused")
WAITING = ("Queued", "WaitingForResources")
PHASES = (*WAITING, *STARTED, *TERMINAL)

REFUSED_WHILE_RUNNING = {
    "a former owner writes": (
        {"claim": CLAIM | {"epoch": 6, "holder": "replica-0"}},
        ("status.claim", "a newer owner has claimed the action: read it again; the epoch cannot decrease"),
    ),
    "an owner forgets the claim": ({"claim": None}, ("status.claim", "a newer owner has claimed the action")),
    "a claim is without an epoch": ({"claim": {"epoch": None}}, ("status.claim.epoch", "Required value")),
    "an epoch is below nothing": ({"claim": {"epoch": -1}}, ("status.claim.epoch", "greater than or equal to 0")),
    "an attempt is counted down": ({"attempt": 1}, ("status.attempt", "cannot decrease: read the action again")),
    "attempts are forgotten": ({"attempt": None}, ("status.attempt", "cannot decrease: read the action again")),
    "it is queued again in mid-attempt": (
        {"phase": "Queued"},
        ("status.attempts", "only after its attempt has ended: set endedAt of the last attempt"),
    ),
    "it waits again without attempts": (
        {"phase": "WaitingForResources", "attempts": []},
        ("status.attempts", "only after its attempt has ended: set endedAt of the last attempt"),
    ),
    "it ends at no time": (
        {"phase": "Succeeded"},
        ("status.finishedAt", "finishedAt must be set if and only if the phase is terminal"),
    ),
    "it has ended but runs": (
        {"finishedAt": LATER},
        ("status.finishedAt", "finishedAt must be set if and only if the phase is terminal"),
    ),
    "a phase is unknown": ({"phase": "Done"}, ("status.phase", '"Succeeded", "Failed", "Aborted", "TimedOut"')),
    "a moment is a word": ({"startedAt": "now"}, ("status.startedAt", "must be of type date-time")),
    "an attempt is the eleventh": (
        {"attempts": [RUNNING_ATTEMPT] * 11},
        ("status.attempts", "must have at most 10 items"),
    ),
    "a message is endless": ({"message": "x" * 1025}, ("status.message", "Too long", "1024")),
    "progress is beyond the end": (
        {"progress": {"percent": 101}},
        ("status.progress.percent", "less than or equal to 100"),
    ),
    "a condition is told twice": (
        {"conditions": [{"type": "Finished", "status": "False", "reason": "A", "lastTransitionTime": MOMENT}] * 2},
        ("status.conditions[1]", "Duplicate value"),
    ),
    "a condition is neither true nor false": (
        {"conditions": [{"type": "Finished", "status": "Maybe", "reason": "A", "lastTransitionTime": MOMENT}]},
        ("status.conditions[0].status", '"True", "False", "Unknown"'),
    ),
    "a reason is a sentence": (
        {"conditions": [{"type": "Finished", "status": "True", "reason": "It is.", "lastTransitionTime": MOMENT}]},
        ("status.conditions[0].reason", "should match"),
    ),
}
ALLOWED_WHILE_RUNNING = {
    "the owner goes on": {"progress": {"percent": 10, "message": "going on"}},
    "a new owner claims it": {"claim": {"holder": "replica-2", "epoch": 8, "at": LATER}},
    "it pauses": {"phase": "Paused"},
    "it is queued after its attempt": {"phase": "Queued", "attempts": [ENDED_ATTEMPT]},
    "the next attempt starts": {"attempt": 3, "attempts": [ENDED_ATTEMPT, RUNNING_ATTEMPT | {"number": 3}]},
    **{f"it ends as {phase}": {"phase": phase, "finishedAt": LATER} for phase in TERMINAL},
}
OUTCOME = {
    "reason": {"reason": "Other"},
    "error": {"error": {"code": "Other"}},
    "outputUri": {"outputUri": "https://elsewhere.example.com/1"},
    "finishedAt": {"finishedAt": "2026-02-01T00:00:00Z"},
    "attempt": {"attempt": 2},
}
STAYS = (
    "has finished and reason, error, outputUri, outputDigest, finishedAt, attempt cannot change: "
    "create a new action instead"
)


@pytest.fixture(scope="module")
def objects(shared: Kubectl) -> Kubectl:
    """One running action, and one that has ended in each way; nobody changes them."""
    states = {"running": RUNNING} | {phase.lower(): ACTION_STATUS | {"phase": phase} for phase in TERMINAL}
    for name, status in states.items():
        create(shared, manifest("TaskAction", {"executor": "noop"}, name=name))
        merge(shared, "ta", name, {"status": status}, STATUS)
    return shared


@pytest.mark.parametrize(("change", "parts"), REFUSED_WHILE_RUNNING.values(), ids=REFUSED_WHILE_RUNNING)
def test_a_write_is_refused_when(objects: Kubectl, change: dict, parts: tuple[str, ...]) -> None:
    assert_says(merge_refusal(objects, "ta", "running", {"status": change}, STATUS), parts)


@pytest.mark.parametrize("change", ALLOWED_WHILE_RUNNING.values(), ids=ALLOWED_WHILE_RUNNING)
def test_a_write_is_accepted_when(objects: Kubectl, change: dict) -> None:
    found = merge(objects, "ta", "running", {"status": change}, STATUS, "--dry-run=server")["status"]
    assert {name: found[name] for name in change} == change


@pytest.mark.parametrize(("before", "after"), [(one, other) for one in TERMINAL for other in PHASES if one != other])
def test_the_end_is_the_end(objects: Kubectl, before: str, after: str) -> None:
    finished_at = LATER if after in TERMINAL else None
    change = {"status": {"phase": after, "finishedAt": finished_at}}
    message = merge_refusal(objects, "ta", before.lower(), change, STATUS)
    assert_says(
        message, ("status.phase", "the action has finished and its phase cannot change: create a new action instead")
    )


@pytest.mark.parametrize("change", OUTCOME.values(), ids=OUTCOME)
def test_an_outcome_is_not_rewritten(objects: Kubectl, change: dict) -> None:
    assert_says(merge_refusal(objects, "ta", "failed", {"status": change}, STATUS), ("status", STAYS))


@pytest.mark.parametrize("field", OUTCOME)
def test_an_outcome_is_not_removed(objects: Kubectl, field: str) -> None:
    assert_says(merge_refusal(objects, "ta", "failed", {"status": {field: None}}, STATUS), ("status", STAYS))


@pytest.mark.parametrize(
    ("field", "value", "mend"),
    [
        ("abort", {"reason": "late"}, "the action has finished: delete it to abort its children"),
        ("signal", {"value": "late"}, "has finished and accepts no signal: create a new action instead"),
    ],
)
def test_a_finished_action_takes_no_more_orders(objects: Kubectl, field: str, value: dict, mend: str) -> None:
    message = merge_refusal(objects, "ta", "succeeded", {"spec": {field: value}})
    assert_says(message, (f"spec.{field}", mend))


def test_a_status_does_not_come_with_the_manifest(objects: Kubectl) -> None:
    written = create(
        objects, manifest("TaskAction", {"executor": "noop"}) | {"status": ACTION_STATUS}, "--dry-run=server"
    )
    assert written["status"] == {"phase": "Queued"}


def test_a_status_does_not_change_with_the_spec(objects: Kubectl) -> None:
    change = {"spec": {"priority": 1}, "status": {"phase": "Succeeded", "finishedAt": LATER}}
    assert merge(objects, "ta", "running", change, "--dry-run=server")["status"] == RUNNING
