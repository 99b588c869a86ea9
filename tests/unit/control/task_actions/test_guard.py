"""The guard around executors: nothing that an executor does brings the value of a Secret out of its call."""

import io
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pytest

from support.runs import guarded, outcome_of, run
from taskaction.api.enums import RetryClass
from taskaction.api.task_action import Link, Progress
from taskaction.control.objects.outputs import OutputLimit
from taskaction.control.task_actions.guard import (
    CallFailedError,
    GuardedExecutor,
    refuse_secrets,
    search_rules,
)
from taskaction.executors.approval import ApprovalExecutor
from taskaction.executors.basic import FailExecutor, NoopExecutor, SleepExecutor
from taskaction.executors.flow import FlowExecutor
from taskaction.executors.http import HttpExecutor
from taskaction.executors.resource import ResourceExecutor
from taskaction.executors.wait import WaitExecutor
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.errors import InvalidParametersError, RateLimitedError
from taskaction.plugin.secret_ledger import MOST_BYTES, MOST_VALUES, SecretLedger
from taskaction.plugin.secrets import Secret
from taskaction.runtime.logs import configure_logs
from taskaction.testing.conformance_parts import FixedSecrets

SECRET = "s3cret/value=="


class Leaking(AbstractExecutor):
    """Executor that reads a Secret, and then does what a test asks for."""

    ACTION_NAME: ClassVar[str] = "leaking"

    def __init__(self, leak: Callable[[str, Run], Any]) -> None:
        self._leak = leak

    async def execute(self, run: Run) -> Outcome:
        return self._leak((await run.secrets.read_secret("one", "key")).reveal(), run)

    async def cancel(self, run: Run) -> None:
        await self.execute(run)

    release = cancel

    async def is_close_to_rate_limit(self, run: Run) -> bool:
        return bool(await self.execute(run))

    def rate_limit_key(self, run: Run) -> str:
        return f"quota of {SECRET}"

    async def _get_partition_key(self, run: Run) -> str | None:
        return f"of {await self.execute(run)}"


def raises(secret: str, _: Run) -> Outcome:
    raise RateLimitedError(f"no: {secret}", code=f"Code{secret}", retry_after=7) from ValueError(secret)


def call(leak: Callable[[str, Run], Any]) -> GuardedExecutor:
    return guarded(Leaking(leak), run(secrets={"one/key": SECRET}))


@pytest.mark.parametrize("method", ["execute", "poll", "cancel", "release", "check_quota", "find_partition_key"])
async def test_what_any_method_raises_is_redacted_with_its_causes(method: str) -> None:
    with pytest.raises(CallFailedError) as found:
        await getattr(call(raises), method)()
    error = found.value
    assert SECRET not in f"{error} {error.failure}"
    assert error.__cause__ is None
    assert error.__context__ is None
    assert (error.failure.retry_class, error.failure.retry_after) == (RetryClass.RATE_LIMITED, 7)


async def test_the_name_of_a_quota_is_redacted() -> None:
    limited = await call(lambda secret, _: True).check_quota()
    assert limited is not None
    assert limited.key == "quota of [redacted]"


async def test_a_partition_is_not_named_after_a_secret() -> None:
    with pytest.raises(CallFailedError, match="contains the value of a Secret"):
        await call(lambda secret, _: secret).find_partition_key()


async def test_reports_are_redacted() -> None:
    def report(secret: str, given: Run) -> Outcome:
        given.reporter.progress(Progress(message=f"with {secret}"))
        given.reporter.link(Link(name=secret, url=f"https://x/{secret}"))
        return Succeeded()

    given = run(secrets={"one/key": SECRET})
    await guarded(Leaking(report), given).execute()
    assert SECRET not in str(vars(given.reporter))
    assert "[redacted]" in str(vars(given.reporter))


@pytest.mark.parametrize("kind", [Pending, Paused])
async def test_an_id_of_the_target_with_a_secret_in_it_is_not_stored(kind: type[Outcome]) -> None:
    def start(secret: str, _: Run) -> Outcome:
        return kind(external_id=f"job-{secret}", poll_after=1, message="started")

    outcome = await call(start).execute()
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retry_class) == ("SecretReturned", None)
    assert SECRET not in str(outcome)


