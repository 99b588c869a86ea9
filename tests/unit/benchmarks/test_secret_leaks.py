"""The figure `secret_leaks`: no executor lets a value of a Secret out, in no field of an outcome and no encoding."""

import pytest

from benchmarks.figures import secrets
from benchmarks.figures.secrets import ENCODINGS, ENDS, count_leaks
from taskaction.control.task_actions import guard
from taskaction.lifecycle.outcomes import Outcome


async def test_secret_leaks() -> None:
    assert await count_leaks(['tök/en+"=\\x &1', "plain-token-0123456789", "a b%2F c+d=e/f", "päßwörd€"]) == 0


async def test_a_guard_that_redacts_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def show(_: guard.GuardedExecutor, outcome: Outcome) -> Outcome:
        return outcome

    monkeypatch.setattr(guard.GuardedExecutor, "_redact", show)
    assert await count_leaks(["plain-token-0123456789"]) == len(ENCODINGS) * (len(ENDS) - 1)  # all but what is raised


def test_a_stage_is_told_the_figure() -> None:
    assert secrets.GROUP.names == {"secrets", "secret_leaks"}
