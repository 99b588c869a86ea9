"""Parser of ActionEvents of type ``Update``; ignores invalid ones, and decides nothing."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from taskaction.api.enums import CacheStatus, Phase
from taskaction.api.task_action import Address
from taskaction.lifecycle.state import AttemptReport
from taskaction.plugin.base import Delivery


def parse_reports(deliveries: Iterable[Delivery]) -> tuple[AttemptReport, ...]:
    """Return the valid reports about an attempt: attempt, phase, cacheStatus and address of the payloads."""
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
    return AttemptReport(
        attempt=attempt,
        phase=phase,
        cache_status=cache_status,
        address=_parse_address(delivery.payload.get("address")),
        by=delivery.sender or "",
    )


def _parse_address(given: Any) -> Address | None:
    try:
        return None if given is None else Address.model_validate(given)
    except ValidationError:
        return None
