"""A record before an effect: what is written before a call, and what a new owner makes of another's claim."""

import pytest

from support.lifecycle import (
    FOREIGN_CLAIM,
    ME,
    MY_CLAIM,
    NOW,
    ONCE,
    OUTSIDE,
    REPEATABLE,
    after,
    backing_off,
    effects,
    kinds,
    observed,
    pending,
    policy,
    running,
    seconds,
    waiting,
)
from taskaction.api.enums import ErrorKind, Phase, RetryClass
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Claim, TaskActionStatus
from taskaction.lifecycle.decisions import AddFinalizer, Call, Enqueue, WakeAt, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.policy import Settings
from taskaction.lifecycle.state import Activity, Observed, Reconcile, Slot
from taskaction.lifecycle.traits import Traits

ONCE_OUTSIDE = Traits(idempotent=False, external_effect=True)


@pytest.mark.parametrize(
    ("traits", "write", "effect_names"),
    [
        (REPEATABLE, Write.LATER, ["Call"]),
        (ONCE, Write.FIRST, ["Call"]),
        (OUTSIDE, Write.LATER, ["AddFinalizer", "Call"]),
        (ONCE_OUTSIDE, Write.FIRST, ["AddFinalizer", "Call"]),
    ],
    ids=["repeatable", "once", "outside", "once-and-outside"],
)
@pytest.mark.parametrize("status", [waiting(), backing_off(NOW)], ids=["first", "again"])
def test_what_is_durable_before_the_call(
    status: TaskActionStatus, traits: Traits, write: Write, effect_names: list[str]
) -> None:
    decision = step(observed(status=status, traits=traits), Slot(), NOW)

    assert (decision.write, kinds(decision)) == (write, effect_names)


def test_a_finalizer_that_is_held_is_not_asked_for_again() -> None:
    assert effects(step(observed(traits=OUTSIDE, has_finalizer=True), Slot(), NOW), AddFinalizer) == []


def test_a_claim_names_the_owner_its_epoch_and_the_parameters() -> None:
    status = step(observed(parameters_hash="f00d"), Slot(), NOW).status

    assert status.claim == Claim(holder=ME.holder, epoch=ME.epoch, at=NOW, parameters_hash="f00d")
    assert (status.phase, status.attempt, status.started_at) == (Phase.RUNNING, 1, NOW)


def test_a_call_that_is_under_way_here_is_left_alone() -> None:
    facts = observed(status=running(), traits=ONCE, activity=Activity.CALLING, taken_at=after(-3600))

    decision = step(facts, Reconcile(), NOW)

    assert (decision.status, decision.write, decision.effects) == (facts.status, Write.NONE, ())


GOES_ON = {
    "repeatable": (observed(status=running(claim=FOREIGN_CLAIM)), False),
    "known-outside": (observed(status=pending(claim=FOREIGN_CLAIM), traits=ONCE), True),
    "paused": (observed(status=running(Phase.PAUSED, claim=FOREIGN_CLAIM), traits=ONCE), True),
    "waits-without-an-id": (observed(status=pending(external_id=None, claim=FOREIGN_CLAIM), traits=ONCE), True),
    "told-to-stop": (observed(status=running(reason=Reason.ABORTING, claim=FOREIGN_CLAIM), traits=ONCE), True),
}


@pytest.mark.parametrize("state", GOES_ON)
def test_a_new_owner_takes_up_what_it_can_at_once_and_in_the_same_attempt(state: str) -> None:
    facts, poll = GOES_ON[state]

    assert step(facts, Reconcile(), NOW).effects == (Enqueue(),)

    decision = step(facts, Slot(), NOW)
    assert decision.effects == (Call(poll=poll),)
    assert (decision.status.attempt, decision.status.started_at) == (1, facts.status.started_at)


def test_a_new_owner_puts_its_claim_on_what_it_takes_up() -> None:
    decision = step(observed(status=pending(claim=FOREIGN_CLAIM)), Slot(), NOW)

    assert decision.write is Write.LATER
    assert decision.status.claim == Claim(holder=ME.holder, epoch=ME.epoch, at=NOW)


