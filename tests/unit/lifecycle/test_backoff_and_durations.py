"""The arithmetic that policies rest on: delays that grow within bounds, and durations as people write them."""

import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.core.backoff import Backoff
from taskaction.core.durations import PATTERN, format_duration, parse_duration
from taskaction.core.errors import DurationError, TaskActionError

BACKOFFS = st.builds(
    Backoff,
    initial=st.floats(0, 3600),
    factor=st.floats(1, 10),
    max=st.floats(0, 86_400),
    jitter=st.floats(0, 1),
)
LUCK = st.floats(0, 1, exclude_max=True)
MILLISECONDS = st.integers(0, 10**13)


@pytest.mark.parametrize(("attempt", "delay"), [(0, 2.0), (1, 2.0), (2, 6.0), (3, 18.0), (4, 20.0), (10_000, 20.0)])
def test_delays_grow_by_the_factor_up_to_the_maximum(attempt: int, delay: float) -> None:
    assert Backoff(initial=2.0, factor=3.0, max=20.0).delay(attempt, random=0.0) == delay


@pytest.mark.parametrize(("random", "delay"), [(0.0, 10.0), (0.5, 9.0), (0.999999, 8.0)])
def test_luck_takes_off_at_most_the_jitter_share(random: float, delay: float) -> None:
    assert Backoff(initial=10, factor=2, max=60, jitter=0.2).delay(1, random) == pytest.approx(delay, abs=1e-4)


@settings(max_examples=200)
@given(backoff=BACKOFFS, attempt=st.integers(1, 101), random=LUCK)
def test_a_delay_stays_between_nothing_and_the_maximum(backoff: Backoff, attempt: int, random: float) -> None:
    assert 0 <= backoff.delay(attempt, random) <= backoff.max


@settings(max_examples=200)
@given(backoff=BACKOFFS, attempt=st.integers(1, 100), random=LUCK)
def test_a_later_attempt_never_waits_shorter(backoff: Backoff, attempt: int, random: float) -> None:
    assert backoff.delay(attempt, random) <= backoff.delay(attempt + 1, random)


@settings(max_examples=100)
@given(backoff=BACKOFFS, attempt=st.integers(1, 101), random=LUCK)
def test_jitter_only_shortens_and_never_by_more_than_its_share(backoff: Backoff, attempt: int, random: float) -> None:
    full = backoff.delay(attempt, 0.0)

    assert full * (1 - backoff.jitter) <= backoff.delay(attempt, random) <= full


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("90s", 90),
        ("1m30s", 90),
        ("2h", 7200),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("0.1s", 0.1),
        ("1h2m3s4ms", 3723.004),
        ("1s1s", 2),
        ("30s1m", 90),
    ],
)
def test_a_duration_reads_as_people_mean_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "s", "5", "1 s", "-1s", "+1s", "1S", "1d", "1us", "1ns", ".5s", "1.s", "1,5s", "1s ", " 1s", "1s\n"),
        *("\N{ARABIC-INDIC DIGIT ONE}s", "1e3s", "inf", "PT1S", "9" * 40 + "s"),
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(DurationError, match=r"use e\.g\. 90s, 1m30s or 2h") as refused:
        parse_duration(text)

    assert isinstance(refused.value, ValueError)  # so that a model names the field
    assert isinstance(refused.value, TaskActionError)


def test_a_duration_longer_than_can_be_held_is_refused() -> None:
    with pytest.raises(DurationError):
        parse_duration("9" * 31 + "h")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0s"),
        (0.001, "1ms"),
        (59.9995, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (90_061.5, "25h1m1s500ms"),
    ],
)
def test_a_duration_is_printed_as_short_as_it_can_be(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@settings(max_examples=200)
@given(milliseconds=MILLISECONDS)
def test_what_is_printed_reads_back_and_fits_the_schema(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)

    text = format_duration(duration)

    assert parse_duration(text) == duration
    assert re.fullmatch(PATTERN, text)
