"""An outage of the API server takes two lines of the log, however many requests fail."""

import logging
from typing import Any

import pytest

from taskaction.cluster.errors import ThrottledError, UnavailableError
from taskaction.runtime import outages
from taskaction.runtime.logs import _is_no_retry
from taskaction.runtime.outages import OutageLog


class Lines:
    """Log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts))


@pytest.fixture
def lines() -> Lines:
    return Lines()


def test_e08_an_outage_is_one_line_when_it_begins_and_one_with_counts_when_it_ends(lines) -> None:
    now = 100.0
    log = OutageLog(lines, lambda: now)
    log.on_succeeded()
    for second in range(60):
        now = 100.0 + second
        log.on_failed("leases", UnavailableError("connection refused"))
    log.on_failed("leases", ThrottledError("slow down"))
    assert [event for event, _ in lines.lines] == ["API server does not respond, retrying"]

    now = 160.0
    log.on_succeeded()  # requests fail and succeed in turn at the end of an outage
    log.on_failed("leases", UnavailableError("connection refused"))
    now += outages._QUIET_SECONDS
    log.on_succeeded()
    log.on_succeeded()

    assert len(lines.lines) == 2
    event, facts = lines.lines[1]
    assert (event, facts["seconds"]) == ("API server responds again", 60.0)
    assert facts["failures"] == {"UnavailableError": 61, "ThrottledError": 1}


def test_e08_the_next_outage_is_reported_again(lines) -> None:
    now = 0.0
    log = OutageLog(lines, lambda: now)
    for _ in range(2):
        log.on_failed("leases", UnavailableError("connection refused"))
        now += 10.0
        log.on_succeeded()

    assert len(lines.lines) == 4


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("Request attempt #1 failed; will retry: GET https://host -> ClientConnectorError()", False),
        ("Request attempt #9/9 failed; escalating: GET https://host -> ClientConnectorError()", True),
    ],
)
def test_e08_the_retries_of_kopf_are_not_logged_one_by_one(message, kept) -> None:
    record = logging.LogRecord("kopf._cogs.clients.watching", logging.ERROR, "", 1, message, (), None)

    assert _is_no_retry(record) is kept
