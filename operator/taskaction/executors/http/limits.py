"""Rate limits that targets announce in headers, stored per target until they expire; no I/O."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

TOO_MANY = 429
_EPOCH_SECONDS = 1_000_000_000
_EPOCH_MILLISECONDS = 100_000_000_000
_DAY_SECONDS = 86_400
_LONGEST_SECONDS = 3600.0
_SHARE_LEFT = 0.0
_PARAMETER = re.compile(r"\b(remaining|reset|r|t)=(\d{1,9})\b")


class LearnedLimits:
    """Store of the time until which each target's quota is used up, in wall time."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def record_response(self, target: str, code: int, headers: Mapping[str, str], now: datetime) -> None:
        """Record the rate limit in the status code and headers (names in lower case) of a response."""
        seconds = seconds_until_reset(headers, now)
        if seconds is None and code == TOO_MANY:
            seconds = retry_after(headers, now)
        if seconds is not None and seconds > 0:
            self._until = {known: until for known, until in self._until.items() if until > now}
            self._until[target] = datetime.fromtimestamp(now.timestamp() + min(seconds, _LONGEST_SECONDS), UTC)

    def remaining(self, target: str, now: datetime) -> float:
        """Return the seconds until the target's quota is renewed; 0 if no limit is known."""
        until = self._until.get(target)
        if until is None:
            return 0.0
        left = (until - now).total_seconds()
        if left <= 0:
            del self._until[target]
        return max(left, 0.0)


def seconds_until_reset(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds until a used-up quota is renewed by ``RateLimit``, ``RateLimit-*`` or ``X-RateLimit-*``."""
    for prefix in ("ratelimit-", "x-ratelimit-", "x-rate-limit-"):
        remaining = _number(headers.get(f"{prefix}remaining"))
        reset = _number(headers.get(f"{prefix}reset"))
        if remaining is not None and reset is not None and remaining <= _SHARE_LEFT:
            return _seconds(reset, now)
    return _policies_reset_seconds(headers.get("ratelimit", ""))


def _seconds(reset: float, now: datetime) -> float:
    """Return the wait that ``reset`` means: a time or a duration, in seconds, or in milliseconds if it is too large."""
    if reset >= _EPOCH_SECONDS:
        moment = reset / 1000 if reset >= _EPOCH_MILLISECONDS else reset
        return max(moment - now.timestamp(), 0.0)
    return reset / 1000 if reset > _DAY_SECONDS else reset


def _policies_reset_seconds(text: str) -> float | None:
    """Return the longest wait of a ``RateLimit`` field, in the form of either draft.

    That is ``limit=10, remaining=0, reset=5``, or a list of policies such as ``"hourly";r=0;t=5``.
    """
    policies = [dict(_PARAMETER.findall(policy)) for policy in text.split(",")]
    older = {name: value for policy in policies for name, value in policy.items()}
    pairs = [(policy.get("r"), policy.get("t")) for policy in policies]
    pairs.append((older.get("remaining"), older.get("reset")))
    waits = [_number(reset) for remaining, reset in pairs if _number(remaining) == _SHARE_LEFT]
    return max((wait for wait in waits if wait is not None), default=None)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds of ``Retry-After`` in either form, at most an hour."""
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is None:
        try:
            seconds = (parsedate_to_datetime(text) - now).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), _LONGEST_SECONDS)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