@pytest.mark.parametrize("form", ["json", "console"])
async def test_what_a_plug_in_logs_in_its_call_is_redacted(form: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", lines)

    def log(secret: str, given: Run) -> Outcome:
        logging.getLogger("plugin").warning("token %s", secret)
        logging.getLogger("plugin").error("failed for %s", dict(given.parameters), exc_info=ValueError(secret))
        return Succeeded()

    try:
        configure_logs(form, "info")
        await call(log).execute()
        logging.getLogger("plugin").warning("after the call")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert SECRET not in lines.getvalue()
    assert lines.getvalue().count("[redacted]") >= 2
    assert "after the call" in lines.getvalue()


async def test_a_secret_that_is_returned_as_it_is_is_redacted_however_short() -> None:
    given = run({"output": {"pin": Secret(7), "on": Secret(True), "word": Secret("ab"), "plain": "ab"}})
    outcome = await guarded(NoopExecutor(), given).execute()
    assert outcome == Succeeded(output=dict.fromkeys(("pin", "on", "word"), "[redacted]") | {"plain": "ab"})


@pytest.mark.parametrize(
    "kind", [ApprovalExecutor, FailExecutor, FlowExecutor, ResourceExecutor, SleepExecutor, WaitExecutor]
)
def test_an_executor_that_shows_its_parameters_takes_none_from_a_secret(kind: type[AbstractExecutor]) -> None:
    executor = kind.__new__(kind)
    refuse_secrets(executor, {"plain": "text"})
    with pytest.raises(InvalidParametersError, match=r"spec.parametersFrom: 'a.0' cannot come from a Secret") as found:
        refuse_secrets(executor, {"a": [Secret("text")]})
    assert found.value.code == "SecretExposed"


@pytest.mark.parametrize("value", ["1234567", 1234567, "ää", 0.5, " 1234567\n"])
def test_a_value_that_cannot_be_recognized_is_refused(value: Any) -> None:
    ledger = SecretLedger(FixedSecrets(), search_rules(HttpExecutor.__new__(HttpExecutor)))
    with pytest.raises(InvalidParametersError, match=r"the value of 'json.pin' has fewer than 8 bytes") as found:
        ledger.add_parameters({"json": {"pin": Secret(value)}})
    assert str(value).strip() not in str(found.value).removeprefix(
        "spec.parametersFrom: the value of 'json.pin' has fewer"
    )
    SecretLedger(FixedSecrets(), search_rules(NoopExecutor())).add_parameters({"json": Secret(value)})


@pytest.mark.parametrize("values", [[f"number-{one}" for one in range(MOST_VALUES + 1)], ["x" * (MOST_BYTES + 1)]])
def test_more_than_can_be_searched_for_is_refused(values: list[str]) -> None:
    ledger = SecretLedger(FixedSecrets(), search_rules(NoopExecutor()))
    with pytest.raises(InvalidParametersError, match="use only those that the action needs"):
        ledger.add_parameters([Secret(value) for value in values])


@pytest.mark.parametrize("value", [True, ""])
def test_a_value_that_tells_nothing_is_accepted(value: Any) -> None:
    ledger = SecretLedger(FixedSecrets(), search_rules(HttpExecutor.__new__(HttpExecutor)))
    ledger.add_parameters({"on": Secret(value)})


async def test_a_call_that_returns_no_outcome_fails() -> None:
    outcome = await outcome_of(call(lambda secret, _: secret).execute())
    assert isinstance(outcome, Failed)
    assert outcome.code == "NoResultReported"


def test_calls_without_secrets_build_no_search_and_those_with_some_build_their_own() -> None:
    first, second = (SecretLedger(FixedSecrets(), search_rules(NoopExecutor())) for _ in range(2))
    assert first.redactor is second.redactor
    first.protect("correct horse battery")
    assert first.redact("the correct horse battery staple") == "the [redacted] staple"
    assert second.redact("the correct horse battery staple") == "the correct horse battery staple"


async def test_an_output_whose_text_is_too_long_to_search_is_refused_and_never_shortened() -> None:
    def leak(secret: str, _: Run) -> Outcome:
        return Succeeded(output={"report": ["x" * 70_000, secret]}, external_id="job-7")

    given = run(secrets={"one/key": SECRET})
    assert isinstance(given.secrets, SecretLedger)
    limit = OutputLimit(size=1_000_000, remedy="store it")
    guard = GuardedExecutor(Leaking(leak), partial(replace, given), given.reporter, given.secrets, limit)
    outcome = await guard.execute()
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retry_class, outcome.external_id) == ("OutputTooLarge", None, "job-7")
    assert "values of Secrets are not searched for" in outcome.message
