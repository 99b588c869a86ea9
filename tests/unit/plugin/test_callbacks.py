"""One-time addresses: what one says is what was put in, and nobody else can make one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.core.errors import ConfigurationError
from taskaction.plugin.callbacks import BadTokenError, Callbacks, Ticket, parse_keys

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON = int((NOW + timedelta(hours=1)).timestamp())
TICKET = Ticket("team", "one", "uid-1", 2, SOON)
OLD, NEW = b"o" * 32, b"n" * 32
OURS = Callbacks(url="https://hooks.example.org/", keys=(NEW, OLD))


def token(callbacks: Callbacks, ticket: Ticket = TICKET) -> str:
    return callbacks.address(ticket).removeprefix("https://hooks.example.org/callbacks/")


@given(
    st.builds(
        Ticket, st.text(max_size=63), st.text(max_size=63), st.text(max_size=64), st.integers(1, 100), st.just(SOON)
    )
)
def test_an_address_says_which_attempt_it_is_for(ticket: Ticket) -> None:
    assert OURS.read(token(OURS, ticket), NOW) == ticket


def test_an_address_is_the_same_whoever_makes_it() -> None:
    assert OURS.address(TICKET) == Callbacks(url="https://hooks.example.org", keys=(NEW,)).address(TICKET)
    assert OURS.address(TICKET).startswith("https://hooks.example.org/callbacks/")


def test_addresses_of_a_key_that_is_being_exchanged_are_taken() -> None:
    assert OURS.read(token(Callbacks(url="https://hooks.example.org", keys=(OLD,))), NOW) == TICKET


def test_ocean_d15_an_address_that_is_none_of_ours_is_refused() -> None:
    good = token(OURS)
    said, _, signature = good.partition(".")
    foreign = token(Callbacks(url="https://hooks.example.org", keys=(b"x" * 32,)))
    other = token(OURS, Ticket("team", "two", "uid-2", 1, SOON)).partition(".")[0]
    for bad in ("", ".", said, f"{said}.", f"{other}.{signature}", good[:-4], foreign, "ü.ü", "a" * 5000):
        with pytest.raises(BadTokenError, match="none of ours"):
            OURS.read(bad, NOW)


def test_an_address_is_valid_for_a_time() -> None:
    OURS.read(token(OURS), NOW + timedelta(hours=1))
    with pytest.raises(BadTokenError, match="no longer valid"):
        OURS.read(token(OURS), NOW + timedelta(hours=1, seconds=1))


@given(st.text(max_size=200))
def test_no_text_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(BadTokenError):
        OURS.read(text, NOW)


def test_a_file_has_a_key_in_each_line() -> None:
    assert parse_keys(f"\n{'a' * 32}\n  {'b' * 40} \n") == (b"a" * 32, b"b" * 40)


@pytest.mark.parametrize("text", ["", "\n", "short", f"{'a' * 32}\nshort"])
def test_a_key_that_is_missing_or_short_is_a_wrong_setting(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"TASKACTION_WEBHOOKS_KEY_FILE.*openssl rand -hex 32"):
        parse_keys(text)
