"""Work desk: remote workers that ask for actions of one provider, and the actions that they have; pure.

The queue decides which action is next and how many may run. The desk adds one limit: no attempt is started unless a
worker waits for it. ``capacity`` is that limit, as the number of concurrent attempts of the provider. See ADR 0029.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace

from taskaction.core.errors import TaskActionError
from taskaction.execution.assignments import (
    Answer,
    Assign,
    Assignment,
    AssignmentState,
    Credential,
    Event,
    RemoteWorker,
    step,
)


class TooMuchWorkError(TaskActionError):
    """An identity asks for more actions at the same time than it may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRequest:
    """Request of a worker for up to ``places`` actions."""

    id: str
    worker: RemoteWorker
    places: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Handout:
    """Assignment that a request is answered with."""

    request: str
    assignment: Assignment


@dataclass(slots=True)
class _Waiting:
    """Worker that waits.

    Attributes:
        free: number of actions for which it still has room.
        reserved: the actions that it gets as soon as their statuses name it.
    """

    worker: RemoteWorker
    free: int
    reserved: set[str] = field(default_factory=set)


class WorkDesk:
    """Requests for the actions of one provider, and the assignments of its attempts.

    An action passes the desk in three steps: ``reserve`` before its attempt is opened, so that the claim in the status
    can name the worker; ``hand_out`` when that status is durable; ``apply`` for all that follows, until ``forget``.

    An attempt that is offered gets the first free place, before any other is opened. Its action is then one of
    ``take_matched``, and is handed out when its status names the worker.
    """

    def __init__(self, *, per_identity: int) -> None:
        """Create an empty desk; an identity has at most ``per_identity`` actions, with those that it waits for."""
        self._per_identity = per_identity
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._reservations: dict[str, str] = {}
        self._assignments: dict[str, Assignment] = {}
        self._offered: dict[str, None] = {}
        self._matched: list[str] = []
        self._held: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()

    # -- figures ------------------------------------------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        """Maximum number of concurrent attempts: those that are open, and those for which a worker waits."""
        opening = sum(action not in self._assignments for action in self._reservations)
        return len(self._assignments) + opening + self.free_places

    @property
    def free_places(self) -> int:
        """Number of further actions that waiting workers can take."""
        return self._asked.total() - len(self._reservations)

    def count_of(self, identity: str) -> int:
        """Return the number of actions that the workers of an identity have or wait for."""
        return self._held[identity] + self._asked[identity]

    def find_assignment(self, action: str) -> Assignment | None:
        """Return the assignment of an action; None if it has none."""
        return self._assignments.get(action)

    def take_matched(self) -> list[str]:
        """Return the offered actions that have got a worker since the last call; their statuses do not name it yet."""
        matched, self._matched = self._matched, []
        return [action for action in dict.fromkeys(matched) if action in self._offered and action in self._reservations]

    # -- requests -----------------------------------------------------------------------------------------------------

    def add_request(self, request: WorkRequest) -> None:
        """Let a request wait, behind the others.

        Raises:
            TooMuchWorkError: its identity would have more actions than allowed.
        """
        identity = request.worker.identity
        room = self._per_identity - self.count_of(identity)
        if request.places > room:
            raise TooMuchWorkError(
                f'maxActions: "{request.places}" is too much for {identity}, whose workers have or wait for'
                f" {self.count_of(identity)} of at most {self._per_identity} actions; ask for at most {max(room, 0)},"
                " or let the workers of this provider use several ServiceAccounts"
            )
        self._waiting[request.id] = _Waiting(request.worker, request.places)
        _add(self._asked, identity, request.places)
        self._match()

    def close_request(self, request_id: str) -> None:
        """Remove a request that was answered, or whose connection is gone; others get what was reserved for it."""
        waiting = self._waiting.pop(request_id, None)
        if waiting is None:
            return
        _add(self._asked, waiting.worker.identity, -(waiting.free + len(waiting.reserved)))
        for action in waiting.reserved:
            del self._reservations[action]
        self._match()

    # -- actions ------------------------------------------------------------------------------------------------------

    def reserve(self, action: str) -> RemoteWorker | None:
        """Return the worker that will get an action, the same if it is asked again; None if none has room."""
        assignment = self._assignments.get(action)
        if assignment is not None and assignment.state is not AssignmentState.OFFERED:
            return None
        if action in self._reservations:
            return self._waiting[self._reservations[action]].worker
        for request_id, waiting in self._waiting.items():
            if waiting.free:
                waiting.free -= 1
                waiting.reserved.add(action)
                self._reservations[action] = request_id
                return waiting.worker
        return None

    def hand_out(self, action: str, to: Credential, visibility: float, now: float) -> Handout | None:
        """Assign an action to the worker that its durable status names.

        Return None if that worker waits no more: the open attempt is then offered to others.
        """
        known = self._assignments.get(action)
        if known is not None and known.attempt > to.attempt:
            return None
        if known is None or known.attempt < to.attempt:
            known = Assignment(action=action, attempt=to.attempt, visibility=visibility)
            self._put(known)
        request_id = self._reservations.get(action)
        if request_id is None or self._waiting[request_id].worker != to.worker:
            self._miss(known, to)
            return None
        if self.apply(action, Assign(to=to, now=now)) is not Answer.ACCEPTED:
            return None
        _add(self._asked, self._end_reservation(action).worker.identity, -1)
        return Handout(request=request_id, assignment=self._assignments[action])

    def adopt(self, assignment: Assignment) -> None:
        """Continue an assignment of a former owner, as the status has it, unless this attempt or a later one is known.

        A worker that the status names gets a full visibility timeout, because renewals are not stored.
        """
        known = self._assignments.get(assignment.action)
        if known is None or known.attempt < assignment.attempt:
            self._put(assignment)
            self._match()

    def apply(self, action: str, event: Event) -> Answer:
        """Change the assignment of an action, and return the answer; that of an unknown action is ``LATE``."""
        assignment = self._assignments.get(action)
        if assignment is None:
            return Answer.LATE
        changed, answer = step(assignment, event)
        self._put(changed)
        self._match()
        return answer

    def forget(self, action: str) -> None:
        """Remove an action whose attempt has ended in the status, or that may not start."""
        if (assignment := self._assignments.pop(action, None)) is not None:
            self._count(assignment, -1)
            self._offered.pop(action, None)
        if action in self._reservations:
            self._end_reservation(action).free += 1
        self._match()

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _miss(self, known: Assignment, to: Credential) -> None:
        """Keep the number of an assignment of which no worker has heard, and offer the attempt to others."""
        if known.state is not AssignmentState.OFFERED:
            return
        self._put(replace(known, number=max(known.number, to.number)))
        if known.action in self._reservations:
            self._matched.append(known.action)  # for a worker that the status does not name yet
        self._match()

    def _match(self) -> None:
        """Reserve free places for offered attempts, the oldest first."""
        if not self.free_places:
            return  # thousands may be offered after a fleet of workers has left
        for action in [action for action in self._offered if action not in self._reservations]:
            if self.reserve(action) is None:
                return
            self._matched.append(action)

    def _end_reservation(self, action: str) -> _Waiting:
        waiting = self._waiting[self._reservations.pop(action)]
        waiting.reserved.discard(action)
        return waiting

    def _put(self, assignment: Assignment) -> None:
        if (known := self._assignments.get(assignment.action)) is not None:
            self._count(known, -1)
        self._assignments[assignment.action] = assignment
        self._count(assignment, 1)
        if assignment.state is AssignmentState.OFFERED:
            self._offered.setdefault(assignment.action)
        else:
            self._offered.pop(assignment.action, None)

    def _count(self, assignment: Assignment, change: int) -> None:
        if assignment.state.has_worker and assignment.worker is not None:
            _add(self._held, assignment.worker.identity, change)


def _add(counts: Counter[str], identity: str, change: int) -> None:
    """Change a count; one of zero takes no memory, since identities come and go."""
    counts[identity] += change
    if not counts[identity]:
        del counts[identity]