@pytest.mark.parametrize("epoch", [MY_CLAIM.epoch, MY_CLAIM.epoch - 1])
def test_a_claim_is_renewed_only_when_the_owner_has_changed(epoch: int) -> None:
    claim = MY_CLAIM.model_copy(update={"epoch": epoch})

    decision = step(observed(status=pending(claim=claim)), Slot(), NOW)

    assert (decision.write is Write.NONE) is (epoch == ME.epoch)
    assert decision.status.claim is not None
    assert decision.status.claim.epoch == ME.epoch


def taken(status: TaskActionStatus, **changes: object) -> Observed:
    settings = Settings(interrupt_grace=seconds(10))
    facts = {"status": status, "traits": ONCE, "taken_at": NOW, "policy": policy(settings=settings), **changes}
    return observed(**facts)


def test_a_foreign_claim_is_respected_for_the_grace() -> None:
    facts = taken(running(claim=FOREIGN_CLAIM))

    decision = step(facts, Reconcile(), after(9.999))

    assert (decision.status, decision.write) == (facts.status, Write.NONE)
    assert decision.effects == (WakeAt(after(10)),)


def test_a_worker_s_turn_never_repeats_a_call_that_a_former_owner_was_seen_to_have_claimed_meanwhile() -> None:
    """The watch may lag behind the former owner's last claims: the action was queued before they were seen."""
    facts = observed(status=running(claim=FOREIGN_CLAIM), traits=ONCE, taken_at=NOW)
    grace = NOW + policy().settings.interrupt_grace

    decision = step(facts, Slot(), NOW)
    assert (effects(decision, Call), [wake.at for wake in effects(decision, WakeAt)]) == ([], [grace])
    assert decision.status is facts.status

    ended = step(facts, Slot(), grace)
    assert (ended.status.phase, ended.status.attempts[-1].error.code) == (Phase.FAILED, Reason.INTERRUPTED)


def test_an_attempt_whose_owner_is_gone_ends_as_interrupted_and_is_not_repeated() -> None:
    status = step(taken(running(claim=FOREIGN_CLAIM)), Reconcile(), after(10)).status

    assert (status.phase, status.reason) == (Phase.FAILED, Reason.INTERRUPTED)
    assert status.error is not None
    assert status.error.kind is ErrorKind.SYSTEM
    assert (status.message or "").startswith("replica-b stopped during the attempt")


def test_an_interrupted_attempt_is_repeated_where_the_policy_says_so() -> None:
    wanted = policy(retry_limit=1, retry_on=frozenset({RetryClass.INTERRUPTED}))
    decision = step(taken(running(claim=FOREIGN_CLAIM), policy=wanted), Reconcile(), after(10))

    assert (decision.status.phase, decision.write) == (Phase.QUEUED, Write.NOW)
    assert decision.status.attempts[-1].ended_at == after(10)
    assert effects(decision, Enqueue) == []


def test_this_owners_own_lost_attempt_is_interrupted_too() -> None:
    assert step(taken(running(), lost_call=True), Reconcile(), after(10)).status.reason == Reason.INTERRUPTED


def test_an_attempt_bound_that_ends_during_the_grace_is_served_then() -> None:
    bounded = policy(attempt=seconds(35), settings=Settings(interrupt_grace=seconds(10)))

    decision = step(taken(running(claim=FOREIGN_CLAIM), policy=bounded), Reconcile(), NOW)

    assert min(effect.at for effect in effects(decision, WakeAt)) == after(5)


@pytest.mark.parametrize(
    ("claimed", "now", "phase"),
    [
        ("f00d", "f00d", Phase.QUEUED),
        ("f00d", "beef", Phase.FAILED),
        (None, "beef", Phase.QUEUED),
        ("f00d", None, Phase.QUEUED),
    ],
    ids=["same", "changed", "claimed-without", "not-known-now"],
)
@pytest.mark.parametrize("event", [Reconcile(), Slot()], ids=["look", "slot"])
def test_another_attempt_needs_the_parameters_of_the_one_before(
    claimed: str | None, now: str | None, phase: Phase, event: Reconcile | Slot
) -> None:
    claim = MY_CLAIM.model_copy(update={"parameters_hash": claimed})
    facts = observed(status=backing_off(after(1), claim=claim), parameters_hash=now)

    status = step(facts, event, NOW).status

    assert status.phase is phase
    assert (status.reason == Reason.SPEC_CHANGED) is phase.is_terminal
