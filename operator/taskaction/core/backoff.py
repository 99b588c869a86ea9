"""Exponential backoff as a pure value: the caller brings the attempt and the luck."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays in seconds that grow by ``factor`` from ``initial`` up to ``max``.

    ``jitter`` is the share of the delay, 0 to 1, that luck may take off: jitter only shortens, so
    ``max`` stays the upper bound.
    """

    initial: float
    factor: float
    max: float
    jitter: float = 0.0

    def delay(self, attempt: int, luck: float) -> float:
        """Give the delay after the ``attempt``-th failure (from 1); ``luck`` is uniform in [0, 1)."""
        exponent = max(attempt, 1) - 1
        try:
            full = min(self.initial * self.factor**exponent, self.max)
        except OverflowError:
            full = self.max
        return full * (1.0 - self.jitter * luck)
