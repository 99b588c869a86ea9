"""One caller's calls are held to a rate, and others are not held up by them."""

from contextlib import suppress

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from taskaction.integrations.flyte.service.rates import CallerRateLimiter
from taskaction.testing.clock import FakeClock


def spent(rates: CallerRateLimiter, caller: str, calls: int) -> int:
    """Make so many calls, and give how many were let through."""
    done = 0
    for _ in range(calls):
        with suppress(ConnectError):
            rates.spend(caller)
            done += 1
    return done


async def test_a_caller_gets_so_many_calls_a_second_and_another_one_as_many():
    clock = FakeClock()
    rates = CallerRateLimiter(clock, 5)
    assert spent(rates, "ada", 20) == 5
    assert spent(rates, "bob", 3) == 3
    with pytest.raises(ConnectError, match="ada exceeds the rate limit") as refused:
        rates.spend("ada")
    assert refused.value.code == Code.RESOURCE_EXHAUSTED
    await clock.advance(1)
    assert spent(rates, "ada", 20) == 5


@pytest.mark.parametrize(("rate", "calls"), [(None, 1000), (0.5, 1)])
def test_any_number_is_any_number_and_less_than_one_a_second_is_one_at_a_time(rate, calls):
    assert spent(CallerRateLimiter(FakeClock(), rate), "ada", 1000) == calls
