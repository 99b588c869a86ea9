"""An executor that breaks the contract fails the conformance class, with a message that says what to do."""

from typing import Any

import pytest

from support import broken_executors as broken
from support.broken_executors import Sound, executing, gives
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.errors import ActionExecutionError
from taskaction.testing.conformance import ExecutorConformance


async def judged(kind: type[AbstractExecutor], check: str) -> None:
    """Judge by one check, with bounds that keep the tests short."""

    class Judge(ExecutorConformance):
        CALL_SECONDS = 1.0

        def executor(self) -> AbstractExecutor:
            return kind()

        def parameters(self) -> dict[str, Any]:
            return {"size": 1}

        async def effects(self, run: Run) -> int | None:
            return getattr(kind, "effects", None)

    await getattr(Judge(), check)()


CHECKS = [name for name in vars(ExecutorConformance) if name.startswith("test_")]


@pytest.mark.parametrize("check", CHECKS)
async def test_a_sound_executor_passes(check: str) -> None:
    await judged(Sound, check)


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)

NAME = "test_its_name_can_stand_in_a_manifest"
MISSPELT = "test_a_misspelt_parameter_is_refused_by_name"
SCHEMA = "test_its_parameters_have_a_schema"
CRASH = "test_it_says_what_a_crash_would_do"
OUTCOME = "test_execute_gives_an_outcome_that_can_be_recorded"
REPEAT = "test_a_second_call_with_the_same_key_has_no_second_effect"
POLL = "test_another_process_can_poll_what_is_pending"
EARLY = "test_cancel_before_execute_is_harmless"
AGAIN = "test_cancel_may_be_repeated"
ENDS = "test_a_cancelled_call_ends"
QUOTA = "test_its_rate_limit_is_a_bool_and_seconds"
PARTITION = "test_its_partition_is_a_text_or_none"
KEY = "test_its_quota_key_is_a_text"
ASKED = "test_it_can_be_asked_again_after_a_crash"
ID = "external_id is '', no text of 1 to 1024"

