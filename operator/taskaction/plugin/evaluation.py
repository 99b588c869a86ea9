"""Evaluation of what users wrote, in a worker process with a budget of CPU time and memory.

The event loop evaluates only what is provably cheap (``plugin.schema_cost``). Everything else runs here, so no schema,
value or definition can block the loop or end the process (docs/adr/0016-evaluation-in-bounded-worker-processes.md).
"""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import structlog
from anyio import BrokenWorkerProcess, CapacityLimiter, fail_after, sleep, to_process

from taskaction.api.enums import RetryClass
from taskaction.api.reasons import Reason
from taskaction.plugin.errors import ActionError
from taskaction.plugin.json_schema import SchemaChecker, compile_schema, is_cheap_schema, schema_problem
from taskaction.plugin.secrets import reveal, secrets_in

CPU_SECONDS = 1.0
"""CPU time of one evaluation."""

WALL_SECONDS = 30.0
"""Time after which the worker process is killed: code in C does not notice the end of its CPU time."""

MEMORY_BYTES = 384 * 1024 * 1024
"""Memory that a worker process may allocate."""

WORKERS = 2
"""Maximum number of worker processes. They start when they are first needed."""

CALLS_WAITING = 2
"""Maximum number of evaluations of a namespace while another call of an executor may join them."""

BUSY_SECONDS = 1.0
"""Seconds until a call that may not wait asks again."""

_START_PAUSE_SECONDS = 1.0
_LOG = structlog.stdlib.get_logger("taskaction")
T = TypeVar("T")


class BudgetExceededError(ActionError):
    """The evaluation needs more time or memory than its budget, now and at each repetition."""

    CODE = Reason.BUDGET_EXCEEDED
    RETRY_CLASS = None


class EvaluatorBusyError(ActionError):
    """Other evaluations of the namespace wait already; the caller must give its worker back and ask again."""

    CODE = Reason.RATE_LIMITED
    RETRY_CLASS = RetryClass.RATE_LIMITED


class Evaluator:
    """Evaluator of pure functions in worker processes.

    A namespace has one evaluation at a time, and workers serve evaluations in their order. So nobody waits for more
    than one evaluation of each other namespace.
    """

    def __init__(self, *, cpu_seconds: float = CPU_SECONDS, wall_seconds: float = WALL_SECONDS) -> None:
        self._cpu_seconds = cpu_seconds
        self._wall_seconds = wall_seconds
        self._workers: CapacityLimiter | None = None
        self._turns: WeakValueDictionary[str, _Turn] = WeakValueDictionary()

    async def run(self, namespace: str, what: str, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a function of a module, called in a worker process for an object of a namespace.

        Raises:
            BudgetExceededError: the function needs more CPU time or memory than its budget; ``what`` names it.
        """
        if self._workers is None:
            self._workers = CapacityLimiter(WORKERS)
        turn = self._turns.get(namespace)
        if turn is None:
            turn = self._turns[namespace] = _Turn()
        async with turn.waiting(), self._workers:
            try:
                return await self._run_in_process(function, *arguments)
            except (TimeoutError, MemoryError, _CpuTimeExceededError, BrokenWorkerProcess) as error:
                raise BudgetExceededError(
                    f"{what}: evaluation exceeds its budget of {self._cpu_seconds:g} s of CPU time "
                    f"and {MEMORY_BYTES >> 20} MiB; make it smaller or simpler"
                ) from error

    async def _run_in_process(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result; while the system cannot start a worker process, try again every second."""
        while True:
            try:
                with fail_after(self._wall_seconds):
                    return await to_process.run_sync(
                        _run_bounded, self._cpu_seconds, function, *arguments, cancellable=True
                    )
            except TimeoutError:
                raise
            except OSError as error:
                _LOG.warning("no worker process can be started", error=str(error))
                await sleep(_START_PAUSE_SECONDS)

    def waiting_count(self, namespace: str) -> int:
        """Return the number of evaluations of a namespace that run or wait."""
        turn = self._turns.get(namespace)
        return turn.count if turn is not None else 0

    async def compile_schema(self, namespace: str, schema: Mapping[str, Any] | None, path: str) -> SchemaChecker | None:
        """Return a checker for ``schema``; see ``plugin.json_schema.compile_schema``.

        Raises:
            ValueError: ``schema`` is not a JSON Schema of draft 2020-12, or too large.
            BudgetExceededError: see ``run``.
        """
        if schema is None or is_cheap_schema(schema, path):
            return compile_schema(schema, path)
        problem = await self.run(namespace, path, schema_problem, schema, path)
        if problem is not None:
            raise ValueError(problem)
        return SchemaChecker(schema)

    async def find_problem(self, namespace: str, checker: SchemaChecker, value: object, what: str) -> str | None:
        """Return the problem of ``value``, or None if it is valid.

        Raises:
            BudgetExceededError: see ``run``.
        """
        if checker.is_cheap_for(value):
            return checker.problem(value)
        hidden = frozenset(place for place, _ in secrets_in(value))
        plain = reveal(value) if hidden else value
        return await self.run(namespace, what, checker.problem_of_plain, plain, hidden)


class CallEvaluator(Evaluator):
    """Evaluator for calls of executors, which occupy a worker of the operator and so must not wait long."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    async def run(self, namespace: str, what: str, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a function; see ``Evaluator.run``.

        Raises:
            EvaluatorBusyError: other evaluations of the namespace wait already.
        """
        if self._evaluator.waiting_count(namespace) >= CALLS_WAITING:
            raise EvaluatorBusyError(f"{what}: other evaluations of the namespace wait", retry_after=BUSY_SECONDS)
        return await self._evaluator.run(namespace, what, function, *arguments)


class _Turn:
    """Order of the evaluations of one namespace."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Wait for the turn, and keep it."""
        self.count += 1
        try:
            async with self._lock:
                yield
        finally:
            self.count -= 1


class _CpuTimeExceededError(BaseException):
    """The CPU time is used up; no handler of ``Exception`` in a library may catch it."""


def _run_bounded(cpu_seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function within the budget; runs in the main thread of a worker process."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    os.setpriority(os.PRIO_PROCESS, 0, 10)  # the event loop comes first
    with _cpu_time(cpu_seconds):
        return function(*arguments)


@contextmanager
def _cpu_time(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _CpuTimeExceededError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
