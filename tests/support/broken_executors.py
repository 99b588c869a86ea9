"""Executors that break the contract, each by one thing, to try the conformance class on."""

import asyncio
import contextlib
import time
from typing import Any

from pydantic import BaseModel, ConfigDict

from taskaction.plugin import AbstractExecutor, Outcome, Parameters, Pending, Run, Succeeded, Traits


class Size(Parameters):
    size: int


class Sound(AbstractExecutor):
    """Keeps to everything; each broken one differs from it by one thing."""

    ACTION_NAME = "sound"
    PARAMETERS = Size
    IDEMPOTENT = True

    async def execute(self, run: Run) -> Outcome:
        await asyncio.sleep(0)
        return Succeeded(output=run.parameters["size"])


# -- what the class says -----------------------------------------------------------------------------------------------


class Shouting(Sound):
    ACTION_NAME = "My Action"


class Nameless(AbstractExecutor):
    async def execute(self, run: Run) -> Outcome:
        return Succeeded()


class WithoutModel(Sound):
    PARAMETERS = None


class Lenient(BaseModel):
    size: int


class TakesAnything(Sound):
    PARAMETERS = Lenient


class Other(Parameters):
    colour: str


class RefusesWhatIsValid(Sound):
    PARAMETERS = Other


class Undescribed(Parameters):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    size: asyncio.Event


class WithoutSchema(Sound):
    PARAMETERS = Undescribed


class SaysNothing(AbstractExecutor):
    ACTION_NAME = "says-nothing"
    PARAMETERS = Size

    async def execute(self, run: Run) -> Outcome:
        return Succeeded()


class SaysPerhaps(Sound):
    IDEMPOTENT = "perhaps"  # type: ignore[assignment]


class Uncancellable(Sound):
    EXTERNAL_EFFECT = True


class CancelsInVain(Sound):
    async def cancel(self, run: Run) -> None:
        await asyncio.sleep(0)


class OddTraits(Sound):
    def traits(self, parameters: Any, config: Any) -> Traits:
        return Traits(idempotent=1, external_effect=False)  # type: ignore[arg-type]


# -- calls -------------------------------------------------------------------------------------------------------------


def executing(name: str, execute: Any) -> type[AbstractExecutor]:
    """Give an executor that differs by its ``execute``."""
    return type(name, (Sound,), {"execute": execute})


async def blocks(self: Any, run: Run) -> Outcome:
    time.sleep(0.6)  # noqa: ASYNC251 - what is to be found
    return Succeeded()


async def blocks_later(self: Any, run: Run) -> Outcome:
    await asyncio.sleep(0.02)
    time.sleep(0.6)  # noqa: ASYNC251 - what is to be found
    await asyncio.sleep(0.02)
    return Succeeded()


async def dawdles(self: Any, run: Run) -> Outcome:
    await asyncio.Event().wait()
    return Succeeded()


async def raises(self: Any, run: Run) -> Outcome:
    raise KeyError("size")


async def leaves(self: Any, run: Run) -> Outcome:
    raise SystemExit(3)


async def cancels_itself(self: Any, run: Run) -> Outcome:
    raise asyncio.CancelledError


async def meddles(self: Any, run: Run) -> Outcome:
    run.parameters["size"] = 2  # type: ignore[index]
    return Succeeded()


def gives(outcome: Any) -> Any:
    async def execute(self: Any, run: Run) -> Any:
        return outcome

    return execute


class RepeatsItself(Sound):
    """Says that repeats are harmless, and is wrong."""

    effects = 0

    async def execute(self, run: Run) -> Outcome:
        type(self).effects += 1
        return Succeeded()


class NewIdEachTime(Sound):
    async def execute(self, run: Run) -> Outcome:
        return Pending(poll_after=1, external_id=f"job-{id(object())}-{time.monotonic_ns()}")


class CannotBeCounted(Sound):
    EXTERNAL_EFFECT = True


class Remembers(Sound):
    """Keeps in the process what a restart loses."""

    started = False

    async def execute(self, run: Run) -> Outcome:
        self.started = True
        return Pending(poll_after=1, external_id="job-1")

    async def poll(self, run: Run) -> Outcome:
        assert self.started, "never started"
        return Succeeded()


class ForgetsHowToPoll(Sound):
    async def execute(self, run: Run) -> Outcome:
        return Pending(poll_after=1, external_id="job-1")

    async def poll(self, run: Run) -> Any:
        return run.external_id


# -- stopping, and the target's quota ----------------------------------------------------------------------------------


class CancelsWhatIsStarted(Sound):
    EXTERNAL_EFFECT = True

    async def cancel(self, run: Run) -> None:
        if run.external_id is None:
            raise ValueError("nothing was started")


class CancelsOnce(Sound):
    EXTERNAL_EFFECT = True
    gone = False

    async def cancel(self, run: Run) -> None:
        if self.gone:
            raise FileNotFoundError("job-1")
        self.gone = True


async def swallows(self: Any, run: Run) -> Outcome:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(10)
    return Succeeded()


async def resists(self: Any, run: Run) -> Outcome:
    until = time.monotonic() + 1.2
    while time.monotonic() < until:
        try:
            await asyncio.sleep(1.2)
        except asyncio.CancelledError:
            continue
    raise asyncio.CancelledError


class SaysMaybe(Sound):
    async def is_close_to_rate_limit(self, run: Run) -> Any:
        return "maybe"


class NeverAgain(Sound):
    async def get_remaining_seconds_until_rate_limit(self, run: Run) -> float:
        return float("inf")


# -- methods that the engine calls otherwise than they are defined -----------------------------------------------------


class PartitionsAtOnce(Sound):
    def _get_partition_key(self, run: Run) -> Any:
        return "one"


class PartitionsByNumber(Sound):
    async def _get_partition_key(self, run: Run) -> Any:
        return 7


class PartitionsAtRandom(Sound):
    async def _get_partition_key(self, run: Run) -> str:
        return str(time.monotonic_ns())


class CountsLater(Sound):
    async def rate_limit_key(self, run: Run) -> Any:  # type: ignore[override]
        return "account"


class CountsEachAlone(Sound):
    def rate_limit_key(self, run: Run) -> str:
        return str(time.monotonic_ns())


class RecoversAtOnce(Sound):
    def recover(self, run: Run) -> Any:
        return None


class RecoversSomething(Sound):
    async def recover(self, run: Run) -> Any:
        return 7


class ReleasesAtOnce(Sound):
    def release(self, run: Run) -> Any:
        return None
