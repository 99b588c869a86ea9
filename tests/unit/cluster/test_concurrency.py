"""The limit of concurrent requests against servers that handle a fixed number at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.cluster.concurrency import ConcurrencyLimit


def play(limit: ConcurrencyLimit, *, handled_at_once: int, seconds: float, responses: int = 4_900) -> None:
    """Let a server that handles some requests at a time answer a client that always fills the limit."""
    for _ in range(responses):
        in_flight = limit.value
        limit.on_response(seconds * max(1.0, in_flight / handled_at_once), in_flight)


@pytest.mark.parametrize("seconds", [0.002, 0.05], ids=["near server", "far server"])
@pytest.mark.parametrize("handled_at_once", [2, 8, 30])
def test_the_server_is_kept_busy_and_few_requests_wait_in_it(handled_at_once: int, seconds: float) -> None:
    limit = ConcurrencyLimit(64)
    play(limit, handled_at_once=handled_at_once, seconds=seconds)
    assert handled_at_once <= limit.value <= handled_at_once + 15


def test_a_server_that_never_makes_requests_wait_gets_all_that_is_allowed() -> None:
    limit = ConcurrencyLimit(64)
    play(limit, handled_at_once=1_000, seconds=0.05)
    assert limit.value == 64


def test_a_client_with_little_to_do_does_not_raise_the_limit() -> None:
    limit = ConcurrencyLimit(64)
    play(limit, handled_at_once=8, seconds=0.002, responses=1_000)
    before = limit.value
    for _ in range(1_000):
        limit.on_response(0.01, in_flight=1)
    assert limit.value == before


def test_a_server_that_became_slower_for_good_is_measured_anew() -> None:
    limit = ConcurrencyLimit(64)
    play(limit, handled_at_once=30, seconds=0.002)
    play(limit, handled_at_once=30, seconds=0.1, responses=20_000)
    assert limit.value >= 30


@given(st.integers(1, 1_000), st.lists(st.tuples(st.floats(0, 60), st.integers(1, 1_000)), max_size=200))
def test_the_limit_stays_within_its_bounds(most: int, responses: list[tuple[float, int]]) -> None:
    limit = ConcurrencyLimit(most)
    for seconds, in_flight in responses:
        limit.on_response(seconds, in_flight)
        assert min(4, most) <= limit.value <= most
