"""Random JSON values for measurements: the same for the same seed, with those that readers of JSON have changed."""

import random
import string
from collections.abc import Callable
from typing import Any

import orjson

EDGES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**53 + 1, 2**63 - 1, -(2**63), 20261130123456789, 1.0, 1.5, -0.0, 1e19, 1e300, 5e-324,
    "", " ", "4612e87", "1e3", "007", "1.50", "NaN", "9223372036854775808", "null", "y", "0o17", "\x00", "\ufeff",
    "\U0001f600", "{{ x }}", "$.x", [], {},
)  # fmt: skip
_SIGNS = string.printable + "äß€\u2028\U0001f680"
_LEVELS = 3
_PARTS = 4
_BATCH_BYTES = 16 * 1024


def random_value(choice: random.Random, levels: int = _LEVELS) -> Any:
    """Return a value."""
    match choice.choice("slo" if levels else "s"):
        case "l":
            return [random_value(choice, levels - 1) for _ in range(choice.randrange(_PARTS))]
        case "o":
            return {random_text(choice): random_value(choice, levels - 1) for _ in range(choice.randrange(_PARTS))}
    return choice.choice(_SCALARS)(choice)


def random_text(choice: random.Random) -> str:
    """Return a short text."""
    return "".join(choice.choices(_SIGNS, k=choice.randrange(12)))


_SCALARS: tuple[Callable[[random.Random], Any], ...] = (
    lambda choice: choice.choice(EDGES),
    lambda choice: choice.randint(-(2**63), 2**63 - 1) >> choice.randrange(64),
    lambda choice: choice.uniform(-1, 1) * 10.0 ** choice.randint(-300, 300),
    lambda choice: round(choice.uniform(-1000, 1000), choice.randrange(4)),
    random_text,
)


def batches(seed: int, count: int, most: int) -> list[list[Any]]:
    """Return ``count`` values in lists of at most ``most``, each small enough for the output of an action."""
    choice = random.Random(seed)  # noqa: S311 - the same values in each measurement
    found: list[list[Any]] = [[]]
    size = 0
    for _ in range(count):
        value = random_value(choice)
        size += len(orjson.dumps(value))
        if len(found[-1]) == most or size > _BATCH_BYTES:
            found.append([])
            size = 0
        found[-1].append(value)
    return found
