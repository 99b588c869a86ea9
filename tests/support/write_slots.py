"""Slots for writes in tests of those who write."""

from taskaction.cluster.concurrency import ConcurrencyLimit
from taskaction.cluster.write_slots import WriteSlots
from taskaction.testing.clock import FakeClock


def write_slots(most: int = 10) -> WriteSlots:
    """Give slots of namespaces with equal weights."""
    return WriteSlots(FakeClock(), ConcurrencyLimit(most), lambda _: 1)
