"""Whatever an Ocean executor raises, its run ends or waits with a reason, and the next one goes on."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.memory_operator import MemoryOperator, actions
from support.runs import run as given
from support.runs import toolbox
from taskaction.integrations.port.ocean import (
    AbstractExecutor,
    ActionExecutionError,
    ActionRun,
    RunAlreadyAcknowledgedError,
    RunStatus,
    UserAuthRequiredError,
    hosted,
    ocean,
)
from taskaction.integrations.port.ocean.adapter import build_adapter


class Failing(AbstractExecutor):
    """Raises what it is given."""

    ACTION_NAME = "failing"

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    async def execute(self, run: ActionRun[Any]) -> None:
        if run.execution_properties.get("bad") and self.error is not None:
            raise self.error
        await ocean.port_client.patch_run(run, {"status": RunStatus.SUCCESS})


def good_and_bad() -> list[Any]:
    return [*actions(["bad"], "failing", {"bad": True}), *actions(["good"], "failing")]


async def ended(error: BaseException) -> tuple[str, str | None, str]:
    async with MemoryOperator(hosted(Failing(error)), workers_count=1) as operator:
        await operator.create(*good_and_bad())
        assert operator.phase("good") == "Succeeded"
        status = operator.action("bad").status
        return str(status.phase), status.reason, str(status.message)


class Strange(BaseException):
    """Derives from what almost nobody catches."""


CANCELS = {"cancelled": asyncio.CancelledError(), "exit": SystemExit(1), "strange": Strange("odd")}


@pytest.mark.parametrize("error", CANCELS.values(), ids=CANCELS)
async def test_ocean_d07_an_executor_that_cancels_itself_costs_no_worker_and_its_run_fails(
    error: BaseException,
) -> None:
    phase, reason, message = await ended(error)
    assert (phase, reason) == ("Failed", "ExecutionFailed")
    assert message


async def test_ocean_d07_a_rate_check_that_cancels_itself_costs_no_worker() -> None:
    class Checked(Failing):
        async def is_close_to_rate_limit(self) -> bool:  # type: ignore[override]  # as the seed has it
            if self.error is None:
                return False
            error, self.error = self.error, None
            raise error

    async with MemoryOperator(hosted(Checked(asyncio.CancelledError())), workers_count=1) as operator:
        await operator.create(*actions(["one"], "failing"))
        assert operator.phase("one") == "Queued"
        await operator.pass_time(2)
        assert operator.phase("one") == "Succeeded"


EMPTY = {
    "Ocean's own": ActionExecutionError(""),
    "without an argument": ActionExecutionError(),
    "blanks": ActionExecutionError("  \n"),
    "a plain one": ValueError(),
    "acknowledged": RunAlreadyAcknowledgedError(""),
}


@pytest.mark.parametrize("error", EMPTY.values(), ids=EMPTY)
async def test_ocean_d08_an_error_without_text_still_ends_the_run(error: BaseException) -> None:
    phase, reason, message = await ended(error)
    assert (phase, reason) == ("Failed", "ExecutionFailed")
    assert type(error).__name__ in message


async def test_ocean_d08_the_text_of_an_execution_error_is_shown_as_it_stands() -> None:
    assert await ended(ActionExecutionError("the repository is archived")) == (
        "Failed",
        "ExecutionFailed",
        "the repository is archived",
    )


class Limited(Failing):
    """Its rate check fails as often as it is told."""

    def __init__(self, *errors: BaseException) -> None:
        super().__init__()
        self.errors = list(errors)
        self.looked_at: list[Any] = []

    async def is_close_to_rate_limit(self, run: ActionRun[Any]) -> bool:  # type: ignore[override]  # as Ocean has it
        self.looked_at.append(run.id)
        if self.errors:
            raise self.errors.pop(0)
        return False


async def test_ocean_d05_an_error_in_a_rate_check_is_asked_again_with_backoff_and_seen() -> None:
    executor = Limited(*(ConnectionError("no route") for _ in range(6)))
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(*actions(["one"], "failing"))
        await operator.pass_time(2)
        status = operator.action("one").status
        assert (str(status.phase), status.reason) == ("WaitingForResources", "RateLimited")
        assert "rate limit of the target unknown: ConnectionError: no route" in str(status.message)
        assert status.attempt is None  # nothing was started
        looks: list[int] = []
        for _ in range(40):
            await operator.pass_time(1)
            looks.append(len(executor.looked_at))
        gaps = [looks.count(number) for number in range(2, 7)]
        assert gaps == sorted(gaps)  # 0.5, 1, 2, 4, 8 seconds
        assert gaps[-1] > gaps[0]
        assert operator.phase("one") == "Succeeded"


async def test_ocean_d05_an_error_in_a_rate_check_harms_no_other_run() -> None:
    executor = Limited()
    executor.errors = [ConnectionError("no route") for _ in range(100)]
    async with MemoryOperator(hosted(executor), hosted(Other()), workers_count=1) as operator:
        await operator.create(*actions(["stuck"], "failing"), *actions(["other"], "other"))
        assert operator.phase("other") == "Succeeded"
        await operator.pass_time(2)
        assert operator.phase("stuck") == "WaitingForResources"


class Other(Failing):
    ACTION_NAME = "other"


async def test_a_user_who_must_authenticate_pauses_the_run_before_anything_is_started() -> None:
    executor = Limited(UserAuthRequiredError("log in first"))
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(*actions(["one"], "failing"))
        await operator.pass_time(2)
        status = operator.action("one").status
        assert (str(status.phase), status.message) == ("Paused", "log in first")
        await operator.change("one", signal={"value": True})
        assert operator.phase("one") == "Succeeded"


class Accounts(Failing):
    """Has a quota for each account."""

    async def is_close_to_rate_limit(self, run: ActionRun[Any]) -> bool:
        return bool(run.execution_properties["account"] == "busy")

    async def get_remaining_seconds_until_rate_limit(self, run: ActionRun[Any]) -> float:
        return 5.0


async def test_a_limit_that_depends_on_the_run_holds_no_other_run_back() -> None:
    async with MemoryOperator(hosted(Accounts())) as operator:
        await operator.create(*actions(["limited", "limited-too"], "failing", {"account": "busy"}))
        await operator.create(*actions(["free"], "failing", {"account": "idle"}))
        await operator.pass_time(2)
        assert operator.phase("limited") == operator.phase("limited-too") == "WaitingForResources"
        assert operator.phase("free") == "Succeeded"


class Throttled(Failing):
    """Says how long its limit lasts."""

    seconds: Any = 3.0
    limited = True

    async def is_close_to_rate_limit(self) -> bool:  # type: ignore[override]  # as the seed has it
        return self.limited

    async def get_remaining_seconds_until_rate_limit(self) -> float:  # type: ignore[override]  # as the seed has it
        return self.seconds  # type: ignore[no-any-return]


@pytest.mark.parametrize("seconds", [3.0, 0.0, -5, 1e9, float("nan"), float("inf")])
async def test_a_limited_run_holds_no_worker_and_starts_when_the_limit_is_over(seconds: float) -> None:
    executor = Throttled()
    executor.seconds = seconds
    async with MemoryOperator(hosted(executor), hosted(Other()), workers_count=1) as operator:
        await operator.create(*actions(["one"], "failing"), *actions(["other"], "other"))
        await operator.pass_time(2)
        assert operator.phase("one") == "WaitingForResources"
        assert operator.phase("other") == "Succeeded"
        executor.limited = False
        await operator.pass_time(12)
        assert operator.phase("one") == "Succeeded"


class Organisations(Failing):
    """Has a quota for each organisation, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.limited: set[str] = set()
        self.asked: Counter[str] = Counter()

    async def is_close_to_rate_limit(self, run: ActionRun[Any]) -> bool:  # type: ignore[override]  # as Ocean has it
        self.asked[run.execution_properties["org"]] += 1
        return run.execution_properties["org"] in self.limited

    async def get_remaining_seconds_until_rate_limit(self, run: ActionRun[Any]) -> float:  # type: ignore[override]
        return 3600.0


async def test_a_run_whose_own_quota_is_renewed_does_not_wait_for_those_of_others() -> None:
    executor = Organisations()
    executor.limited = {"a", "b"}
    async with MemoryOperator(hosted(executor), workers_count=1) as operator:
        await operator.create(
            *(one for number in range(20) for one in actions([f"a{number}"], "failing", {"org": "a"})),
            *actions(["b"], "failing", {"org": "b"}),
        )
        await operator.pass_time(2)
        executor.limited = {"a"}
        await operator.pass_time(11)
        assert operator.phase("b") == "Succeeded"
        assert operator.phase("a0") == "WaitingForResources"


def test_thousands_of_limited_runs_that_are_asked_one_by_one_ask_in_turn() -> None:
    adapter = build_adapter(Organisations(), toolbox(FakeCluster()))
    uids = [f"uid-{number}" for number in range(5000)]
    keys = [adapter.rate_limit_key(given(uid=uid)) for uid in uids]
    assert len(set(keys[:256])) == 256, "few do not share"
    assert set(Counter(keys).values()) == {19, 20}
    assert keys == [adapter.rate_limit_key(given(uid=uid)) for uid in uids], "a run keeps its place"
