"""What holds an action back before an attempt: its parent, suspension, its provider, a backoff; and in which order."""

import pytest

from support.lifecycle import (
    NOT_READY,
    NOW,
    REFUSED,
    after,
    backing_off,
    conditions,
    effects,
    kinds,
    observed,
    policy,
    running,
    seconds,
    spec,
    waiting,
)
from taskaction.api.enums import ErrorKind, ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import ParentRef
from taskaction.lifecycle.decisions import Adopt, Call, Dequeue, Enqueue, WakeAt, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Succeeded
from taskaction.lifecycle.state import Activity, Blocker, CallEnded, Parent, Reconcile, Slot

CHILD = spec(parent_ref=ParentRef(name="upload"))
EVENTS = pytest.mark.parametrize("event", [Reconcile(), Slot()], ids=["look", "slot"])


@EVENTS
@pytest.mark.parametrize(("parent", "found"), [(Parent.LOOKED_UP, ()), (Parent.FOUND, (Adopt(),))])
def test_a_child_does_not_start_before_its_parent_owns_it(
    parent: Parent, found: tuple, event: Reconcile | Slot
) -> None:
    decision = step(observed(spec=CHILD, parent=parent), event, NOW)

    leaves = (Dequeue(),) if isinstance(event, Slot) else ()
    assert (decision.status.phase, decision.write, decision.effects) == (Phase.QUEUED, Write.NONE, (*found, *leaves))


@pytest.mark.parametrize("parent", [Parent.NONE, Parent.OWNER])
def test_an_action_without_a_parent_or_owned_by_it_may_start(parent: Parent) -> None:
    assert step(observed(spec=CHILD, parent=parent), Reconcile(), NOW).effects == (Enqueue(),)
    assert step(observed(spec=CHILD, parent=parent), Slot(), NOW).effects == (Call(poll=False),)


@EVENTS
@pytest.mark.parametrize("kind", ParentKind)
@pytest.mark.parametrize(
    ("parent", "reason", "message"),
    [
        (Parent.MISSING, Reason.PARENT_NOT_FOUND, "spec.parentRef: {} 'upload' not found in this namespace"),
        (Parent.FINISHED, Reason.PARENT_FINISHED, "spec.parentRef: {} 'upload' has already finished"),
    ],
)
def test_a_child_whose_parent_cannot_have_it_fails_and_says_why(
    parent: Parent, reason: Reason, message: str, kind: ParentKind, event: Reconcile | Slot
) -> None:
    child = spec(parent_ref=ParentRef(kind=kind, name="upload"))

    status = step(observed(spec=child, parent=parent, policy=policy(retry_limit=5)), event, NOW).status

    assert (status.phase, status.reason, status.message) == (Phase.FAILED, reason, message.format(kind))
    assert status.error is not None
    assert status.error.kind is ErrorKind.USER


@pytest.mark.parametrize("parent", [Parent.MISSING, Parent.FINISHED])
def test_a_running_child_is_not_ended_by_its_parents_end(parent: Parent) -> None:
    facts = observed(spec=CHILD, parent=parent, status=running(), activity=Activity.CALLING)

    looked = step(facts, Reconcile(), NOW)
    assert (looked.status, looked.effects) == (facts.status, ())
    assert step(facts, CallEnded(Succeeded()), NOW).status.phase is Phase.SUCCEEDED


def test_a_bound_goes_on_while_the_parent_is_looked_up() -> None:
    facts = observed(spec=CHILD, parent=Parent.LOOKED_UP, policy=policy(queued=seconds(70)))

    assert step(facts, Reconcile(), NOW).effects == (WakeAt(after(10)),)
    assert step(facts, Reconcile(), after(10)).status.reason == Reason.QUEUED_TIMEOUT


GATES = {
    "parent": ({"spec": CHILD, "parent": Parent.LOOKED_UP}, Phase.QUEUED, None),
    "suspend": ({"spec": spec(suspend=True)}, Phase.QUEUED, Reason.SUSPENDED),
    "provider": ({"blocker": NOT_READY}, Phase.WAITING_FOR_RESOURCES, Reason.PROVIDER_NOT_READY),
    "backoff": ({"status": backing_off(after(5))}, Phase.QUEUED, Reason.BACKING_OFF),
}


