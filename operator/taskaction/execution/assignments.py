"""Assignments: the state machine of an attempt that a remote worker makes; pure, without clock or I/O.

``step`` is total: every event has an answer in every state, and one that does not apply changes nothing. Times are
monotonic seconds of the process that owns the action, so the clocks of workers do not matter. See ADR 0029.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import assert_never

from taskaction.lifecycle.outcomes import Failed, Succeeded

Result = Succeeded | Failed


class AssignmentState(Enum):
    """State of an assignment."""

    OFFERED = auto()  # the attempt is open, and no worker has it
    HELD = auto()  # a worker has it until the deadline
    PAUSED = auto()  # waits for a person; no worker has it
    STOPPING = auto()  # the action has to end, and its worker has not confirmed that it has stopped
    FINISHED = auto()  # the worker has reported a result
    STOPPED = auto()  # the worker has confirmed that it has stopped, or had no time left to do so
    LAPSED = auto()  # the worker has not renewed in time: what it has done is unknown

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self in {AssignmentState.FINISHED, AssignmentState.STOPPED, AssignmentState.LAPSED}

    @property
    def has_worker(self) -> bool:
        """Whether a worker may be at work."""
        return self in {AssignmentState.HELD, AssignmentState.STOPPING}


class Answer(Enum):
    """Answer to an event."""

    ACCEPTED = auto()
    STOP = auto()  # accepted, and the worker must stop, because the action has to end
    LATE = auto()  # refused: the assignment has ended, or another one of the attempt or a later attempt has begun
    NOT_HOLDER = auto()  # refused: the assignment is another worker's
    UNCHANGED = auto()  # an event of the operator that does not apply

    @property
    def is_refusal(self) -> bool:
        """Whether what the worker reported was not taken."""
        return self in {Answer.LATE, Answer.NOT_HOLDER}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteWorker:
    """Process outside of the operator that works on actions.

    Attributes:
        identity: the authenticated user.
        name: the name that the worker has chosen, which tells the workers of one identity apart.
    """

    identity: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a worker presents: which assignment it speaks about, and who it is.

    Attributes:
        number: the number of the assignment in its attempt; the first is 1.
    """

    attempt: int
    number: int
    worker: RemoteWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Attempt of an action that is made by a remote worker.

    Attributes:
        number: the highest number of an assignment of the attempt that the status has named; 0 for none.
        visibility: seconds within which the worker must renew.
        worker: the last assigned worker; None if there was none.
        deadline: when the assignment lapses; None while nobody has it.
        result: what the worker has reported.
        why: why the worker has to stop.
    """

    action: str
    attempt: int
    visibility: float
    number: int = 0
    state: AssignmentState = AssignmentState.OFFERED
    worker: RemoteWorker | None = None
    deadline: float | None = None
    result: Result | None = None
    why: str = ""

    @property
    def credential(self) -> Credential | None:
        """The credential of the assigned worker; None if no worker was assigned."""
        if self.worker is None:
            return None
        return Credential(attempt=self.attempt, number=self.number, worker=self.worker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """The worker that the status names hears of the action now."""

    to: Credential
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """The worker is alive."""

    by: Credential
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The worker reports the result."""

    by: Credential
    now: float
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The worker returns the action, and has started nothing; while it has to stop: it has stopped."""

    by: Credential
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The worker leaves the action to a person, after whose answer any worker may continue it."""

    by: Credential
    now: float


@dataclass(frozen=True, slots=True)
class Resume:
    """The person has answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The action has to end: it was aborted or deleted, or a timeout has passed."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """Time has passed."""

    now: float


WorkerEvent = Renew | Finish | Release | Pause
Event = Assign | WorkerEvent | Resume | Stop | Expire


def step(assignment: Assignment, event: Event) -> tuple[Assignment, Answer]:
    """Return the assignment after ``event``, and the answer; the same object if nothing changes."""
    match event:
        case Renew() | Finish() | Release() | Pause():
            return _handle_worker(_expire(assignment, event.now), event)
        case Assign():
            return _answer_operator(assignment, _assign(assignment, event))
        case Resume():
            waits = assignment.state is AssignmentState.PAUSED
            return _answer_operator(
                assignment, replace(assignment, state=AssignmentState.OFFERED) if waits else assignment
            )
        case Stop():
            return _answer_operator(assignment, _stop(assignment, event.why))
        case Expire():
            return _answer_operator(assignment, _expire(assignment, event.now))
        case _:
            assert_never(event)


def _answer_operator(before: Assignment, after: Assignment) -> tuple[Assignment, Answer]:
    return after, Answer.UNCHANGED if after is before else Answer.ACCEPTED


def _assign(assignment: Assignment, event: Assign) -> Assignment:
    """Return the held assignment; a number that another worker has had already is not given twice."""
    is_next = event.to.attempt == assignment.attempt and event.to.number > assignment.number
    if assignment.state is not AssignmentState.OFFERED or not is_next:
        return assignment
    deadline = event.now + assignment.visibility
    return replace(
        assignment, state=AssignmentState.HELD, worker=event.to.worker, number=event.to.number, deadline=deadline
    )


def _stop(assignment: Assignment, why: str) -> Assignment:
    """Return the assignment that has to end; its worker keeps the time that it has left, which nothing extends."""
    if assignment.state is AssignmentState.HELD:
        return replace(assignment, state=AssignmentState.STOPPING, why=why)
    if assignment.state in {AssignmentState.OFFERED, AssignmentState.PAUSED}:
        return replace(assignment, state=AssignmentState.STOPPED, why=why)
    return assignment


def _expire(assignment: Assignment, now: float) -> Assignment:
    if assignment.deadline is None or now < assignment.deadline:
        return assignment
    state = AssignmentState.STOPPED if assignment.state is AssignmentState.STOPPING else AssignmentState.LAPSED
    return replace(assignment, state=state, deadline=None)


def _handle_worker(assignment: Assignment, event: WorkerEvent) -> tuple[Assignment, Answer]:
    if (refusal := _find_refusal(assignment, event)) is not None:
        return assignment, refusal
    if assignment.state is AssignmentState.FINISHED:
        return assignment, Answer.ACCEPTED  # the same result again: the answer to the first report was lost
    return _take_report(assignment, event)


def _take_report(assignment: Assignment, event: WorkerEvent) -> tuple[Assignment, Answer]:
    match event:
        case Finish():
            return replace(
                assignment, state=AssignmentState.FINISHED, result=event.result, deadline=None
            ), Answer.ACCEPTED
        case Release():
            after = AssignmentState.STOPPED if assignment.state is AssignmentState.STOPPING else AssignmentState.OFFERED
            return replace(assignment, state=after, deadline=None), Answer.ACCEPTED
        case Renew() | Pause() if assignment.state is AssignmentState.STOPPING:
            return assignment, Answer.STOP
        case Renew():
            return replace(assignment, deadline=event.now + assignment.visibility), Answer.ACCEPTED
        case Pause():
            return replace(assignment, state=AssignmentState.PAUSED, deadline=None), Answer.ACCEPTED
        case _:
            assert_never(event)


def _find_refusal(assignment: Assignment, event: WorkerEvent) -> Answer | None:
    """Return why a report of a worker is refused; another worker learns nothing about the state."""
    if assignment.worker != event.by.worker:
        return Answer.NOT_HOLDER
    repeats = isinstance(event, Finish) and event.result == assignment.result
    if assignment.credential == event.by and (assignment.state.has_worker or repeats):
        return None
    return Answer.LATE
