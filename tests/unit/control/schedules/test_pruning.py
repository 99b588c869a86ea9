"""Finished objects of schedules are chosen by limits, and deleted once the history has them."""

import asyncio
from typing import Any

import pytest

from support.records import body
from support.schedule_stage import at, schedule_body
from taskaction.api.action_schedule import ActionSchedule
from taskaction.cluster.gateway import Body
from taskaction.control.objects.background import Background
from taskaction.control.objects.history import ExpiredObject, NoHistory
from taskaction.control.schedules.history import choose_expendable
from taskaction.control.schedules.pruning import ObjectPruner
from taskaction.testing.clock import settle


def schedule(**spec: Any) -> ActionSchedule:
    return ActionSchedule.from_body(schedule_body(**spec))


def finished(second: int, phase: str = "Succeeded") -> Body:
    found = body(f"{phase}-{second}", status={"phase": phase, "finishedAt": at(second).isoformat()})
    annotations = {"taskaction.dev/scheduled-time": at(second).isoformat()}
    created = at(second).isoformat()
    return found | {"metadata": found["metadata"] | {"annotations": annotations, "creationTimestamp": created}}


FOUND = [
    *(finished(second) for second in (50, 10, 40, 20, 30)),
    *(finished(second, phase) for second, phase in ((15, "Failed"), (25, "TimedOut"), (35, "Aborted"))),
    finished(5, "Running"),
]


@pytest.mark.parametrize(
    ("limits", "until", "expected"),
    [
        ({}, 50, ["Succeeded-10", "Succeeded-20", "Failed-15", "TimedOut-25"]),
        ({}, 40, ["Succeeded-10", "Failed-15", "TimedOut-25"]),
        ({"successfulHistoryLimit": 0, "failedHistoryLimit": 9}, 20, ["Succeeded-10", "Succeeded-20"]),
        ({"successfulHistoryLimit": 9, "failedHistoryLimit": 0}, 30, ["Failed-15", "TimedOut-25"]),
        ({"successfulHistoryLimit": 0, "failedHistoryLimit": 0}, None, []),
    ],
)
def test_the_oldest_beyond_the_limits_are_chosen_of_times_that_are_on_record(
    limits: dict[str, int], until: int | None, expected: list[str]
) -> None:
    chosen = choose_expendable(schedule(**limits), FOUND, None if until is None else at(until))
    assert [one["metadata"]["name"] for one in chosen] == expected


class SlowHistory(NoHistory):
    """History that answers when it is told to, and has only some objects."""

    def __init__(self, *recorded: str) -> None:
        self.recorded = recorded
        self.answers = asyncio.Event()
        self.asked: list[ExpiredObject] = []

    async def may_delete(self, expired: ExpiredObject) -> bool:
        self.asked.append(expired)
        await self.answers.wait()
        return expired.name in self.recorded


class Objects:
    """Client that keeps what was deleted."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    async def delete(self, _: ActionSchedule, found: Body) -> None:
        self.deleted.append(found["metadata"]["name"])


async def test_only_what_is_recorded_is_deleted_and_nobody_waits_for_the_history() -> None:
    objects, history = Objects(), SlowHistory("Succeeded-20")
    pruner = ObjectPruner(objects, history, Background(lambda task, error: None))  # type: ignore[arg-type]
    for _ in range(2):
        pruner.start(schedule(), [finished(10), finished(20)])
    await settle()
    assert ([one.name for one in history.asked], objects.deleted) == (["Succeeded-10"], [])
    assert history.asked[0].expired_at == at(10)
    history.answers.set()
    await settle()
    assert objects.deleted == ["Succeeded-20"]
    pruner.start(schedule(), [finished(20)])
    await settle()
    assert objects.deleted == ["Succeeded-20"] * 2