@pytest.mark.parametrize("name", GATES)
def test_what_is_held_back_leaves_the_queue(name: str) -> None:
    changes, phase, reason = GATES[name]

    decision = step(observed(**changes, activity=Activity.QUEUED), Reconcile(), NOW)

    assert "Dequeue" in kinds(decision)
    assert "Enqueue" not in kinds(decision)
    assert (decision.status.phase, decision.status.reason) == (phase, reason)


@pytest.mark.parametrize("name", GATES)
def test_what_is_held_back_gives_a_worker_nothing_to_do(name: str) -> None:
    changes, phase, reason = GATES[name]

    decision = step(observed(**changes), Slot(), NOW)

    assert effects(decision, Call) == []
    assert effects(decision, Dequeue) == [Dequeue()]  # otherwise it would keep its partition
    assert (decision.status.phase, decision.status.reason) == (phase, reason)


@pytest.mark.parametrize(
    ("stronger", "weaker"), [("parent", "suspend"), ("suspend", "provider"), ("provider", "backoff")]
)
def test_the_gates_are_passed_in_one_order(stronger: str, weaker: str) -> None:
    first, second = GATES[stronger], GATES[weaker]
    both = {**second[0], **first[0]}
    if (stronger, weaker) == ("parent", "suspend"):
        both["spec"] = CHILD.model_copy(update={"suspend": True})

    decision = step(observed(**both), Reconcile(), NOW)

    assert (decision.status.phase, decision.status.reason) == first[1:]


@pytest.mark.parametrize(
    "held",
    [
        {"spec": spec(suspend=True)},
        {"blocker": NOT_READY},
        {"blocker": Blocker(reason=Reason.PROVIDER_NOT_FOUND, message="there is none", final=False)},
    ],
    ids=["suspended", "not-ready", "not-found"],
)
def test_what_is_no_longer_held_back_says_so_and_queues(held: dict) -> None:
    shown = step(observed(**held), Reconcile(), NOW)
    assert shown.write is Write.NOW
    assert conditions(shown.status) == {"Progressing": "False", "Finished": "False"}

    freed = step(observed(status=shown.status), Reconcile(), after(1))

    assert freed.write is (Write.NOW if "spec" in held else Write.LATER)  # a clock that runs again is written
    assert (freed.status.phase, freed.status.reason) == (Phase.QUEUED, Reason.QUEUED)
    assert conditions(freed.status) == {"Progressing": "True", "Finished": "False"}
    assert effects(freed, Enqueue) == [Enqueue()]


def test_what_is_freed_before_its_next_attempt_is_due_says_that_it_backs_off() -> None:
    held = step(observed(spec=spec(suspend=True), status=backing_off(after(60))), Reconcile(), NOW)

    freed = step(observed(status=held.status), Reconcile(), after(1))
    assert (freed.status.reason, freed.status.next_attempt_at) == (Reason.BACKING_OFF, after(60))
    assert conditions(freed.status)["Progressing"] == "True"

    again = step(observed(status=freed.status), Reconcile(), after(2))
    assert (again.status, again.write, again.effects) == (freed.status, Write.NONE, (WakeAt(after(60)),))


@EVENTS
def test_what_waiting_cannot_mend_fails_at_once(event: Reconcile | Slot) -> None:
    status = step(observed(blocker=REFUSED, policy=policy(retry_limit=5)), event, NOW).status

    assert (status.phase, status.reason, status.message) == (Phase.FAILED, REFUSED.reason, REFUSED.message)
    assert status.attempts == ()


@pytest.mark.parametrize("blocker", [REFUSED, NOT_READY], ids=["final", "passing"])
def test_an_attempt_under_way_is_not_held_back(blocker: Blocker) -> None:
    facts = observed(status=running(), blocker=blocker, activity=Activity.CALLING)

    decision = step(facts, Reconcile(), NOW)

    assert (decision.status, decision.effects) == (facts.status, ())


def test_a_freshly_queued_action_costs_no_write() -> None:
    decision = step(observed(status=waiting()), Reconcile(), NOW)

    assert (decision.write, decision.status) == (Write.NONE, waiting())


def test_an_action_in_the_queue_is_not_queued_again() -> None:
    assert step(observed(activity=Activity.QUEUED), Reconcile(), NOW).effects == ()
