"""Limit of concurrent requests by their response times, as TCP Vegas limits packets; pure.

Requests beyond what the server handles at a time wait inside the server, where nobody can overtake them. The limit
follows an estimate of how many wait there: ``in flight * (1 - fastest / seconds)`` (Brakmo and Peterson, "TCP Vegas",
1995; https://github.com/Netflix/concurrency-limits uses it for requests). What the fastest response is, is measured
again from time to time with few requests in flight, as BBR does.
"""

from math import inf, log2

_LEAST = 4
"""Least limit, also while the fastest response is measured."""
_WAITING_LOW, _WAITING_HIGH = 1.0, 2.0
"""Requests that may wait in the server, as multiples of log2 of the limit: fewer raise the limit, more lower it."""
_RESPONSES_PER_MEASUREMENT = 5_000
_RESPONSES_MEASURED = 16
"""Responses in a measurement; the first ones still waited behind the requests sent before."""


class ConcurrencyLimit:
    """Limit that begins with a measurement, rises quickly until requests wait, and then changes slowly."""

    def __init__(self, most: int) -> None:
        """Create a limit of at most ``most``."""
        self._most = most
        self._least = min(_LEAST, most)
        self._limit = float(self._least)
        self._is_starting = True
        self._fastest = inf
        self._responses = 0
        self._measuring = _RESPONSES_MEASURED

    @property
    def value(self) -> int:
        """Number of requests that may be in flight."""
        return self._least if self._measuring else int(self._limit)

    def on_response(self, seconds: float, in_flight: int) -> None:
        """Adjust the limit to a response that took ``seconds`` while ``in_flight`` requests were under way."""
        self._fastest = min(self._fastest, seconds)
        if self._measuring:
            self._measuring -= 1
            return
        self._adjust(seconds, in_flight)
        self._responses += 1
        if self._responses == _RESPONSES_PER_MEASUREMENT:
            self._responses, self._fastest, self._measuring = 0, inf, _RESPONSES_MEASURED

    def _adjust(self, seconds: float, in_flight: int) -> None:
        waiting = min(in_flight, self._limit) * (1.0 - self._fastest / seconds) if seconds else 0.0
        scale = log2(self._limit + 1.0)
        if waiting > _WAITING_HIGH * scale:
            self._limit = max(self._limit - 1.0 / self._limit, self._least)
        elif waiting < _WAITING_LOW * scale and in_flight >= int(self._limit):
            self._limit = min(self._limit + (1.0 if self._is_starting else 1.0 / self._limit), self._most)
        self._is_starting = self._is_starting and waiting < _WAITING_LOW * scale
