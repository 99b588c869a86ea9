"""What keeps a run from its next step, as its record knows it: active inline calls, and quotas that leave no room."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Stoppable(Protocol):
    """Call that runs in the background."""

    def stop(self) -> None:
        """Stop the call; its outcome is ignored."""


@dataclass(frozen=True, slots=True)
class QuotaHold:
    """Refusal of an action by a ResourceQuota; actions are created again at ``until``."""

    until: datetime
    problem: str
