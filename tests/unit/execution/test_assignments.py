"""Assignments to remote workers: every event in every state, and what must hold in every history."""

from dataclasses import replace
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.execution.assignments import (
    Answer,
    Assign,
    Assignment,
    AssignmentState,
    Credential,
    Event,
    Expire,
    Finish,
    Pause,
    Release,
    RemoteWorker,
    Renew,
    Resume,
    Stop,
    step,
)
from taskaction.lifecycle.outcomes import Failed, Succeeded

ANN = RemoteWorker(identity="system:serviceaccount:team-a:builder", name="ann")
BOB = RemoteWorker(identity="system:serviceaccount:team-a:builder", name="bob")
EVE = RemoteWorker(identity="system:serviceaccount:team-b:builder", name="ann")
MINE = Credential(attempt=1, number=1, worker=ANN)
DONE = Succeeded(output=1)

OFFERED = Assignment(action="uid", attempt=1, visibility=60.0)
HELD = replace(OFFERED, state=AssignmentState.HELD, worker=ANN, number=1, deadline=100.0)
PAUSED = replace(HELD, state=AssignmentState.PAUSED, deadline=None)
STOPPING = replace(HELD, state=AssignmentState.STOPPING, why="aborted")
FINISHED = replace(HELD, state=AssignmentState.FINISHED, deadline=None, result=DONE)
STOPPED = replace(STOPPING, state=AssignmentState.STOPPED, deadline=None)
LAPSED = replace(HELD, state=AssignmentState.LAPSED, deadline=None)
RELEASED = replace(HELD, state=AssignmentState.OFFERED, deadline=None)

TABLE: list[tuple[Assignment, Event, AssignmentState, Answer]] = [
    (OFFERED, Assign(to=MINE, now=10), AssignmentState.HELD, Answer.ACCEPTED),
    (OFFERED, Renew(by=MINE, now=10), AssignmentState.OFFERED, Answer.NOT_HOLDER),
    (OFFERED, Finish(by=MINE, now=10, result=DONE), AssignmentState.OFFERED, Answer.NOT_HOLDER),
    (OFFERED, Resume(), AssignmentState.OFFERED, Answer.UNCHANGED),
    (OFFERED, Stop(why="aborted"), AssignmentState.STOPPED, Answer.ACCEPTED),
    (OFFERED, Expire(now=1e9), AssignmentState.OFFERED, Answer.UNCHANGED),
    (HELD, Assign(to=replace(MINE, number=2, worker=BOB), now=10), AssignmentState.HELD, Answer.UNCHANGED),
    (HELD, Renew(by=MINE, now=99), AssignmentState.HELD, Answer.ACCEPTED),
    (HELD, Renew(by=MINE, now=100), AssignmentState.LAPSED, Answer.LATE),
    (HELD, Finish(by=MINE, now=99, result=DONE), AssignmentState.FINISHED, Answer.ACCEPTED),
    (HELD, Finish(by=MINE, now=100, result=DONE), AssignmentState.LAPSED, Answer.LATE),
    (HELD, Release(by=MINE, now=99), AssignmentState.OFFERED, Answer.ACCEPTED),
    (HELD, Pause(by=MINE, now=99), AssignmentState.PAUSED, Answer.ACCEPTED),
    (HELD, Resume(), AssignmentState.HELD, Answer.UNCHANGED),
    (HELD, Stop(why="aborted"), AssignmentState.STOPPING, Answer.ACCEPTED),
    (HELD, Expire(now=99), AssignmentState.HELD, Answer.UNCHANGED),
    (HELD, Expire(now=100), AssignmentState.LAPSED, Answer.ACCEPTED),
    (RELEASED, Assign(to=MINE, now=10), AssignmentState.OFFERED, Answer.UNCHANGED),
    (RELEASED, Assign(to=replace(MINE, number=2), now=10), AssignmentState.HELD, Answer.ACCEPTED),
    (RELEASED, Assign(to=replace(MINE, attempt=2, number=2), now=10), AssignmentState.OFFERED, Answer.UNCHANGED),
    (RELEASED, Finish(by=MINE, now=10, result=DONE), AssignmentState.OFFERED, Answer.LATE),
    (PAUSED, Renew(by=MINE, now=10), AssignmentState.PAUSED, Answer.LATE),
    (PAUSED, Resume(), AssignmentState.OFFERED, Answer.ACCEPTED),
    (PAUSED, Stop(why="aborted"), AssignmentState.STOPPED, Answer.ACCEPTED),
    (STOPPING, Renew(by=MINE, now=99), AssignmentState.STOPPING, Answer.STOP),
    (STOPPING, Pause(by=MINE, now=99), AssignmentState.STOPPING, Answer.STOP),
    (STOPPING, Renew(by=MINE, now=100), AssignmentState.STOPPED, Answer.LATE),
    (STOPPING, Finish(by=MINE, now=99, result=DONE), AssignmentState.FINISHED, Answer.ACCEPTED),
    (STOPPING, Release(by=MINE, now=99), AssignmentState.STOPPED, Answer.ACCEPTED),
    (STOPPING, Stop(why="timeout"), AssignmentState.STOPPING, Answer.UNCHANGED),
    (STOPPING, Expire(now=100), AssignmentState.STOPPED, Answer.ACCEPTED),
    (FINISHED, Finish(by=MINE, now=200, result=DONE), AssignmentState.FINISHED, Answer.ACCEPTED),
    (FINISHED, Finish(by=MINE, now=200, result=Succeeded(output=2)), AssignmentState.FINISHED, Answer.LATE),
    (FINISHED, Renew(by=MINE, now=200), AssignmentState.FINISHED, Answer.LATE),
    (FINISHED, Stop(why="aborted"), AssignmentState.FINISHED, Answer.UNCHANGED),
    (LAPSED, Finish(by=MINE, now=101, result=DONE), AssignmentState.LAPSED, Answer.LATE),
    (LAPSED, Assign(to=replace(MINE, number=2), now=101), AssignmentState.LAPSED, Answer.UNCHANGED),
    (STOPPED, Renew(by=MINE, now=101), AssignmentState.STOPPED, Answer.LATE),
]


