"""Random JSON values for property tests, with those that readers of JSON have changed before."""

from typing import Any

from hypothesis import strategies as st

EDGES = (0, -1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 20261130123456789)
LIKE_NUMBERS = (
    "4612e87",
    "1e3",
    "007",
    "1.50",
    "NaN",
    "-Infinity",
    "9223372036854775808",
    "1_000",
    "0o17",
    "0x1F",
    "y",
)
TEXTS = (
    *LIKE_NUMBERS,
    "",
    " ",
    "null",
    "true",
    "~",
    "\x00",
    "\u2028",
    "\ufeff",
    "é\U0001f600",
    '"',
    "a: b",
    "- a",
    "{{",
)

integers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(EDGES)
floats = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(TEXTS)
scalars = st.none() | st.booleans() | integers | floats | texts
json_values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
"""Every value that passes unchanged."""

CHANGED: dict[str, tuple[str, str]] = {
    "an integer of 64 bits without sign": ("9223372036854775808", "beyond 64 bits"),
    "a smaller one": ("-9223372036854775809", "beyond 64 bits"),
    "a long integer": ("20261130123456789012", "beyond 64 bits"),
    "very many digits": ("1" * 5000, "beyond 64 bits"),
    "a large exponent": ("1e400", "beyond a 64-bit float"),
    "NaN": ("NaN", "NaN or Infinity"),
    "an infinity": ("-Infinity", "NaN or Infinity"),
    "a name twice": ('{"b": 1, "b": 1}', "appears twice"),
    "half of a pair": (r'"\ud800"', "half of a surrogate pair"),
    "half of a pair in a name": (r'{"\uDC00": 1}', "half of a surrogate pair"),
}
"""JSON texts with a value that a reader would change, and the reason."""
