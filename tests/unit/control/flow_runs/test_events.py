"""Events about runs: what people look for is told, once, with nothing private, and never in a storm."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from support.flow_stage import action, begin, change_run, flow_body, run_body, run_of
from support.memory_operator import MemoryOperator
from taskaction.api.action_flow_run import ActionFlowRun, ActionFlowRunStatus, CurrentState
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.control.flow_runs.events import PROCESS_EVENT_RATE, RUN_EVENT_RATE, RunEventPoster, find_news
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.tables import RunTable
from taskaction.lifecycle.decisions import RecordEvent
from taskaction.testing.clock import START, FakeClock

PASS = {"Type": "Pass", "End": True}
BAD = action(url="taskaction://executor/fail", parameters={"message": "no luck", "retry_class": None})
LONG = action(url="taskaction://executor/sleep", parameters={"duration": "1h"})


@pytest.fixture
async def operator() -> AsyncIterator[MemoryOperator]:
    async with MemoryOperator() as operator:
        yield operator


def events(operator: MemoryOperator, name: str = "r") -> list[tuple[str, str, str]]:
    """Give what was told of a run."""
    found = [one for one in operator.of_kind("events") if one["involvedObject"]["kind"] == "ActionFlowRun"]
    about = [one for one in found if one["involvedObject"]["name"] == name]
    assert all(one["involvedObject"]["uid"] == f"uid-of-{name}" for one in about)
    return [(one["type"], one["reason"], one["message"]) for one in about]


async def test_a_run_that_is_over_at_once_is_not_told_unless_it_fails(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", {"A": action("B"), "B": PASS}), run_body("bad", {"Bad": BAD}))
    await operator.pass_time(3)
    assert events(operator) == []
    assert events(operator, "bad") == [("Warning", "FlowFailed", "Bad: ActionFailedException: no luck")]


async def test_a_run_that_lasts_tells_where_it_stands(operator: MemoryOperator) -> None:
    nap = action("Long", url="taskaction://executor/sleep", parameters={"duration": "5s"})
    await begin(operator, run_body("r", {"Nap": nap, "Long": LONG}))
    await operator.pass_time(2)
    assert events(operator) == [("Normal", "Started", "in Nap")]
    await operator.pass_time(6)
    assert events(operator)[1:] == [("Normal", "StateEntered", "in Long")]
    await change_run(operator, "r", abort={"reason": "enough"})
    await operator.pass_time(1)
    assert events(operator)[2:] == [("Normal", "Aborted", "enough")]


async def test_a_success_is_told_of_a_run_that_has_lasted(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", {"Rest": {"Type": "Wait", "Seconds": 90, "End": True}}))
    await operator.pass_time(91, step=1)
    assert events(operator)[1:] == [("Normal", "Completed", "succeeded after 1m30s")]


async def test_a_timeout_is_a_warning(operator: MemoryOperator) -> None:
    await begin(operator, run_body("slow", {"Long": LONG}, timeouts={"total": "5s"}))
    await operator.pass_time(6)
    assert [one[:2] for one in events(operator, "slow")] == [("Normal", "Started"), ("Warning", "TotalTimeout")]


async def test_who_answered_is_told_and_not_what(operator: MemoryOperator) -> None:
    ask = action(url="taskaction://executor/approval", parameters={"prompt": "Which?", "type": "string"})
    await begin(operator, run_body("r", {"Ask": ask}))
    await operator.pass_time(1)
    await change_run(operator, "r", signal={"value": "s3cret", "state": "Aks", "by": "ann"})
    await change_run(operator, "r", signal={"value": "s3cret", "by": "ann"})
    told = events(operator)
    assert [one[:2] for one in told] == [
        ("Normal", "WaitingForSignal"),
        ("Warning", "SignalRefused"),
        ("Normal", "WaitingForSignal"),
        ("Normal", "Signalled"),
        ("Normal", "Completed"),
    ]
    assert told[2][2].endswith("the flow has no state 'Aks')")
    assert told[3][2] == "ann answered Ask"
    assert "s3cret" not in str(told)


async def test_private_data_is_in_no_event(operator: MemoryOperator) -> None:
    states = {"Rest": {"Type": "Wait", "Seconds": 5, "Next": "Bad"}, "Bad": BAD}
    await begin(operator, run_body("r", states, input={"_private_word": "s3cret"}, runAs={"serviceAccountName": "me"}))
    await operator.pass_time(6)
    assert len(events(operator)) == 2
    assert "s3cret" not in str(operator.of_kind("events"))


async def test_what_hinders_a_run_is_told_once(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", flowRef={"name": "f"}))
    await operator.pass_time(60, step=5)
    assert [one[:2] for one in events(operator)] == [("Warning", "FlowNotFound")]
    await begin(operator, flow_body("f", {"Long": LONG}))
    await change_run(operator, "r", suspend=True)
    assert [one[:2] for one in events(operator)] == [("Warning", "FlowNotFound"), ("Normal", "Suspended")]


async def test_a_loop_is_told_a_few_times_and_then_once_a_minute(operator: MemoryOperator) -> None:
    states = {
        "One": {"Type": "Wait", "Seconds": 2, "Next": "Two"},
        "Two": action("One", url="taskaction://executor/sleep", parameters={"duration": "2s"}, ResultPath=None),
    }
    await begin(operator, run_body("r", states))
    await operator.pass_time(120)
    assert len(events(operator)) == RUN_EVENT_RATE.burst + 1
    assert run_of(operator).status.phase is Phase.RUNNING


async def test_many_runs_at_once_make_no_storm(operator: MemoryOperator) -> None:
    await begin(operator, *(run_body(f"r{number}", {"A": LONG}) for number in range(PROCESS_EVENT_RATE.burst + 100)))
    await operator.pass_time(2)
    assert PROCESS_EVENT_RATE.burst <= len(operator.of_kind("events")) <= PROCESS_EVENT_RATE.burst + 20


def status(**fields: Any) -> ActionFlowRunStatus:
    return ActionFlowRunStatus(**{"phase": Phase.RUNNING, "started_at": START, **fields})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (status(message="in A"), status(message="in A"), None),
        (status(), status(visits=3), None),
        (
            status(states=(CurrentState(name="A", visit="1"),)),
            status(states=(CurrentState(name="A", visit="2"),)),
            None,
        ),
        (status(phase=Phase.SUCCEEDED), status(phase=Phase.SUCCEEDED), None),
        (status(), status(phase=Phase.SUCCEEDED, finished_at=START + timedelta(seconds=90)), "succeeded after 1m30s"),
        (status(phase=Phase.PAUSED, message="A: x"), status(phase=Phase.PAUSED, message="B: y"), "B: y"),
    ],
)
def test_only_what_is_new_is_news(
    before: ActionFlowRunStatus, after: ActionFlowRunStatus, expected: str | None
) -> None:
    found = find_news(before, after, timedelta(seconds=1))
    assert (found.tell.message if found is not None else None) == expected


class Posted:
    """What was posted."""

    def __init__(self) -> None:
        self.told: list[RecordEvent] = []

    def post(self, owner: object, event: RecordEvent) -> None:
        self.told.append(event)


async def test_a_status_that_the_watch_shows_before_its_write_ends_is_told_once() -> None:
    posted, table = Posted(), RunTable()
    poster = RunEventPoster(clock=FakeClock(), table=table, events=posted, patience=timedelta(seconds=1))
    record = RunRecord.from_run(ActionFlowRun.from_body(run_body("r", {"A": PASS})))
    record.begin_write()
    held = record.status.model_copy(update={"reason": Reason.STORAGE_UNAVAILABLE, "message": "away"})
    record.set_status(held)
    record.update_run(record.run.model_copy(update={"status": held}), overtaken=False, owned=True)  # by the watch
    record.on_status_stored(held)
    for _ in range(2):
        record.show_stored_status()
        poster.on_status_stored(record)

    assert [one.reason for one in posted.told] == [Reason.STORAGE_UNAVAILABLE]
