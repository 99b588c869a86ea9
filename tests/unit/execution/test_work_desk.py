"""The work desk: who gets which action, how many attempts may run, and what an identity may have."""

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from taskaction.execution.assignments import (
    Answer,
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
)
from taskaction.execution.work_desk import TooMuchWorkError, WorkDesk, WorkRequest
from taskaction.lifecycle.outcomes import Succeeded

ANN = RemoteWorker(identity="builder", name="ann")
BOB = RemoteWorker(identity="builder", name="bob")
EVE = RemoteWorker(identity="tester", name="eve")
DONE = Succeeded(output=1)


def desk_of(*workers: RemoteWorker, places: int = 1, per_identity: int = 10) -> WorkDesk:
    desk = WorkDesk(per_identity=per_identity)
    for worker in workers:
        desk.add_request(WorkRequest(id=worker.name, worker=worker, places=places))
    return desk


def to(worker: RemoteWorker, attempt: int = 1, number: int = 1) -> Credential:
    return Credential(attempt=attempt, number=number, worker=worker)


def start(desk: WorkDesk, action: str, worker: RemoteWorker) -> Assignment:
    assert desk.reserve(action) == worker
    handout = desk.hand_out(action, to(worker), 60.0, 0.0)
    assert handout is not None
    assert handout.request == worker.name
    return handout.assignment


def test_without_a_worker_nothing_may_start() -> None:
    desk = desk_of()

    assert (desk.capacity, desk.reserve("a")) == (0, None)


def test_the_worker_that_has_waited_longest_gets_the_next_action() -> None:
    desk = desk_of(ANN, EVE)

    assert [desk.reserve("a"), desk.reserve("b"), desk.reserve("c")] == [ANN, EVE, None]
    assert desk.reserve("a") == ANN, "a second question has the same answer"


def test_capacity_is_the_same_from_the_reservation_to_the_end_of_the_attempt() -> None:
    desk = desk_of(ANN, places=2)
    seen = [desk.capacity]
    desk.reserve("a")
    seen.append(desk.capacity)
    desk.hand_out("a", to(ANN), 60.0, 0.0)
    seen.append(desk.capacity)
    desk.apply("a", Finish(by=to(ANN), now=1.0, result=DONE))
    seen.append(desk.capacity)

    assert seen == [2, 2, 2, 2]
    desk.forget("a")
    assert desk.capacity == 1


def test_a_worker_hears_of_an_action_only_when_the_status_names_it() -> None:
    desk = desk_of(ANN, EVE)
    desk.reserve("a")

    assert desk.hand_out("a", to(EVE), 60.0, 0.0) is None
    assert desk.take_matched() == ["a"], "it is reserved for Ann, whose name has yet to be written"
    handout = desk.hand_out("a", to(ANN, number=2), 60.0, 0.0)
    assert handout is not None
    assert (handout.assignment.worker, handout.assignment.number) == (ANN, 2)


def test_an_action_whose_worker_went_away_meanwhile_is_offered_to_the_next_one() -> None:
    desk = desk_of(ANN)
    desk.reserve("a")
    desk.close_request("ann")

    assert desk.hand_out("a", to(ANN), 60.0, 0.0) is None
    assert desk.take_matched() == [], "nobody waits"
    assert desk.apply("a", Renew(by=to(ANN), now=1.0)) is Answer.NOT_HOLDER, "she has never heard of it"
    desk.add_request(WorkRequest(id="2", worker=EVE, places=1))
    assert (desk.take_matched(), desk.reserve("a")) == (["a"], EVE)
    assert desk.hand_out("a", to(EVE), 60.0, 0.0) is None, "the number is taken"
    assert desk.reserve("a") == EVE
    assert desk.hand_out("a", to(EVE, number=2), 60.0, 0.0) is not None


def test_an_open_attempt_without_a_worker_comes_before_new_ones() -> None:
    desk = desk_of(ANN)
    start(desk, "a", ANN)
    desk.apply("a", Release(by=to(ANN), now=1.0))
    desk.add_request(WorkRequest(id="eve", worker=EVE, places=1))

    assert (desk.capacity, desk.reserve("b")) == (1, None)
    assert (desk.take_matched(), desk.reserve("a")) == (["a"], EVE)


