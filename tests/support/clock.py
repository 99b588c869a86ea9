"""The clock of `taskaction.testing`, under the name by which the project's own tests know it."""

from taskaction.testing.clock import START, FakeClock, settled

__all__ = ["START", "FakeClock", "settled"]
