"""Choice of the finished objects of a schedule that exceed its history limits; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from taskaction.api.action_schedule import ActionSchedule
from taskaction.api.bodies import has_ended, phase_of
from taskaction.api.enums import Phase
from taskaction.cluster.gateway import Body
from taskaction.control.objects.scheduled import nominal_time

SUCCESSFUL_KEPT = 3
FAILED_KEPT = 1


def choose_expendable(schedule: ActionSchedule, finished: Iterable[Body], until: datetime | None) -> list[Body]:
    """Return the finished objects to delete, oldest first.

    Objects of times after ``until``, the last time in the stored status, are not among them: while the status does not
    have the time, the object is what prevents that the time runs twice.
    """
    spec = schedule.spec
    old = [one for one in finished if (time := nominal_time(one)) is None or (until is not None and time <= until)]
    succeeded = [one for one in old if phase_of(one) == Phase.SUCCEEDED]
    failed = [one for one in old if has_ended(one) and phase_of(one) != Phase.SUCCEEDED]
    return [
        *_exceeding(
            succeeded, SUCCESSFUL_KEPT if spec.successful_history_limit is None else spec.successful_history_limit
        ),
        *_exceeding(failed, FAILED_KEPT if spec.failed_history_limit is None else spec.failed_history_limit),
    ]


def by_age(bodies: Iterable[Body]) -> list[Body]:
    """Return objects in the order of their creation."""
    return sorted(bodies, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))


def _exceeding(bodies: Sequence[Body], limit: int) -> list[Body]:
    return by_age(bodies)[: max(0, len(bodies) - limit)]
