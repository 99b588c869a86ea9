"""What a team gives the plug-in's fixtures: an executor of its own, and how the operator is set."""

from collections.abc import Mapping
from typing import Any

import pytest

from taskaction.lifecycle.outcomes import Outcome, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.parameters import Parameters
from taskaction.plugin.toolbox import Toolbox


class Patience(Parameters):
    """How long to wait."""

    hours: int = 3


class Patient(AbstractExecutor):
    """Is done when it has waited long enough, which it finds out once an hour."""

    ACTION_NAME = "patient"
    PARAMETERS = Patience
    IDEMPOTENT = True

    @classmethod
    def build(cls, toolbox: Toolbox) -> "Patient":
        """Need nothing."""
        return cls()

    async def execute(self, run: Run) -> Outcome:
        """Begin to wait."""
        return Pending(poll_after=3600, external_id="the clock")

    async def poll(self, run: Run) -> Outcome:
        """Look again."""
        waited = (run.now - run.started_at).total_seconds() / 3600
        if waited < Patience.model_validate(run.parameters).hours:
            return Pending(poll_after=3600)
        return Succeeded(output={"waited": round(waited)})


@pytest.fixture
def taskaction_plugins() -> tuple[Any, ...]:
    """Give the team's executors."""
    return (Patient,)


@pytest.fixture
def taskaction_settings() -> Mapping[str, Any]:
    """Let one thing happen at a time."""
    return {"workers_count": 1, "ttl": "1h"}
