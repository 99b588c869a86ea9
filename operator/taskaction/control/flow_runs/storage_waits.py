"""The wait of a run for the storage of its data: when to retry, and since when the storage refuses; pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from taskaction.core.backoff import Backoff
from taskaction.plugin.storage import STORAGE_SETTING, StorageDeniedError, StorageError

_RETRY = Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.5)
_DENIED = timedelta(minutes=10)
"""How long the storage may refuse writes, one time after the other: time to correct rights that are being set up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageWait:
    """Consecutive errors of the storage.

    Attributes:
        error: the last one, after ``failures``.
        retry_at: when to use the storage again; None if it responds.
        denied_since: since when it does not permit to write; None if it does, or if that is not known.
    """

    error: StorageError = field(default_factory=StorageError)
    failures: int = 0
    retry_at: datetime | None = None
    denied_since: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether the storage may be used."""
        return self.retry_at is None or self.retry_at <= now

    def after_error(self, error: StorageError, now: datetime, random: float) -> "StorageWait":
        """Return the wait after another error; ``random`` is a random number in [0, 1)."""
        failures = self.failures + 1
        pause = timedelta(seconds=_RETRY.delay(failures, random))
        return StorageWait(error=error, failures=failures, retry_at=now + pause, denied_since=self.denied_since)

    def after_refused_write(self, error: StorageError, now: datetime) -> "StorageWait":
        """Return the wait after a write was not possible: whether the storage does not permit it."""
        since = (self.denied_since or now) if isinstance(error, StorageDeniedError) else None
        return StorageWait(error=self.error, failures=self.failures, retry_at=self.retry_at, denied_since=since)

    def find_denial(self, now: datetime) -> str | None:
        """Return why the data will not be stored; None while that may change."""
        if self.denied_since is None or now - self.denied_since < _DENIED:
            return None
        return f"data of the flow cannot be stored: {self.error}; permit writing to {STORAGE_SETTING}"
