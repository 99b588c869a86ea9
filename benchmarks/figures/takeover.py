"""How long work stands still when a replica stops or dies."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from benchmarks.counter import Counter
from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import WORK, Stage, metric
from cluster.errors import ClusterError
from cluster.processes import wait_until
from local.operator_process import Operator

ROUNDS = 3
KEYS = 32
OUTSIDE = 16
PAUSE = 0.25
SHARE = 8
SETTINGS: Mapping[str, str] = {}
"""Settings of the operators; by default those of production, with 16 shards."""
LOAD_SECONDS = 5.0
"""How long both have load before one ends."""
LOOK_SECONDS = 2.0
LOOKS = 3
TIMEOUT = 60
CRASH = Figure("takeover_crash_s", "s", Target(8))
STOP = Figure("takeover_stop_s", "s", Target(2))

Item = Mapping[str, Any]


def measure(stage: Stage) -> Iterator[Row]:
    """End one of two replicas under load, three times each way, and take the worst."""
    with Counter() as counter:
        for figure, is_crash in ((STOP, False), (CRASH, True)):
            worst = 0.0
            for number in range(ROUNDS):
                seconds = one_round(stage, counter, f"{figure.name.replace('_', '-')}-{number}", is_crash=is_crash)
                stage.say(f"{figure.name}: {seconds:.2f} s")
                worst = max(worst, seconds)
            yield figure.measured(worst)


def one_round(stage: Stage, counter: Counter, mark: str, *, is_crash: bool) -> float:
    """Give the seconds until another replica has started something of the one that ended, and polled what went on."""
    leaver, stayer = stage.start(SETTINGS), stage.start(SETTINGS)
    try:
        wait_until(lambda: even(leaver, stayer), timeout=TIMEOUT, what="an even share")
        return stage.run(taken_over(stage, counter, mark, leaver, is_crash=is_crash))
    finally:
        for operator in (leaver, stayer):
            operator.program.end(grace=30)


def even(*operators: Operator) -> bool:
    """Say whether each holds its share."""
    return all(metric(operator, "shards_held") == SHARE for operator in operators)


async def taken_over(stage: Stage, counter: Counter, mark: str, leaver: Operator, *, is_crash: bool) -> float:
    """Have load on many keys and actions that go on outside; end one replica, and see who goes on when."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as load:
        for number in range(OUTSIDE):
            name = f"{mark}-outside{number}"
            await stage.load.create(WORK, name, {**counter.job(name), "partitionKey": name})
        for key in range(KEYS):
            load.create_task(arrivals(stage, counter, f"{mark}-key{key}", over))
        await asyncio.sleep(LOAD_SECONDS)
        before = owners(await items(stage, mark))
        ended = datetime.now(UTC)
        ending = asyncio.create_task(asyncio.to_thread(leaver.program.end, grace=0 if is_crash else 40))
        deadline = time.monotonic() + TIMEOUT
        try:
            while (seconds := standstill(before, await items(stage, mark), ended)) is None:
                if time.monotonic() > deadline:
                    raise ClusterError("nobody has taken over")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            over.set()
        await ending
    for name in {name for name in before if "outside" in name}:
        await stage.load.delete(WORK, name)
    return seconds


async def arrivals(stage: Stage, counter: Counter, key: str, over: asyncio.Event) -> None:
    """Create actions of one key at a steady rate."""
    number = 0
    while not over.is_set():
        name = f"{key}-{number}"
        await stage.load.create(WORK, name, {**counter.once(name), "partitionKey": key})
        number += 1
        await asyncio.sleep(PAUSE * 4)


async def items(stage: Stage, mark: str) -> list[Item]:
    """Give the actions of one round; a control plane that is overworked is asked again."""
    for _ in range(LOOKS):
        with suppress(ClusterError):
            return [item for item in await stage.load.list(WORK) if item["metadata"]["name"].startswith(mark)]
    raise ClusterError(f"the API server did not give the actions, {LOOKS} times")


def owners(found: list[Item]) -> dict[str, str]:
    """Give who has claimed last in each partition."""
    claims: dict[str, tuple[str, str]] = {}
    for item in found:
        if (claim := item.get("status", {}).get("claim")) is not None:
            key = item["spec"]["partitionKey"]
            claims[key] = max(claims.get(key, ("", "")), (claim["at"], claim["holder"]))
    return {key: holder for key, (_, holder) in claims.items()}


def standstill(before: Mapping[str, str], found: list[Item], ended: datetime) -> float | None:
    """Give the seconds until the first new start, and the first look outside, by another holder; None before both."""
    starts: list[float] = []
    looks: list[float] = []
    for item in found:
        claim, key = item.get("status", {}).get("claim"), item["spec"]["partitionKey"]
        if claim is not None and key in before and claim["holder"] != before[key]:
            after = (datetime.fromisoformat(claim["at"]) - ended).total_seconds()
            (looks if "outside" in key else starts).append(after)
    return max(min(starts), min(looks)) if starts and looks else None


GROUP = Group("takeover", (STOP, CRASH), measure)
