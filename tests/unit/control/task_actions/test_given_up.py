"""An attempt that fails while its work may continue is cancelled first, whatever made it fail."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from support.memory_operator import MemoryOperator, actions
from support.records import body
from taskaction.cluster.gateway import ACTION_PROVIDERS
from taskaction.lifecycle.outcomes import Outcome, Pending
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.errors import AccessDeniedError, ActionExecutionError, MissingSourceError, TransientError
from taskaction.plugin.registry import Plugin
from taskaction.testing.clock import START

RETRIED = {"limit": 1, "retryOn": ["Error", "System", "Timeout"], "backoff": {"initial": "1s"}}


@dataclass
class Target:
    """Work by its key, which outlives the processes that start it."""

    running: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    most: int = 0
    execute_errors: list[Exception] = field(default_factory=list)
    poll_errors: list[Exception] = field(default_factory=list)
    cancel_errors: list[Exception] = field(default_factory=list)
    hangs: bool = False

    def start(self, key: str) -> str:
        self.running.setdefault(key, f"job of {key}")
        self.most = max(self.most, len(self.running))
        return self.running[key]

    def plugin(self, *, external_effect: bool = True) -> Plugin:
        """Return the executor for one process."""
        target = self

        class Starter(AbstractExecutor):
            ACTION_NAME = "starter"
            IDEMPOTENT = True
            EXTERNAL_EFFECT = external_effect

            async def execute(self, run: Run) -> Outcome:
                target.calls.append(f"execute {run.idempotency_key}")
                if target.execute_errors:
                    raise target.execute_errors.pop(0)
                name = target.start(run.idempotency_key)
                if target.hangs:
                    await asyncio.Event().wait()
                return Pending(external_id=name, poll_after=1)

            async def poll(self, run: Run) -> Outcome:
                if target.poll_errors:
                    raise target.poll_errors.pop(0)
                return Pending(external_id=run.external_id, poll_after=1)

            async def cancel(self, run: Run) -> None:
                target.calls.append(f"cancel {run.external_id}")
                if target.cancel_errors:
                    raise target.cancel_errors[0]
                target.running = {key: name for key, name in target.running.items() if name != run.external_id}

        return Starter


@pytest.fixture
def target() -> Target:
    return Target()


async def crashed(target: Target, *, seconds: float = 0, **spec: Any) -> MemoryOperator:
    """Return what is left of a process that died during the call that has started the work."""
    target.hangs = True
    operator = MemoryOperator(target.plugin(), identity="first")
    await operator.__aenter__()
    if "providerRef" in spec:
        operator.cluster.store(ACTION_PROVIDERS, provider_of("starter"))
        await operator.create(body("one", executor=None, retryPolicy=RETRIED, **spec))
    else:
        await operator.create(*actions(["one"], "starter", {}, retryPolicy=RETRIED, **spec))
    await operator.pass_time(seconds)
    assert target.most == 1
    await operator.crash()
    target.hangs = False
    return operator


def next_operator(before: MemoryOperator, target: Target) -> MemoryOperator:
    """Return the process that takes over."""
    return MemoryOperator(target.plugin(), cluster=before.cluster, clock=before.clock, identity="second")


@pytest.fixture
async def operator(target: Target) -> AsyncIterator[MemoryOperator]:
    async with MemoryOperator(target.plugin(), call_timeout="30s") as found:
        yield found


@pytest.mark.parametrize("seconds", [0, 3], ids=["nothing recorded", "Running recorded"])
@pytest.mark.parametrize("error", [TransientError("away"), MissingSourceError("no Secret"), RuntimeError("a bug")])
async def test_a_lost_start_that_cannot_be_repeated_is_cancelled_before_the_next_attempt(
    target: Target, error: Exception, seconds: float
) -> None:
    before = await crashed(target, seconds=seconds)
    target.execute_errors = [error]
    async with next_operator(before, target) as operator:
        await operator.pass_time(40)
        status = operator.action("one").status
    assert (status.phase, status.attempt, target.most) == ("Running", 2, 1)
    assert list(target.running) == ["uid-of-one-2"]
    assert [(one.number, one.external_id) for one in status.attempts] == [(1, "job of uid-of-one-1"), (2, None)]


async def test_a_failure_of_the_work_itself_ends_the_doubt(target: Target) -> None:
    before = await crashed(target)
    target.execute_errors = [ActionExecutionError("the work has failed")]
    target.running.clear()
    async with next_operator(before, target) as operator:
        await operator.pass_time(40)
        assert operator.action("one").status.attempt == 2
    assert [call for call in target.calls if call.startswith("cancel")] == []


@pytest.mark.parametrize("error", [TransientError("away"), AccessDeniedError("no right"), RuntimeError("a bug")])
async def test_work_that_could_not_be_polled_is_cancelled(
    target: Target, operator: MemoryOperator, error: Exception
) -> None:
    target.poll_errors = [error]
    await operator.create(*actions(["one"], "starter", {}, retryPolicy=RETRIED))
    await operator.pass_time(2)

    assert target.calls[:2] == ["execute uid-of-one-1", "cancel job of uid-of-one-1"]
    assert target.running.get("uid-of-one-1") is None
    await operator.pass_time(3)
    again = not isinstance(error, AccessDeniedError)
    assert (operator.phase("one"), len(target.running), target.most) == ("Running" if again else "Failed", again, 1)


async def test_a_cancel_that_is_not_confirmed_is_followed_by_no_attempt(
    target: Target, operator: MemoryOperator
) -> None:
    target.poll_errors, target.cancel_errors = [TransientError("away")], [TransientError("it does not stop")]
    await operator.create(*actions(["one"], "starter", {}, retryPolicy=RETRIED))
    await operator.pass_time(60)

    status = operator.action("one").status
    assert (status.phase, status.attempt, list(target.running)) == ("Failed", 1, ["uid-of-one-1"])
    assert (status.message or "").startswith("away; the executor did not confirm the cancel in time")


async def test_an_abort_while_it_is_given_up_is_the_end(target: Target, operator: MemoryOperator) -> None:
    target.poll_errors, target.cancel_errors = [TransientError("away")], [TransientError("it does not stop")]
    await operator.create(*actions(["one"], "starter", {}, retryPolicy=RETRIED))
    await operator.pass_time(3)
    assert operator.action("one").status.reason == "Aborting"
    await operator.change("one", abort={"reason": "enough", "by": "ada", "at": "2026-01-01T12:00:00Z"})
    target.cancel_errors.clear()
    await operator.pass_time(3)
    assert (operator.phase("one"), operator.action("one").status.message, target.running) == ("Aborted", "enough", {})


# -- providers ---------------------------------------------------------------------------------------------------------


def provider_of(executor: str, generation: int = 1) -> dict[str, Any]:
    """Return a provider after ``generation - 1`` changes."""
    metadata = {"name": "offer", "namespace": "team-a", "uid": "uid-of-offer", "generation": generation}
    return {"metadata": metadata | {"creationTimestamp": START.isoformat()}, "spec": {"executor": executor}}


async def test_an_attempt_waits_for_its_provider_and_continues(target: Target) -> None:
    before = await crashed(target, seconds=3, providerRef={"name": "offer"}, parameters={})
    before.cluster.store(ACTION_PROVIDERS, provider_of("nobody-knows-it", 2))
    async with next_operator(before, target) as operator:
        await operator.pass_time(120)
        status = operator.action("one").status
        assert (status.phase, status.reason) == ("Running", "ProviderNotReady")
        assert "nobody-knows-it" in (status.message or "")
        operator.cluster.store(ACTION_PROVIDERS, provider_of("starter", 3))
        await operator.pass_time(3)
        status = operator.action("one").status
    assert (status.phase, status.attempt, status.external_id) == ("Running", 1, "job of uid-of-one-1")
    assert target.calls == ["execute uid-of-one-1"] * 2


async def test_the_wait_for_a_provider_ends_with_the_timeout_of_the_attempt(target: Target) -> None:
    provider = {"providerRef": {"name": "offer"}, "parameters": {}, "timeouts": {"attempt": "60s"}}
    before = await crashed(target, seconds=3, **provider)
    before.cluster.store(ACTION_PROVIDERS, provider_of("nobody-knows-it", 2))
    async with next_operator(before, target) as operator:
        await operator.pass_time(120)
        status = operator.action("one").status
    assert (status.phase, status.attempt) == ("TimedOut", 1)
    assert "whether work was started and continues is unknown" in (status.message or "")
