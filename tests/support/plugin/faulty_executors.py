"""Executors that misbehave in every way that plug-ins do; found by the entry points beside this file."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import time
from typing import Any
from urllib.parse import urlsplit

from taskaction.plugin import AbstractExecutor, Link, Outcome, Pending, Progress, Run, Succeeded


class Strange(BaseException):
    """Derives from what almost nobody catches."""


class FaultyExecutor(AbstractExecutor):
    """Does what the parameter `fault` says."""

    ACTION_NAME = "faulty"
    IDEMPOTENT = True

    async def execute(self, run: Run) -> Outcome:
        answer = getattr(self, run.parameters["fault"].replace("-", "_"))(run)
        return await answer if asyncio.iscoroutine(answer) else answer

    # -- raises -------------------------------------------------------------------------------------------------------

    def raises_cancelled(self, run: Run) -> Any:
        raise asyncio.CancelledError

    def raises_system_exit(self, run: Run) -> Any:
        raise SystemExit(3)

    def raises_keyboard_interrupt(self, run: Run) -> Any:
        raise KeyboardInterrupt

    def raises_nothing_said(self, run: Run) -> Any:
        raise ValueError

    def raises_strange(self, run: Run) -> Any:
        raise Strange("not even an Exception")

    def raises_group(self, run: Run) -> Any:
        raise ExceptionGroup("two things", [ValueError("one"), OSError("two")])

    def raises_a_megabyte(self, run: Run) -> Any:
        raise RuntimeError("x" * (1 << 20))

    # -- returns nonsense ---------------------------------------------------------------------------------------------

    def returns_nothing(self, run: Run) -> Any:
        return None

    def returns_text(self, run: Run) -> Any:
        return "done"

    def returns_an_object(self, run: Run) -> Any:
        return Succeeded(output=object())

    def returns_a_circle(self, run: Run) -> Any:
        circle: list[Any] = []
        circle.append(circle)
        return Succeeded(output=circle)

    def returns_not_a_number(self, run: Run) -> Any:
        return Succeeded(output={"value": float("nan")})

    def returns_too_much(self, run: Run) -> Any:
        return Succeeded(output="x" * (40 * 1024))

    def returns_a_long_id(self, run: Run) -> Any:
        return Pending(poll_after=0.01, external_id="x" * 10_000)

    def polls_without_pause(self, run: Run) -> Any:
        return Pending(poll_after=-1.0, message="again")

    # -- hangs and floods ---------------------------------------------------------------------------------------------

    async def hangs(self, run: Run) -> Any:
        await asyncio.Event().wait()

    async def hangs_and_will_not_go(self, run: Run) -> Any:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def floods(self, run: Run) -> Any:
        for number in range(500):
            run.reporter.progress(Progress(percent=number % 100, message=f"step {number}"))
            run.reporter.link(Link(name=f"link-{number}", url="https://example.com"))
            await asyncio.sleep(0)
        return Succeeded()


class OnceExecutor(AbstractExecutor):
    """Must not be repeated: its attempt stays open until it is aborted, or ends at once with `quick`."""

    ACTION_NAME = "once"

    async def execute(self, run: Run) -> Outcome:
        if not run.parameters.get("quick"):
            await asyncio.Event().wait()
        return Succeeded(output=run.attempt)


class StumblesExecutor(AbstractExecutor):
    """Succeeds, and then raises what nobody had foreseen when it is to tidy up."""

    ACTION_NAME = "stumbles"
    IDEMPOTENT = True

    async def execute(self, run: Run) -> Outcome:
        return Succeeded(external_id=run.uid)

    async def release(self, run: Run) -> None:
        raise LookupError(f"{run.name} is nowhere to be found")


class StopsBeforeSendingExecutor(AbstractExecutor):
    """Has its whole process stopped at the worst moment: everything is checked, and the request not yet sent."""

    ACTION_NAME = "stops-before-sending"

    async def execute(self, run: Run) -> Outcome:
        url = urlsplit(run.parameters["url"])
        head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nFencing-Token: {run.fencing_token}\r\n\r\n"
        with socket.create_connection((url.hostname, url.port)) as target:
            data, send = head.encode(), ctypes.PyDLL(None).send
            if run.attempt == 1:
                # No other thread may come between when it wakes up: not the watchdog's, which would end the process.
                # One that already waits for its turn does so by the old interval: it gets it now.
                sys.setswitchinterval(600)
                settled = time.monotonic() + 0.1
                while time.monotonic() < settled:
                    pass
                os.kill(os.getpid(), signal.SIGSTOP)
            send(target.fileno(), data, len(data), 0)
            sys.setswitchinterval(0.005)
            target.recv(1)
        return Succeeded()
