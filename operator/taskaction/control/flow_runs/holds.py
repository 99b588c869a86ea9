"""What keeps a run from its next step, as its record knows it: active inline calls, and quotas that leave no room."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


class Stoppable(Protocol):
    """Call that runs in the background."""

    def stop(self) -> None:
        """Stop the call; its outcome is ignored."""


QUOTA_PAUSE = timedelta(seconds=10)
"""Pause before an object is created again that a ResourceQuota refused."""


@dataclass(frozen=True, slots=True)
class QuotaHold:
    """Refusal of an object by a ResourceQuota; it is created again at ``until``."""

    until: datetime
    problem: str
