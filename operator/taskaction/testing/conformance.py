"""What every executor must keep to, as a class of tests that plug-in authors subclass; needs no pytest to be imported.

```python
class TestPort(ExecutorConformance):
    def executor(self) -> AbstractExecutor:
        return PortExecutor(AddressPolicy((ip_network("127.0.0.0/8"),)))

    def parameters(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": 8080}
```

The tests are coroutines: run them by pytest with pytest-asyncio (``asyncio_mode = "auto"``), or await them one by one.
"""

import asyncio
import copy
import inspect
import uuid
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from taskaction.api.base import DnsLabel
from taskaction.core.constants import PARTITION_KEY_CHARS
from taskaction.lifecycle.outcomes import Outcome, Paused, Pending
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.errors import ActionError, failure_of
from taskaction.testing.conformance_parts import (
    FixedSecrets,
    Heartbeat,
    RecordedReports,
    capture_result,
    declares,
    is_wait,
    outcome_problem,
    refuse_unknown_names,
    require,
)

T = TypeVar("T")


class ExecutorConformance:
    """Subclass as ``TestMine``; give ``executor`` and ``parameters``, and ``effects`` where calls leave something.

    Attributes:
        CALL_SECONDS: each call must end within this; what takes longer is for ``Pending``.
        BLOCK_SECONDS: the longest time that a call may keep the event loop from everything else.
        POLLS: how often a ``Pending`` action is polled until the tests give up waiting for its end.
    """

    CALL_SECONDS: ClassVar[float] = 10.0
    BLOCK_SECONDS: ClassVar[float] = 0.5
    POLLS: ClassVar[int] = 10

    # -- what the author gives -----------------------------------------------------------------------------------------

    def executor(self) -> AbstractExecutor:
        """Return a new executor, as a new process would have it; the tests close it."""
        raise NotImplementedError("override executor()")

    def parameters(self) -> dict[str, Any]:
        """Return parameters that are valid."""
        raise NotImplementedError("override parameters()")

    def config(self) -> dict[str, Any]:
        """Return the configuration of the provider; empty for an inline executor."""
        return {}

    def secrets(self) -> Mapping[str, str]:
        """Return the Secrets that the executor may read, as ``{"name/key": "text"}``."""
        return {}

    async def effects(self, run: Run) -> int | None:  # noqa: ARG002 - for overriders
        """Count what ``run`` has caused outside, by asking the target; None where executors leave nothing outside."""
        return None

    def run(self) -> Run:
        """Return the first call of a new action."""
        now = datetime.now(UTC)
        uid = str(uuid.uuid4())
        return Run(
            uid=uid,
            name="conformance",
            namespace="default",
            attempt=1,
            parameters=self.parameters(),
            config=self.config(),
            idempotency_key=f"{uid}-1",
            started_at=now,
            reporter=RecordedReports(),
            secrets=FixedSecrets(self.secrets()),
            now=now,
            fencing_token=1,
        )

    # -- what the class says -------------------------------------------------------------------------------------------

    async def test_its_name_can_stand_in_a_manifest(self) -> None:
        """``ACTION_NAME`` is a DNS label."""
        async with _OpenedExecutor(self) as executor:
            name = getattr(executor, "ACTION_NAME", None)
            try:
                TypeAdapter(DnsLabel).validate_python(name)
            except ValidationError as error:
                raise AssertionError(
                    f"ACTION_NAME is {name!r}: it must be 1 to 63 of a-z, 0-9 and -, like 'my-action'"
                ) from error

    async def test_a_misspelt_parameter_is_refused_by_name(self) -> None:
        """``PARAMETERS`` and ``CONFIG`` take what is valid, and refuse names that they do not have."""
        async with _OpenedExecutor(self) as executor:
            require(
                executor.PARAMETERS is not None,
                "PARAMETERS is None: without a model nobody is told of a misspelt parameter; derive one from "
                "taskaction.plugin.parameters.Parameters",
            )
            given = {"PARAMETERS": {} if self.config() else self.parameters(), "CONFIG": self.config()}
            for attribute, values in given.items():
                refuse_unknown_names(attribute, getattr(executor, attribute), values)

    async def test_its_parameters_have_a_schema(self) -> None:
        """Documents and providers are written from the JSON Schema of ``PARAMETERS`` and ``CONFIG``."""
        async with _OpenedExecutor(self) as executor:
            for attribute in ("PARAMETERS", "CONFIG"):
                model = getattr(executor, attribute)
                if model is None:
                    continue
                try:
                    orjson.dumps(model.model_json_schema())
                except Exception as error:
                    raise AssertionError(f"{attribute} gives no JSON Schema: {error}") from error

    async def test_it_says_what_a_crash_would_do(self) -> None:
        """``IDEMPOTENT`` and ``EXTERNAL_EFFECT`` are stated, agree with ``cancel``, and ``traits`` gives them."""
        async with _OpenedExecutor(self) as executor:
            kind = type(executor)
            for_each = kind.traits is not AbstractExecutor.traits
            for flag in ("IDEMPOTENT", "EXTERNAL_EFFECT"):
                require(isinstance(getattr(kind, flag), bool), f"{flag} is {getattr(kind, flag)!r}: say True or False")
            require(
                for_each or declares(kind, "IDEMPOTENT"),
                "IDEMPOTENT is not stated: say whether a second call with the same run.idempotency_key is harmless",
            )
            traits = executor.traits(self.parameters(), self.config())
            answers: tuple[object, ...] = (traits.idempotent, traits.external_effect)
            require(
                all(isinstance(answer, bool) for answer in answers), f"traits gave {traits!r}: it must be two bools"
            )
            cancels = kind.cancel is not AbstractExecutor.cancel
            require(
                cancels or not traits.external_effect,
                "EXTERNAL_EFFECT is True, but cancel is not overridden: nothing would be stopped",
            )
            require(
                not cancels or for_each or declares(kind, "EXTERNAL_EFFECT"),
                "cancel is overridden, but EXTERNAL_EFFECT is not stated: without it cancel may never be called",
            )

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def test_execute_gives_an_outcome_that_can_be_recorded(self) -> None:
        """A value of ``lifecycle.outcomes``, or an ``ActionError``; the parameters are left as they were."""
        async with _OpenedExecutor(self) as executor:
            run = self.run()
            before = copy.deepcopy(dict(run.parameters))
            await self._outcome("execute", executor.execute(run))
            require(run.parameters == before, "execute changed run.parameters, which other calls share: work on a copy")

    async def test_a_second_call_with_the_same_key_has_no_second_effect(self) -> None:
        """Where it says that it is idempotent, also when another process makes the second call."""
        async with _OpenedExecutor(self) as first, _OpenedExecutor(self) as second:
            run = self.run()
            traits = first.traits(run.parameters, run.config)
            if not traits.idempotent:
                return
            one = await self._outcome("execute", first.execute(run))
            after_one = await self.effects(run)
            require(
                after_one is not None or not traits.external_effect,
                "it is idempotent and has an external effect: override effects(run) to count what a run has caused",
            )
            two = await self._outcome("the second execute", second.execute(run))
            after_two = await self.effects(run)
            require(
                after_two == after_one,
                f"it says that it is idempotent, but the second execute with the same key made {after_two} effects of "
                f"{after_one}: hand run.idempotency_key to the target, or say IDEMPOTENT = False",
            )
            ids = getattr(one, "external_id", None), getattr(two, "external_id", None)
            require(
                None in ids or ids[0] == ids[1],
                f"two calls with the same idempotency key were called {ids[0]!r} and {ids[1]!r} by the target",
            )

    async def test_another_process_can_poll_what_is_pending(self) -> None:
        """``poll`` works by what ``run`` says alone, since a restart loses everything else; its outcomes are sound."""
        async with _OpenedExecutor(self) as executor, _OpenedExecutor(self) as successor:
            run = self.run()
            outcome = await self._outcome("execute", executor.execute(run))
            for _ in range(self.POLLS):
                if not isinstance(outcome, Pending | Paused) or outcome.poll_after is None:
                    return
                run = replace(
                    run,
                    external_id=outcome.external_id or run.external_id,
                    now=run.now + timedelta(seconds=outcome.poll_after),
                )
                outcome = await self._outcome("poll", successor.poll(run))

    # -- stopping ------------------------------------------------------------------------------------------------------

    async def test_cancel_before_execute_is_harmless(self) -> None:
        """A deletion may come before the first call."""
        async with _OpenedExecutor(self) as executor:
            await self._run_bounded("cancel before execute", executor.cancel(self.run()))

    async def test_cancel_may_be_repeated(self) -> None:
        """It is called again until it returned once, and that may be lost in a crash."""
        async with _OpenedExecutor(self) as executor:
            run = self.run()
            outcome = await self._outcome("execute", executor.execute(run))
            run = replace(run, external_id=getattr(outcome, "external_id", None))
            await self._run_bounded("cancel", executor.cancel(run))
            await self._run_bounded("the second cancel", executor.cancel(run))

    async def test_a_cancelled_call_ends(self) -> None:
        """Cancelling means that the action is aborted or out of time: clean up, and let it through."""
        async with _OpenedExecutor(self) as executor:
            for seconds in (0.0, 0.05):
                run = self.run()
                call = asyncio.create_task(capture_result(executor.execute(run)))
                await asyncio.sleep(seconds)
                if call.done():
                    continue
                call.cancel()
                await asyncio.wait({call}, timeout=self.CALL_SECONDS)
                require(call.done(), f"execute went on for {self.CALL_SECONDS:g} s after it was cancelled")
                require(
                    call.cancelled() or _is_allowed_end(*call.result()),
                    "execute swallowed its cancellation: do not catch CancelledError, or raise it again, or tell what "
                    "has begun outside by a Pending with its external_id",
                )
                await self._run_bounded("cancel after a cancelled execute", executor.cancel(run))

    async def test_it_can_be_asked_again_after_a_crash(self) -> None:
        """``recover`` gives the id of what runs, or None; ``release`` follows the end, and may be lost."""
        async with _OpenedExecutor(self) as executor:
            run = self.run()
            if executor.traits(run.parameters, run.config).idempotent:
                found: object = await self._run_bounded("recover", executor.recover(run), raising=ActionError)
                require(found is None or isinstance(found, str), f"recover gave {found!r}: give the id, or None")
            await self._run_bounded("release", executor.release(run))

    # -- order and quotas ----------------------------------------------------------------------------------------------

    async def test_its_partition_is_a_text_or_none(self) -> None:
        """``_get_partition_key`` is awaited before the action is queued, and gives the same in each process."""
        async with _OpenedExecutor(self) as executor, _OpenedExecutor(self) as successor:
            run = self.run()
            keys: list[object] = []
            for one in (executor, successor):
                call = one._get_partition_key(run)  # noqa: SLF001 - the contract's name
                keys.append(await self._run_bounded("_get_partition_key", call, raising=ActionError))
            require(
                all(key is None or (isinstance(key, str) and len(key) <= PARTITION_KEY_CHARS) for key in keys),
                f"_get_partition_key gave {keys[0]!r}: give a text of up to {PARTITION_KEY_CHARS} characters, or None",
            )
            require(keys[0] == keys[1], f"two processes gave the partitions {keys[0]!r} and {keys[1]!r} to one action")
            name = executor.PARTITION_KEY
            require(name is None or isinstance(name, str), f"PARTITION_KEY is {name!r}: name a parameter")

    async def test_its_quota_key_is_a_text(self) -> None:
        """``rate_limit_key`` is called without ``await``; calls with equal keys share a quota."""
        async with _OpenedExecutor(self) as executor:
            run = self.run()
            keys: list[object] = [executor.rate_limit_key(run), executor.rate_limit_key(run)]
            for key in keys:
                if inspect.iscoroutine(key):
                    key.close()
            for key in keys:
                require(
                    not inspect.isawaitable(key),
                    "rate_limit_key gave a coroutine: define it with `def`, not `async def`",
                )
                require(isinstance(key, str), f"rate_limit_key gave {key!r}: give a text")
            require(
                keys[0] == keys[1], f"rate_limit_key gave {keys[0]!r} and {keys[1]!r} for one run: no quota is shared"
            )

    async def test_its_rate_limit_is_a_bool_and_seconds(self) -> None:
        """Asked before each attempt, also before the first call of a process."""
        async with _OpenedExecutor(self) as executor:
            run = self.run()
            close = await self._run_bounded("is_close_to_rate_limit", executor.is_close_to_rate_limit(run))
            require(isinstance(close, bool), f"is_close_to_rate_limit gave {close!r}: say True or False")
            seconds: object = await self._run_bounded(
                "get_remaining_seconds_until_rate_limit", executor.get_remaining_seconds_until_rate_limit(run)
            )
            require(is_wait(seconds), f"get_remaining_seconds_until_rate_limit gave {seconds!r}: no seconds from 0")

    # -- how ----------------------------------------------------------------------------------------------------------

    async def _outcome(self, what: str, call: Awaitable[object]) -> Outcome:
        """Return what the operator would record of ``call``."""
        try:
            outcome = await self._run_bounded(what, call, raising=ActionError)
        except ActionError as error:
            return failure_of(error)
        problem = outcome_problem(outcome)
        require(problem is None, f"{what} gave {type(outcome).__name__}: {problem}")
        return outcome  # type: ignore[return-value]  # what it is was demanded just now

    async def _run_bounded(self, what: str, call: Awaitable[T], *, raising: type[Exception] | tuple[()] = ()) -> T:
        """Return what ``call`` returns; it must neither take long, nor hold the loop, nor raise anything but that."""
        require(inspect.isawaitable(call), f"{what} cannot be awaited: define the method with `async def`")
        async with Heartbeat() as heart:
            task = asyncio.create_task(capture_result(call))
            await asyncio.wait({task}, timeout=self.CALL_SECONDS)
            late = not task.done()
            if late:
                task.cancel()
                await asyncio.wait({task}, timeout=1)
        require(not late, f"{what} did not end within {self.CALL_SECONDS:g} s: return Pending for what takes long")
        require(
            heart.longest <= self.BLOCK_SECONDS,
            f"{what} blocked the event loop for {heart.longest:.1f} s: use asyncio, or await asyncio.to_thread(…)",
        )
        result, error = task.result()
        if isinstance(error, raising):
            raise error
        require(
            error is None,
            f"{what} raised {type(error).__name__}: {error}; raise an ActionError, which says whether a retry helps",
        )
        return result  # type: ignore[return-value]  # None only where that is what the call gave


class _OpenedExecutor:
    """A new executor of the author's, closed at the end."""

    def __init__(self, tests: ExecutorConformance) -> None:
        self._executor = tests.executor()

    async def __aenter__(self) -> AbstractExecutor:
        return self._executor

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        await self._executor.close()


def _is_allowed_end(outcome: object, error: object) -> bool:
    """Whether a cancelled call ended as it may."""
    told = isinstance(outcome, Pending) and outcome.external_id is not None
    return told or isinstance(error, asyncio.CancelledError)