def test_a_place_that_becomes_free_is_for_an_open_attempt() -> None:
    desk = desk_of(EVE, ANN)
    start(desk, "a", EVE)
    assert desk.reserve("b") == ANN
    desk.apply("a", Release(by=to(EVE), now=1.0))
    assert desk.take_matched() == [], "the place is reserved"

    desk.forget("b")  # it may not start

    assert (desk.take_matched(), desk.reserve("a"), desk.reserve("b")) == (["a"], ANN, None)


def test_a_second_call_of_an_attempt_hands_out_nothing() -> None:
    desk = desk_of(ANN, EVE)
    held = start(desk, "a", ANN)

    assert desk.reserve("a") is None
    assert desk.hand_out("a", to(ANN), 60.0, 5.0) is None
    assert desk.find_assignment("a") == held


def test_the_next_attempt_replaces_the_former_one() -> None:
    desk = desk_of(ANN, EVE)
    start(desk, "a", ANN)
    desk.apply("a", Expire(now=60.0))
    desk.forget("a")
    desk.reserve("a")
    handout = desk.hand_out("a", to(EVE, attempt=2), 60.0, 61.0)

    assert handout is not None
    assert (handout.assignment.worker, handout.assignment.attempt) == (EVE, 2)
    assert desk.apply("a", Finish(by=to(ANN), now=62.0, result=DONE)) is Answer.NOT_HOLDER
    assert desk.hand_out("a", to(ANN), 60.0, 63.0) is None, "an attempt never goes back"


def test_an_adopted_assignment_gets_a_full_timeout_and_then_lapses() -> None:
    desk = desk_of()
    desk.adopt(
        Assignment(
            action="a", attempt=1, number=1, visibility=60.0, state=AssignmentState.HELD, worker=ANN, deadline=160.0
        )
    )

    assert desk.capacity == 1, "it counts as running"
    assert desk.apply("a", Expire(now=159.0)) is Answer.UNCHANGED
    assert desk.apply("a", Renew(by=to(ANN), now=159.0)) is Answer.ACCEPTED
    desk.adopt(Assignment(action="a", attempt=1, visibility=60.0))
    assert desk.apply("a", Expire(now=160.0)) is Answer.UNCHANGED, "a known assignment stays"


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (lambda desk: desk.apply("a", Release(by=to(ANN), now=1.0)), 0),
        (lambda desk: desk.apply("a", Finish(by=to(ANN), now=1.0, result=DONE)), 0),
        (lambda desk: desk.apply("a", Pause(by=to(ANN), now=1.0)), 0),
        (lambda desk: desk.apply("a", Expire(now=60.0)), 0),
        (lambda desk: desk.apply("a", Stop(why="aborted")), 1),
        (lambda desk: desk.forget("a"), 0),
    ],
    ids=["released", "finished", "paused", "lapsed", "stopping", "forgotten"],
)
def test_an_identity_counts_what_its_workers_still_have(end: Callable[[WorkDesk], object], left: int) -> None:
    desk = desk_of(ANN)
    start(desk, "a", ANN)
    assert desk.count_of("builder") == 1

    end(desk)

    assert desk.count_of("builder") == left


def test_an_identity_gets_no_more_than_its_bound_with_all_its_workers() -> None:
    desk = desk_of(ANN, places=2, per_identity=3)
    start(desk, "a", ANN)

    with pytest.raises(TooMuchWorkError, match=r'^maxActions: "2" is too much for builder, .* ask for at most 1'):
        desk.add_request(WorkRequest(id="bob", worker=BOB, places=2))
    desk.add_request(WorkRequest(id="bob", worker=BOB, places=1))
    desk.add_request(WorkRequest(id="eve", worker=EVE, places=3))
    assert (desk.count_of("builder"), desk.count_of("tester")) == (3, 3)


