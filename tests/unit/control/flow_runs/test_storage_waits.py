"""How long a run waits for the storage of its data, and when it gives up."""

from datetime import timedelta

import pytest

from taskaction.control.flow_runs.storage_waits import StorageWait
from taskaction.plugin.storage import StorageDeniedError, StorageError
from taskaction.testing.clock import START

AWAY, DENIED = StorageError("no response"), StorageDeniedError("read-only file system")
TEN_MINUTES = 600


def after(*writes: tuple[float, StorageError]) -> StorageWait:
    """Return the wait after writes that ended with these errors, each at its second."""
    wait = StorageWait()
    for second, error in writes:
        at = START + timedelta(seconds=second)
        wait = wait.after_error(error, at, 0.0).after_refused_write(error, at)
    return wait


def test_pauses_grow_up_to_a_minute() -> None:
    wait, pauses = StorageWait(), []
    for _ in range(8):
        wait = wait.after_error(AWAY, START, 0.0)
        assert wait.retry_at is not None
        pauses.append((wait.retry_at - START).total_seconds())
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(("second", "over"), [(0.0, False), (0.9, False), (1.0, True)])
def test_the_storage_is_used_again_after_the_pause(second: float, over: bool) -> None:
    assert after((0, AWAY)).is_over(START + timedelta(seconds=second)) is over


WRITES: dict[str, tuple[tuple[tuple[float, StorageError], ...], float, bool]] = {
    "denied for ten minutes": (((0, DENIED), (TEN_MINUTES, DENIED)), TEN_MINUTES, True),
    "denied for less": (((0, DENIED), (TEN_MINUTES - 1, DENIED)), TEN_MINUTES - 1, False),
    "away for a day": (((0, AWAY), (86_400, AWAY)), 86_400, False),
    "away in between": (((0, DENIED), (300, AWAY), (TEN_MINUTES, DENIED)), TEN_MINUTES, False),
    "denied for ten minutes after it was away": (((0, AWAY), (10, DENIED)), TEN_MINUTES + 10, True),
    "never used": ((), 86_400, False),
}


@pytest.mark.parametrize(("writes", "second", "denied"), WRITES.values(), ids=WRITES)
def test_only_a_storage_that_keeps_refusing_is_given_up(
    writes: tuple[tuple[float, StorageError], ...], second: float, denied: bool
) -> None:
    found = after(*writes).find_denial(START + timedelta(seconds=second))

    assert (found is not None) is denied
    if found is not None:
        assert "read-only file system; permit writing to TASKACTION_STORAGE" in found
