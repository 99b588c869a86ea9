"""How the benchmark finds keys that were served out of order, and starts above a rate."""

import pytest

from benchmarks.counter import Effect
from benchmarks.figures.order import out_of_order
from benchmarks.figures.owners import BURST, PER, REQUESTS, excess


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["o0ka-0", "o0ka-1", "o0kb-0", "o0ka-2"], 0),
        (["o0ka-1", "o0ka-0", "o0kb-0"], 1),
        (["o0ka-1", "o0ka-0", "o0kb-1", "o0kb-0"], 2),
        (["o0pka-1", "o0pka-0"], 0),
    ],
    ids=["in order", "one key", "two keys", "another round"],
)
def test_a_key_is_out_of_order_where_a_later_action_came_first(names, expected) -> None:
    assert out_of_order([Effect(name, float(at)) for at, name in enumerate(names)], "o0") == expected


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([0.0] * BURST, 0),
        ([0.0] * (BURST + 1), 1),
        ([0.0] * BURST + [PER / REQUESTS, 2 * PER / REQUESTS], 0),
        ([0.0] * BURST + [0.2], 1),
        ([0.0, 10.0, *[10.1] * 7], 4),
    ],
)
def test_starts_are_too_many_where_a_window_has_more_than_burst_and_rate(moments, expected) -> None:
    assert excess(moments) == expected