BROKEN = [
    (broken.Shouting, NAME, "ACTION_NAME is 'My Action': it must be 1 to 63 of a-z, 0-9 and -"),
    (broken.Nameless, NAME, "ACTION_NAME is None"),
    (broken.WithoutModel, MISSPELT, "PARAMETERS is None: without a model nobody is told of a misspelt parameter"),
    (broken.TakesAnything, MISSPELT, "PARAMETERS takes a name that it does not have"),
    (broken.RefusesWhatIsValid, MISSPELT, "PARAMETERS refuses the parameters that the test gives: parameters.colour"),
    (broken.WithoutSchema, SCHEMA, "PARAMETERS gives no JSON Schema: "),
    (broken.SaysNothing, CRASH, "IDEMPOTENT is not stated: say whether"),
    (broken.SaysPerhaps, CRASH, "IDEMPOTENT is 'perhaps': say True or False"),
    (broken.Uncancellable, CRASH, "EXTERNAL_EFFECT is True, but cancel is not overridden"),
    (broken.CancelsInVain, CRASH, "cancel is overridden, but EXTERNAL_EFFECT is not stated"),
    (broken.OddTraits, CRASH, "it must be two bools"),
    (executing("Blocks", broken.blocks), OUTCOME, "execute blocked the event loop for 0."),
    (executing("BlocksLater", broken.blocks_later), OUTCOME, "asyncio.to_thread"),
    (executing("Dawdles", broken.dawdles), OUTCOME, "execute did not end within 1 s: return Pending"),
    (executing("Raises", broken.raises), OUTCOME, "execute raised KeyError: 'size'; raise an ActionError"),
    (executing("Leaves", broken.leaves), OUTCOME, "execute raised SystemExit: 3"),
    (executing("CancelsItself", broken.cancels_itself), OUTCOME, "execute raised CancelledError"),
    (executing("Meddles", broken.meddles), OUTCOME, "execute changed run.parameters"),
    (executing("GivesNothing", gives(None)), OUTCOME, "execute gave NoneType: return Succeeded, Pending"),
    (executing("GivesAnObject", gives(Succeeded(output=object()))), OUTCOME, "the output is no JSON"),
    (executing("GivesACircle", gives(Succeeded(output=CIRCLE))), OUTCOME, "the output is no JSON"),
    (executing("GivesNaN", gives(Succeeded(output=[float("nan")]))), OUTCOME, "output.0: is NaN"),
    (executing("GivesTooMuch", gives(Succeeded(output="x" * 40000))), OUTCOME, "the output has 40002 bytes"),
    (executing("PollsBefore", gives(Pending(poll_after=-1))), OUTCOME, "poll_after is -1, no seconds from 0"),
    (executing("PollsTruly", gives(Pending(poll_after=True))), OUTCOME, "poll_after is True, no seconds from 0"),
    (executing("PausesOddly", gives(Paused(message="?", poll_after=float("nan")))), OUTCOME, "poll_after is nan"),
    (executing("NoId", gives(Pending(poll_after=1, external_id=""))), OUTCOME, ID),
    (executing("NoMessage", gives(Failed(code="Oops", message=""))), OUTCOME, "needs a code and a message"),
    (broken.RepeatsItself, REPEAT, "the second execute with the same key made 2 effects of 1"),
    (broken.NewIdEachTime, REPEAT, "two calls with the same idempotency key were called 'job-"),
    (broken.CannotBeCounted, REPEAT, "override effects(run) to count"),
    (broken.Remembers, POLL, "poll raised AssertionError: never started"),
    (broken.ForgetsHowToPoll, POLL, "poll gave str: return Succeeded"),
    (broken.CancelsWhatIsStarted, EARLY, "cancel before execute raised ValueError: nothing was started"),
    (broken.CancelsOnce, AGAIN, "the second cancel raised FileNotFoundError: job-1"),
    (executing("Swallows", broken.swallows), ENDS, "execute swallowed its cancellation"),
    (executing("Resists", broken.resists), ENDS, "execute went on for 1 s after it was cancelled"),
    (broken.SaysMaybe, QUOTA, "is_close_to_rate_limit gave 'maybe': say True or False"),
    (broken.NeverAgain, QUOTA, "get_remaining_seconds_until_rate_limit gave inf"),
    (broken.PartitionsAtOnce, PARTITION, "_get_partition_key cannot be awaited: define the method with `async def`"),
    (broken.PartitionsByNumber, PARTITION, "_get_partition_key gave 7: give a text"),
    (broken.PartitionsAtRandom, PARTITION, "two processes gave the partitions"),
    (broken.CountsLater, KEY, "rate_limit_key gave a coroutine: define it with `def`, not `async def`"),
    (broken.CountsEachAlone, KEY, "for one run: no quota is shared"),
    (broken.RecoversAtOnce, ASKED, "recover cannot be awaited: define the method with `async def`"),
    (broken.RecoversSomething, ASKED, "recover gave 7: give the id, or None"),
    (broken.ReleasesAtOnce, ASKED, "release cannot be awaited"),
]


@pytest.mark.parametrize(("executor", "check", "told"), [pytest.param(*case, id=case[0].__name__) for case in BROKEN])
async def test_a_broken_executor_is_told_what_to_do(executor: type[AbstractExecutor], check: str, told: str) -> None:
    with pytest.raises(AssertionError) as failure:
        await judged(executor, check)
    assert told in str(failure.value)


@pytest.mark.parametrize("check", CHECKS)
async def test_every_check_fails_somebody(check: str) -> None:
    assert any(check == judge for _, judge, _ in BROKEN)


async def test_an_action_error_is_a_good_answer() -> None:
    async def fails(self: Any, run: Run) -> Outcome:
        raise ActionExecutionError("no such size")

    await judged(executing("Fails", fails), OUTCOME)


async def test_an_author_who_forgot_to_say_what_to_judge_is_told() -> None:
    with pytest.raises(NotImplementedError, match="override executor"):
        await ExecutorConformance().test_its_name_can_stand_in_a_manifest()
