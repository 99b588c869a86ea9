"""Budget for the evaluation of one state, independent of expressions.

Definitions come from users and may be hostile. Every value that is visited as a whole is charged for all its parts, so
that structures with shared parts cannot grow unnoticed.
"""

import re
from dataclasses import dataclass
from typing import Any

from taskaction.flows.errors import DATA_LIMIT_EXCEEDED, RunTimeError, StateError

UNITS = 500_000
"""Steps and values that one state may use; a fraction of a second."""

STATES = 5_000
"""Maximum number of states in one step in a worker process."""

MAX_VISITS = 100_000
"""Default maximum number of states that a run enters."""

MAX_WEIGHT = 10_000_000
"""Approximate maximum size of the state of a flow, in bytes of JSON, wherever it is stored."""

VALUE_UNITS = 5
"""Cost of each value of a document that is read as a whole, such as for the log of the run."""

WEIGHT_PER_UNIT = 20
"""Number of written bytes that cost as much as one visited value."""

MAX_DEPTH = 100
"""Maximum nesting of the state of a flow."""

MAX_TEXT = 100_000
"""Maximum length of a string in characters; the limit of simpleeval."""

MAX_BITS = 4_096
"""Maximum size of an intermediate integer; a result must fit into 64 bits."""

MAX_WIDTH = 1_000
"""Maximum width of formatting and padding."""

_NUMBERS = re.compile(r"\d+")


class StepTooCostlyError(Exception):
    """A state exceeds the units of a quick step; repeat the step with ``FULL_STEP`` outside the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLimits:
    """Limits of one step of a run. A step that reaches them is continued by the next one.

    Attributes:
        states: maximum number of states.
        units: maximum number of units, also of each state.
        visits: maximum number of states that the run enters in all its steps.
        quick: a state that exceeds ``units`` raises ``StepTooCostlyError``; otherwise it fails.
    """

    states: int = STATES
    units: int = UNITS
    visits: int = MAX_VISITS
    quick: bool = False

    @property
    def units_per_state(self) -> int:
        """Units that cost as much as a state: a step contains fewer expensive states."""
        return self.units // self.states


FULL_STEP = StepLimits()
QUICK_STEP = StepLimits(states=500, units=30_000, quick=True)
"""Limits of a step in the event loop, about 20 ms."""


class Budget:
    """Budget of steps and values that is used up."""

    def __init__(self, limits: StepLimits = FULL_STEP) -> None:
        self._limits = limits
        self._left = limits.units
        self._read = 0

    @property
    def spent(self) -> int:
        """Number of used units."""
        return self._limits.units - self._left + self._read

    def charge(self, units: int = 1) -> None:
        """Use units.

        Raises:
            RunTimeError: the budget is used up.
            StepTooCostlyError: it is the budget of a quick step.
        """
        self._left -= units
        if self._left < 0:
            if self._limits.quick:
                raise StepTooCostlyError
            raise RunTimeError("too many steps; split the state, or use an action")

    def charge_document(self, document: Any) -> None:
        """Charge the step, but not the state, for a document that is read as a whole whatever the state does.

        Raises:
            StepTooCostlyError: the budget of a quick step is used up.
        """
        most = self._limits.units // VALUE_UNITS
        self._read += VALUE_UNITS * min(count_values(document, most), most)
        if self._limits.quick and self._read >= self._limits.units:
            raise StepTooCostlyError

    def count_values(self, value: Any) -> int:
        """Return the number of values in a value, without visiting more than the remaining budget."""
        return count_values(value, self._left)

    def check(self, value: Any) -> Any:
        """Return the value, after charging for all its parts.

        Raises:
            RunTimeError: the value is too large.
        """
        waiting = [value]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                self.charge(1 + len(one) // 64)
                if len(one) > MAX_TEXT:
                    raise RunTimeError(f"string too long: {len(one)} characters, maximum {MAX_TEXT}")
            elif isinstance(one, dict):
                self.charge(1 + len(one))
                waiting += one.keys()
                waiting += one.values()
            elif isinstance(one, list | tuple | set):
                self.charge(1 + len(one))
                waiting += one
            elif isinstance(one, int) and one.bit_length() > MAX_BITS:
                raise RunTimeError("number too large")
        return value


def count_values(value: Any, most: int) -> int:
    """Return the number of values in a value, without visiting more than ``most``."""
    count, waiting = 1, [value]
    while waiting and count <= most:
        one = waiting.pop()
        if isinstance(one, dict | list):
            count += len(one)
            waiting += one.values() if isinstance(one, dict) else one
    return count


def weight(*values: Any) -> int:
    """Return the approximate size of some values as JSON in bytes, as if they shared no parts.

    The count stops at the limit, so that parts that are shared a million times are never expanded.

    Raises:
        StateError: ``States.DataLimitExceeded``: the values are too large, or nested too deeply.
    """
    total, depth = 0, 0
    level: list[dict[str, Any] | list[Any]] = [list(values)]
    while level:
        below: list[dict[str, Any] | list[Any]] = []
        for one in level:
            total += 2 + len(one)
            if isinstance(one, dict):
                total += sum(map(len, one)) + 3 * len(one)
            for value in one.values() if isinstance(one, dict) else one:
                if isinstance(value, str):
                    total += len(value) + 2
                elif isinstance(value, dict | list):
                    below.append(value)
                else:
                    total += 4
            if total > MAX_WEIGHT:
                raise StateError(DATA_LIMIT_EXCEEDED, f"the state of the flow is larger than {MAX_WEIGHT} bytes")
        depth, level = depth + 1, below
        if depth > MAX_DEPTH:
            raise StateError(DATA_LIMIT_EXCEEDED, f"the state of the flow is nested more than {MAX_DEPTH} levels deep")
    return total


def check_width(value: int) -> int:
    """Return a valid width for padding.

    Raises:
        RunTimeError: the width is too large.
    """
    if value > MAX_WIDTH:
        raise RunTimeError(f"width {value} is too large, maximum {MAX_WIDTH}")
    return value


def check_format_spec(text: str) -> str:
    """Return a format specification, or a string for ``%``, with limited widths.

    Raises:
        RunTimeError: a width is too large, or is a value.
    """
    if re.search(r"%[^a-zA-Z%]*\*", text):
        raise RunTimeError("a width must be a number, not *")
    for number in _NUMBERS.findall(text):
        if len(number) > 4 or int(number) > MAX_WIDTH:  # noqa: PLR2004 - the digits of MAX_WIDTH
            raise RunTimeError(f"width {number[:20]} is too large, maximum {MAX_WIDTH}")
    return text