def _name(value: object) -> str:
    if isinstance(value, Assignment):
        return value.state.name
    return value.name if isinstance(value, Enum) else type(value).__name__


@pytest.mark.parametrize(("before", "event", "state", "answer"), TABLE, ids=_name)
def test_an_event_changes_the_state_and_is_answered(
    before: Assignment, event: Event, state: AssignmentState, answer: Answer
) -> None:
    after, said = step(before, event)

    assert (after.state, said) == (state, answer)


@pytest.mark.parametrize("worker", [BOB, EVE], ids=["same identity", "same name"])
@pytest.mark.parametrize("before", [HELD, PAUSED, STOPPING, FINISHED, LAPSED], ids=lambda one: one.state.name)
def test_no_other_worker_speaks_for_the_holder(before: Assignment, worker: RemoteWorker) -> None:
    by = replace(MINE, worker=worker)

    for event in (Renew(by=by, now=1), Finish(by=by, now=1, result=DONE), Release(by=by, now=1), Pause(by=by, now=1)):
        assert step(before, event) == (before, Answer.NOT_HOLDER)


@pytest.mark.parametrize("by", [replace(MINE, attempt=2), replace(MINE, number=2), replace(MINE, attempt=0)], ids=str)
def test_a_report_about_another_attempt_or_assignment_is_late(by: Credential) -> None:
    assert step(HELD, Finish(by=by, now=1, result=DONE)) == (HELD, Answer.LATE)


def test_a_renewal_gives_a_full_visibility_timeout() -> None:
    assert step(HELD, Renew(by=MINE, now=70.0))[0].deadline == 130.0


def test_the_order_to_stop_extends_nothing() -> None:
    stopping, _ = step(HELD, Stop(why="aborted"))
    renewed, _ = step(stopping, Renew(by=MINE, now=99))

    assert (renewed.deadline, renewed.why) == (100.0, "aborted")


workers = st.sampled_from([ANN, BOB, EVE])
credentials = st.builds(Credential, attempt=st.integers(1, 2), number=st.integers(1, 3), worker=workers)
steps_of_time = st.floats(0, 90)
results = st.sampled_from([DONE, Succeeded(output=2), Failed(code="X", message="x")])
events = st.one_of(
    st.tuples(st.just(Assign), credentials, st.none()),
    st.tuples(st.sampled_from([Renew, Release, Pause]), credentials, st.none()),
    st.tuples(st.just(Finish), credentials, results),
    st.tuples(st.sampled_from([Resume, Stop, Expire]), st.none(), st.none()),
)


def _event(kind: type, by: Credential | None, result: Succeeded | Failed | None, now: float) -> Event:
    made: list[Event] = [Resume(), Stop(why="aborted"), Expire(now=now)]
    if by is not None:
        made += [Assign(to=by, now=now), Renew(by=by, now=now), Release(by=by, now=now), Pause(by=by, now=now)]
    if by is not None and result is not None:
        made.append(Finish(by=by, now=now, result=result))
    return next(event for event in made if isinstance(event, kind))


@given(history=st.lists(st.tuples(events, steps_of_time), max_size=40))
def test_in_every_history_one_result_of_one_holder_counts(
    history: list[tuple[tuple[type, Credential | None, Succeeded | Failed | None], float]],
) -> None:
    now, assignment, numbers, taken = 0.0, OFFERED, [0], []
    for (kind, by, result), passed in history:
        now += passed
        event = _event(kind, by, result, now)
        before = assignment
        assignment, answer = step(before, event)

        assert not before.state.is_final or assignment is before, "an end is final"
        assert (assignment.deadline is None) is not assignment.state.has_worker, "a worker always has a deadline"
        assert (assignment.result is not None) is (assignment.state is AssignmentState.FINISHED)
        if answer in {Answer.NOT_HOLDER, Answer.LATE}:
            assert answer.is_refusal
            assert assignment.state in {before.state, AssignmentState.LAPSED, AssignmentState.STOPPED}
        elif isinstance(event, Renew | Finish | Release | Pause):
            assert event.by == before.credential, "only the holder is heard"
        if isinstance(event, Finish) and answer is Answer.ACCEPTED:
            taken.append(event.result)
        if isinstance(event, Assign) and answer is Answer.ACCEPTED:
            assert event.to.number > max(numbers), "no number is given twice"
            numbers.append(event.to.number)
    assert all(result == taken[0] for result in taken), "one result counts, however often it is reported"
