"""What evaluating one state may cost, counted while it is evaluated; knows nothing of expressions.

Definitions come from users and are hostile until shown otherwise (design, section 7): every value that is looked at
as a whole is charged for all that it holds, so that structures which share their parts cannot grow unseen.
"""

import re
from typing import Any

from taskaction.flows.errors import DATA_LIMIT_EXCEEDED, RunTimeError, StateError

UNITS = 500_000
"""Steps and values that one state may look at; a fraction of a second."""

MAX_WEIGHT = 10_000_000
"""About how many bytes of JSON the state of a flow may be, wherever it is kept."""

WEIGHT_PER_UNIT = 20
"""How many bytes may be written in the place of one value that is looked at."""

MAX_DEPTH = 100
"""How deep the state of a flow may be nested."""

MAX_TEXT = 100_000
"""Characters of a string (the limit of simpleeval, reference section 2.5)."""

MAX_BITS = 4_096
"""How large an integer may become on the way; a result must fit into 64 bits."""

MAX_WIDTH = 1_000
"""How wide formatting and padding may make a value."""

_NUMBERS = re.compile(r"\d+")


class Budget:
    """Counts down."""

    def __init__(self) -> None:
        self._left = UNITS

    @property
    def spent(self) -> int:
        """How many units are gone."""
        return UNITS - self._left

    def charge(self, units: int = 1) -> None:
        """Take units away.

        Raises:
            RunTimeError: they are used up.
        """
        self._left -= units
        if self._left < 0:
            raise RunTimeError("it takes too many steps: split it up, or do it in an action")

    def values(self, value: Any) -> int:
        """Give how many values there are in one, without looking at more than the budget has left."""
        count, waiting = 1, [value]
        while waiting and count <= self._left:
            one = waiting.pop()
            if isinstance(one, dict | list):
                count += len(one)
                waiting += one.values() if isinstance(one, dict) else one
        return count

    def check(self, value: Any) -> Any:
        """Give the value back, charged for all that it holds.

        Raises:
            RunTimeError: it is too large.
        """
        waiting = [value]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                self.charge(1 + len(one) // 64)
                if len(one) > MAX_TEXT:
                    raise RunTimeError(f"a string has {len(one)} characters; {MAX_TEXT} is the most")
            elif isinstance(one, dict):
                self.charge(1 + len(one))
                waiting += one.keys()
                waiting += one.values()
            elif isinstance(one, list | tuple | set):
                self.charge(1 + len(one))
                waiting += one
            elif isinstance(one, int) and one.bit_length() > MAX_BITS:
                raise RunTimeError("a number is too large")
        return value


def weight(*values: Any) -> int:
    """Give about how many bytes of JSON some values are together, as if nothing in them was shared.

    The count ends where there is too much, so that what is shared a million times is never unfolded.

    Raises:
        StateError: ``States.DataLimitExceeded``: they are too much, or nested too deeply.
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
                raise StateError(DATA_LIMIT_EXCEEDED, f"the state of the flow has more than {MAX_WEIGHT} bytes")
        depth, level = depth + 1, below
        if depth > MAX_DEPTH:
            raise StateError(DATA_LIMIT_EXCEEDED, f"the state of the flow is nested more than {MAX_DEPTH} levels deep")
    return total


def width(value: int) -> int:
    """Give a width that padding may have.

    Raises:
        RunTimeError: it is too large.
    """
    if value > MAX_WIDTH:
        raise RunTimeError(f"a width of {value} is too large; {MAX_WIDTH} is the most")
    return value


def format_spec(text: str) -> str:
    """Give a format specification, or a string for ``%``, whose widths are bounded.

    Raises:
        RunTimeError: a width is too large, or is taken from a value.
    """
    if re.search(r"%[^a-zA-Z%]*\*", text):
        raise RunTimeError("a width must be written as a number, and not as *")
    for number in _NUMBERS.findall(text):
        if len(number) > 4 or int(number) > MAX_WIDTH:  # noqa: PLR2004 - the digits of MAX_WIDTH
            raise RunTimeError(f"a width of {number[:20]} is too large; {MAX_WIDTH} is the most")
    return text
