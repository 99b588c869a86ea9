"""Executors whose target has a quota: a folder on this machine says whether it is used up; found by entry points."""

import json
import time
from pathlib import Path

from taskaction.plugin import AbstractExecutor, Outcome, Run, Succeeded


class LimitedExecutor(AbstractExecutor):
    """Asks the file `quota` in the folder of the parameter `folder` for the seconds until it may start again."""

    ACTION_NAME = "limited"
    IDEMPOTENT = True

    async def is_close_to_rate_limit(self, run: Run) -> bool:
        with (Path(run.parameters["folder"]) / "asked").open("a") as asked:
            asked.write(f"{run.name} {time.time()}\n")
        return self._left(run) > 0

    async def get_remaining_seconds_until_rate_limit(self, run: Run) -> float:
        return self._left(run)

    async def execute(self, run: Run) -> Outcome:
        return Succeeded(output=run.attempt)

    def _left(self, run: Run) -> float:
        return float(json.loads((Path(run.parameters["folder"]) / "quota").read_text()))
