"""Two replicas of the operator, and the faults that they and the API server have while actions are created."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.stage import Stage
from cluster.ports import HOST, free_port
from local.operator_process import Operator
from support.tcp_proxy import Wire

WAKE_SECONDS = 2.0
STOP_SECONDS = 30


@dataclass
class Replicas:
    """One replica that reaches the API server by a wire that can be cut, and one that reaches it directly."""

    stage: Stage
    wire: Wire
    settings: Mapping[str, str]
    wired: Operator | None = None
    direct: Operator | None = None

    @property
    def running(self) -> list[Operator]:
        """The replicas that have neither ended nor been killed."""
        return [one for one in (self.wired, self.direct) if one is not None and one.program.is_running()]

    async def complete(self) -> None:
        """Start the replicas that do not run."""
        running = self.running
        starts: list[Awaitable[None]] = []
        if self.wired not in running:
            starts.append(self._start_wired())
        if self.direct not in running:
            starts.append(self._start_direct())
        await asyncio.gather(*starts)

    async def leave_one(self) -> Operator:
        """Return the direct replica when it is the only one."""
        if self.direct not in self.running:
            await self._start_direct()
        await self._end(self.wired)
        assert self.direct is not None  # noqa: S101 - it was started
        return self.direct

    async def succeed(self) -> None:
        """Start another direct replica, and then end the former one gently."""
        former = self.direct
        await self._start_direct()
        await self._end(former)

    async def end(self) -> None:
        """End both gently, at the same time."""
        await asyncio.gather(self._end(self.wired), self._end(self.direct))

    async def _start_wired(self) -> None:
        kubeconfig = self.wire.write_kubeconfig(self.stage.kubeconfig.with_name("wired.kubeconfig"))
        self.wired = await self._start(kubeconfig)

    async def _start_direct(self) -> None:
        self.direct = await self._start(self.stage.kubeconfig)

    async def _start(self, kubeconfig: Path) -> Operator:
        bind = {"TASKACTION_BIND": f"{HOST}:{free_port()}"}  # both may start at the same time
        return await asyncio.to_thread(self.stage.start, {**self.settings, **bind}, kubeconfig=kubeconfig)

    @staticmethod
    async def _end(operator: Operator | None) -> None:
        if operator is not None and operator.program.is_running():
            await asyncio.to_thread(operator.program.end, grace=STOP_SECONDS)


Fault = Callable[[Replicas], Awaitable[None]]


def faults(pauses: tuple[float, ...], freeze_seconds: float) -> Mapping[str, Fault]:
    """Return what happens during each round, by name; the first round begins without replicas."""
    return {
        "start": Replicas.complete,
        **{f"pause of {seconds:g} s": partial(pause, seconds=seconds) for seconds in pauses},
        "network freeze": partial(freeze, seconds=freeze_seconds),
        "restart of the API server": restart,
        "take-over": take_over,
    }


async def pause(replicas: Replicas, seconds: float) -> None:
    """Stop every replica for a while; a replica that slept for longer than its Leases last ends, and is replaced."""
    paused = replicas.running
    for number, following in ((signal.SIGSTOP, seconds), (signal.SIGCONT, WAKE_SECONDS)):
        for operator in paused:
            operator.program.signal(number)
        await asyncio.sleep(following)
    await replicas.complete()


async def freeze(replicas: Replicas, seconds: float) -> None:
    """Let no byte through between the wired replica and the API server for a while."""
    replicas.wire.cut()
    await asyncio.sleep(seconds)
    replicas.wire.mend()


async def restart(replicas: Replicas) -> None:
    """Kill the API server, and start it again."""
    await asyncio.to_thread(replicas.stage.plane.restart_apiserver)


async def take_over(replicas: Replicas) -> None:
    """Kill the wired replica."""
    if replicas.wired is not None:
        await asyncio.to_thread(replicas.wired.program.end)
