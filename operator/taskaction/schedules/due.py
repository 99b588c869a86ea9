"""What a schedule has to start now: a pure decision from its rules, the objects it has made, and the time.

``lastScheduledTime`` is the mark of a schedule: each time up to it has been handled, because an object was made for it
or because it was missed. It falls only if it is too far in the future (``MARK_AHEAD``). Objects have names that follow
from the nominal time. So the caller makes the objects first and writes the mark afterwards: a crash in between repeats
the decision, which finds the objects, or the API server refuses the second one. Finished objects of times after the
mark must not be deleted.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from taskaction.api.enums import CatchUpPolicy, ConcurrencyPolicy
from taskaction.core.names import stable_hash
from taskaction.schedules.times import Timetable

MARK_AHEAD = timedelta(hours=1)
"""How far a mark may be ahead of the clock. A clock that is set back by less repeats nothing; a mark that is further
ahead comes from a clock that was wrong, and would stop the schedule until then."""

ON_TIME = timedelta(minutes=1)
"""How late a time may start with the catch-up policy None: another replica takes over within this time."""

MISSED_COUNTED = 1000
"""Maximum number of missed times that one decision counts."""

_SECOND = timedelta(seconds=1)
_INSTANT = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_HASHES = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the specification and the identity of a schedule say about its times.

    Attributes:
        created: when the schedule was created; no earlier time counts.
        start: no earlier time counts.
        end: no later time counts.
        starting_deadline: how long after its time, jitter included, an object may still be made.
        catch_up_limit: maximum number of missed times that are made up for with the catch-up policy All.
        jitter: maximum delay after the nominal time.
    """

    uid: str
    created: datetime
    timetable: Timetable
    start: datetime | None = None
    end: datetime | None = None
    suspend: bool = False
    starting_deadline: timedelta | None = None
    concurrency: ConcurrencyPolicy = ConcurrencyPolicy.ALLOW
    catch_up: CatchUpPolicy = CatchUpPolicy.LAST
    catch_up_limit: int = 10
    jitter: timedelta = timedelta()

    @property
    def bound(self) -> int:
        """Maximum number of times that one decision considers."""
        return self.catch_up_limit if self.catch_up is CatchUpPolicy.ALL else 1

    def due_at(self, nominal: datetime) -> datetime:
        """Return the nominal time with its own delay, which is the same in every process."""
        share = stable_hash(f"{self.uid}/{nominal.timestamp():.0f}")
        return nominal + (self.jitter // _MILLISECOND * share // _HASHES) * _MILLISECOND

    def has_ended(self, nominal: datetime) -> bool:
        """Whether a time is after the end."""
        return self.end is not None and nominal > self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeObject:
    """An object of the schedule.

    Attributes:
        time: the nominal time that it was made for; None if a person made it in addition.
    """

    time: datetime | None
    name: str
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now, in this order: delete ``replaced``, make an object for each of ``starts``, write ``last``.

    Attributes:
        starts: nominal times, ascending.
        replaced: names of unfinished objects that the new one replaces.
        last: the new mark; None if no time has been handled yet.
        missed: number of times up to the new mark for which no object is made.
        next_time: the next nominal time after now; None if there is none, or the schedule is suspended.
        wake: when to decide again if nothing else happens; None if nothing is due any more. It is wall time: a caller
            that sleeps by a monotonic clock decides again now and then, because the wall clock may be set.
        waits: whether a time is due and waits for the end of an unfinished object, perhaps of one in ``starts``.
    """

    starts: tuple[datetime, ...] = ()
    replaced: tuple[str, ...] = ()
    last: datetime | None
    missed: int = 0
    next_time: datetime | None = None
    wake: datetime | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """Due times that get an object now, and what the mark may pass."""

    starts: tuple[datetime, ...] = ()
    replaced: tuple[str, ...] = ()
    waiting: datetime | None = None
    """The first due time that gets its object later; the mark stays before it."""


def decide(rules: Rules, last: datetime | None, made: Collection[MadeObject], now: datetime) -> Decision:
    """Return what is due at ``now``; ``last`` is the mark so far.

    The work is bounded by the limits of the rules and ``MISSED_COUNTED``, however long nothing was decided.
    """
    if rules.suspend:
        return Decision(last=last)
    last = _credible_mark(rules, last, now)
    after = _first_moment(rules, last)
    following = _next_time(rules, max(after, now))
    pending, until = _split_by_jitter(rules, after, now)
    upcoming = pending or following
    wake = rules.due_at(upcoming) if upcoming else None
    newest = rules.timetable.latest(1, after, until)
    if not newest:
        return Decision(last=last, next_time=following, wake=wake)
    choice = _choose(rules, _candidates(rules, after, until, now), made)
    mark = newest[0]
    if choice.waiting is not None:
        passed = rules.timetable.latest(1, after, choice.waiting - _SECOND)
        mark = passed[0] if passed else after
    handled = _times_of(made).union(choice.starts)
    return Decision(
        starts=choice.starts,
        replaced=choice.replaced,
        last=last if mark == after else mark,
        missed=_count_missed(rules, after, mark, handled),
        next_time=following,
        wake=wake,
        waits=choice.waiting is not None,
    )


def _credible_mark(rules: Rules, last: datetime | None, now: datetime) -> datetime | None:
    """Return the mark, or instead of one that is too far ahead the last time before those that are still on time.

    Objects of later times may exist: they are kept, because the mark is before them, and so their times do not run
    twice. A schedule that was created after now shows that it is the clock which is wrong.
    """
    if last is None or last <= now + MARK_AHEAD or now < rules.created:
        return last
    passed = rules.timetable.latest(1, _first_moment(rules, None), now - ON_TIME)
    return passed[0] if passed else None


def _first_moment(rules: Rules, last: datetime | None) -> datetime:
    """Return the moment after which times count; the start may have been set after the mark."""
    start = rules.created if rules.start is None else rules.start - _INSTANT
    return max(start, rules.created, last or rules.created)


def _next_time(rules: Rules, after: datetime) -> datetime | None:
    moment = rules.timetable.next(after)
    return None if moment is None or rules.has_ended(moment) else moment


def _split_by_jitter(rules: Rules, after: datetime, now: datetime) -> tuple[datetime | None, datetime]:
    """Return the first time that waits for its delay, if any, and the moment until which times are due.

    A time never starts before an earlier one, so all times after the first that waits are left for later.
    """
    until = now if rules.end is None else min(now, rules.end)
    for nominal in rules.timetable.times(max(after, now - rules.jitter), until) if rules.jitter else ():
        if rules.due_at(nominal) > now:
            return nominal, nominal - _SECOND
    return None, until


def _candidates(rules: Rules, after: datetime, until: datetime, now: datetime) -> list[datetime]:
    """Return the due times that may still get an object, ascending."""
    if rules.starting_deadline is not None:
        after = max(after, now - rules.jitter - rules.starting_deadline - _INSTANT)
    if rules.catch_up is CatchUpPolicy.NONE:
        after = max(after, now - rules.jitter - ON_TIME - _INSTANT)
    return rules.timetable.latest(rules.bound, after, until)


def _choose(rules: Rules, candidates: list[datetime], made: Collection[MadeObject]) -> _Choice:
    """Return which candidates get an object now."""
    if rules.concurrency is ConcurrencyPolicy.REPLACE:
        candidates = candidates[-1:]  # the earlier ones would be replaced at once
    existing = _times_of(made)
    missing = tuple(nominal for nominal in candidates if nominal not in existing)
    unfinished = tuple(item.name for item in made if not item.finished)
    if not missing or rules.concurrency is ConcurrencyPolicy.ALLOW:
        return _Choice(starts=missing)
    if rules.concurrency is ConcurrencyPolicy.REPLACE:
        return _Choice(starts=missing, replaced=unfinished)
    if unfinished:
        return _Choice(waiting=missing[0])
    return _Choice(starts=missing[:1], waiting=missing[1] if len(missing) > 1 else None)


def _times_of(made: Collection[MadeObject]) -> set[datetime]:
    return {item.time for item in made if item.time is not None}


def _count_missed(rules: Rules, after: datetime, mark: datetime, handled: Collection[datetime]) -> int:
    """Return the number of times up to the mark without an object, at most ``MISSED_COUNTED``."""
    missed = (nominal for nominal in rules.timetable.times(after, mark) if nominal not in handled)
    return sum(1 for _ in islice(missed, MISSED_COUNTED))
