"""Log lines about an API server that does not respond: one when that begins, one when it ends, counts in between."""

import time
from collections import Counter
from collections.abc import Callable

import structlog

_QUIET_SECONDS = 5.0
"""Time without a failed request after which an outage is over: requests fail and succeed in turn at its end."""


class OutageLog:
    """Log of the outages of the API server, as this process sees them."""

    def __init__(self, log: structlog.stdlib.BoundLogger, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._monotonic = monotonic
        self._began: float | None = None
        self._last = 0.0
        self._failures: Counter[str] = Counter()

    def on_failed(self, task: str, error: BaseException) -> None:
        """Count a request that failed and is retried; the first one begins an outage."""
        self._last = self._monotonic()
        self._failures[type(error).__name__] += 1
        if self._began is None:
            self._began = self._last
            self._log.warning("API server does not respond, retrying", task=task, error=str(error))

    def on_succeeded(self) -> None:
        """Record that the API server has responded; that ends an outage if nothing has failed for a while."""
        if self._began is None or (now := self._monotonic()) - self._last < _QUIET_SECONDS:
            return
        self._log.warning(
            "API server responds again",
            seconds=round(self._last - self._began, 1),
            quiet_seconds=round(now - self._last, 1),
            failures=dict(self._failures),
        )
        self._began = None
        self._failures.clear()