class DeskHistories(RuleBasedStateMachine):
    """Histories of one desk with an operator that keeps a status for each action, and dies now and then."""

    @initialize()
    def open(self) -> None:
        self.desk = WorkDesk(per_identity=4)
        self.now = 0.0
        self.requests = count()
        self.open_requests: dict[str, WorkRequest] = {}
        self.places: dict[str, int] = {}
        self.statuses: dict[str, Credential] = {}
        self.recorded: set[str] = set()
        self.finished: dict[tuple[str, int], int] = {}

    @rule(worker=st.sampled_from([ANN, BOB, EVE]), places=st.integers(1, 3))
    def ask(self, worker: RemoteWorker, places: int) -> None:
        request = WorkRequest(id=str(next(self.requests)), worker=worker, places=places)
        try:
            self.desk.add_request(request)
        except TooMuchWorkError:
            assert self.desk.count_of(worker.identity) + places > 4
        else:
            self.open_requests[request.id] = request
            self.places[request.id] = places

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.open_requests:
            request = data.draw(st.sampled_from(sorted(self.open_requests)))
            self.desk.close_request(request)
            del self.open_requests[request]

    @rule(action=st.sampled_from("abcde"), is_written=st.booleans())
    def begin(self, action: str, is_written: bool) -> None:
        worker = self.desk.reserve(action)
        if worker is None:
            return
        former, known = self.statuses.get(action), self.desk.find_assignment(action)
        if former is not None and known is not None:
            credential = Credential(attempt=former.attempt, number=former.number + 1, worker=worker)
        else:
            credential = Credential(attempt=former.attempt + 1 if former is not None else 1, number=1, worker=worker)
        if not is_written:
            if known is None:
                self.desk.forget(action)
            return
        self.statuses[action] = credential
        self.recorded.discard(action)
        handout = self.desk.hand_out(action, credential, 10.0, self.now)
        assert handout is not None
        assert handout.assignment.credential == credential, "it has what is on record"
        assert self.open_requests[handout.request].worker == worker
        self.places[handout.request] -= 1
        assert self.places[handout.request] >= 0, "a request gets no more than it asked for"

    @rule(action=st.sampled_from("abcde"), kind=st.sampled_from([Renew, Release, Pause, Finish]), old=st.integers(0, 1))
    def report(self, action: str, kind: type, old: int) -> None:
        status = self.statuses.get(action)
        if status is None:
            return
        by = Credential(attempt=status.attempt - old, number=status.number, worker=status.worker)
        event: Event = Finish(by=by, now=self.now, result=DONE) if kind is Finish else kind(by=by, now=self.now)
        before = self.desk.find_assignment(action)
        answer = self.desk.apply(action, event)
        assert answer.is_refusal or not old
        if kind is Finish and answer is Answer.ACCEPTED:
            key = (action, by.attempt)
            assert before is not None
            if before.state is not AssignmentState.FINISHED:
                self.finished[key] = self.finished.get(key, 0) + 1
            assert self.finished[key] == 1

    @rule(action=st.sampled_from("abcde"), event=st.sampled_from([Resume(), Stop(why="aborted")]))
    def decide(self, action: str, event: Event) -> None:
        self.desk.apply(action, event)

    @rule(seconds=st.floats(0, 12))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for action in "abcde":
            self.desk.apply(action, Expire(now=self.now))

    @rule(action=st.sampled_from("abcde"))
    def record_end(self, action: str) -> None:
        known = self.desk.find_assignment(action)
        if known is not None and known.state.is_final:
            self.desk.forget(action)
            self.recorded.add(action)

    @rule()
    def be_killed(self) -> None:
        self.desk = WorkDesk(per_identity=4)
        self.open_requests.clear()
        for action, status in self.statuses.items():
            if action in self.recorded:
                continue
            self.finished.pop((action, status.attempt), None)  # it was not recorded, so the worker had no answer
            self.desk.adopt(
                Assignment(
                    action=action,
                    attempt=status.attempt,
                    number=status.number,
                    visibility=10.0,
                    state=AssignmentState.HELD,
                    worker=status.worker,
                    deadline=self.now + 10.0,
                )
            )

    @invariant()
    def figures_fit(self) -> None:
        known = [one for action in "abcde" if (one := self.desk.find_assignment(action)) is not None]
        assert self.desk.free_places >= 0
        offered = [one.action for one in known if one.state is AssignmentState.OFFERED]
        assert not self.desk.free_places or all(self.desk.reserve(action) for action in offered), "open attempts first"
        assert self.desk.capacity >= len(known) + self.desk.free_places
        for identity in ("builder", "tester"):
            held = sum(one.state.has_worker and one.worker.identity == identity for one in known if one.worker)
            asked = sum(self.places[key] for key, one in self.open_requests.items() if one.worker.identity == identity)
            assert self.desk.count_of(identity) == held + asked


TestDeskHistories = DeskHistories.TestCase
TestDeskHistories.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
