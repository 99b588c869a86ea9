"""Exponential backoff as a pure value; the caller provides the attempt and the random number."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays in seconds that grow by ``factor`` from ``initial`` up to ``max``.

    ``jitter`` is the share of the delay, 0 to 1, by which it is randomly reduced. Jitter only shortens delays, so
    ``max`` is the upper limit.
    """

    initial: float
    factor: float
    max: float
    jitter: float = 0.0

    def delay(self, attempt: int, random: float) -> float:
        """Return the delay after the ``attempt``-th failure (from 1); ``random`` is a random number in [0, 1)."""
        exponent = max(attempt, 1) - 1
        try:
            full = min(self.initial * self.factor**exponent, self.max)
        except OverflowError:
            full = self.max
        return full * (1.0 - self.jitter * random)
