"""The wait for the start of a workload: shows what keeps it, and ends the attempt when its time is over."""

from datetime import datetime, timedelta
from typing import assert_never

from taskaction.api.task_action import Progress
from taskaction.core.durations import format_duration
from taskaction.executors.causes import Cause
from taskaction.executors.child import Child, ChildExecutor
from taskaction.executors.verdicts import Bound, Waiting
from taskaction.lifecycle.outcomes import Failed, Outcome
from taskaction.plugin.base import Run

FIRST_LOOK = timedelta(seconds=5)
"""Time after which a wait without a known problem is looked into; a normal start on a node with the image is over."""
_CONFIGURATION = timedelta(seconds=30)
"""Time for a Secret or ConfigMap that is created together with the action; the kubelet looks every few seconds."""
_LONGEST_LOOK = timedelta(minutes=1)


async def await_start(
    executor: ChildExecutor,
    run: Run,
    child: Child,
    waits: Waiting,
    *,
    counted_from: datetime | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Wait for the start of a workload; after its time, delete it and return the failure.

    The time counts from ``waits.since``, or from ``counted_from`` if that is later, and never from before the attempt:
    times of the API server are cut to whole seconds.
    """
    began = max(waits.since or run.started_at, run.started_at)
    waited, problem, cause = run.now - began, waits.problem, None
    if not problem and waits.uid and waited >= min(FIRST_LOOK, child.patience):
        cause = await executor.causes.find(run, waits.uid, waits.since)
        problem = f"{child.title} is waiting: {cause.text}" if cause is not None else waits.unexplained
    limit, counted = limit_of(waits.bound, child), run.now - max(began, counted_from or began)
    if limit is not None and counted >= limit:
        await executor.discard(run, child)
        return _start_failure(waits.bound, problem, cause, child)
    left = limit - counted if limit is not None else _LONGEST_LOOK
    pause = _LONGEST_LOOK if waits.problem else _next_look(waited)
    return executor.continue_polling(child, problem=problem, progress=progress, within=min(left, pause))


def limit_of(bound: Bound, child: Child) -> timedelta | None:
    """Return how long a workload may wait; None for as long as its attempt may take."""
    match bound:
        case Bound.UNLIMITED:
            return None
        case Bound.HOPELESS:
            return timedelta()
        case Bound.CONFIGURATION:
            return min(_CONFIGURATION, child.patience)
        case Bound.IMAGE:
            return min(child.image_patience, child.patience)
        case Bound.START:
            return child.patience
        case _:
            assert_never(bound)


def is_over(waits: Waiting, child: Child, now: datetime) -> bool:
    """Whether the time of a wait is over."""
    limit = limit_of(waits.bound, child)
    return limit is not None and waits.since is not None and now - waits.since >= limit


def _next_look(waited: timedelta) -> timedelta:
    """Return the time until the next look: the longer nothing happens, the less often."""
    return FIRST_LOOK - waited if waited < FIRST_LOOK else min(waited, _LONGEST_LOOK)


def _start_failure(bound: Bound, problem: str, cause: Cause | None, child: Child) -> Failed:
    if bound is Bound.HOPELESS:
        return Failed(code="CannotStart", message=problem, retry_class=None)
    if bound is Bound.CONFIGURATION:
        return Failed(
            code="CannotStart", message=f"{problem}; create what is missing, and the action again", retry_class=None
        )
    if bound is Bound.IMAGE and child.image_patience < child.patience:
        limit = format_duration(child.image_patience)
        return Failed(code="ImageNotPulled", message=f"no image within imageTimeout ({limit}): {problem}")
    late = f"nothing started within startTimeout ({format_duration(child.patience)}): "
    if cause is not None and cause.is_quota:
        return Failed(code="QuotaExceeded", message=f"{late}{problem}")
    return Failed(code="StartTimeout", message=f"{late}{problem or f'{child.title} is still starting'}")
