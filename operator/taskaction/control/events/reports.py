"""Parser of ActionEvents of type ``Update``; ignores invalid ones, and decides nothing."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from taskaction.api.enums import CacheStatus, Phase
from taskaction.lifecycle.state import AttemptReport
from taskaction.plugin.base import Delivery


def parse_reports(deliveries: Iterable[Delivery]) -> tuple[AttemptReport, ...]:
    """Return the valid reports about an attempt: ``attempt``, ``phase`` and ``cacheStatus`` of the payloads."""
    found = (_parse_report(delivery) for delivery in deliveries)
    return tuple(report for report in found if report is not None)


def _parse_report(delivery: Delivery) -> AttemptReport | None:
    attempt: Any = delivery.payload.get("attempt")
    if not isinstance(attempt, int) or isinstance(attempt, bool) or attempt < 1:
        return None
    phase = cache_status = None
    with suppress(ValueError):
        phase = Phase(delivery.payload.get("phase", ""))
    with suppress(ValueError):
        cache_status = CacheStatus(delivery.payload.get("cacheStatus", ""))
    return AttemptReport(attempt=attempt, phase=phase, cache_status=cache_status, by=delivery.sender or "")
