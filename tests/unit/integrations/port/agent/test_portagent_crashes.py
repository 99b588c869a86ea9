"""The agent dies at each of its calls in turn, before or after the call is done; or two work at once, and calls fail.

Whatever happens: one action for each run, an effect for each action, one end told to Port, and nothing left behind.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from support.port_agents import NAMESPACE, Agents, agents
from support.port_server import NODE, PortServer
from taskaction.cluster.errors import ConflictError, UnavailableError
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.integrations.port.agent.agent import AgentComponents
from taskaction.integrations.port.agent.client import PortUnavailableError
from taskaction.integrations.port.agent.wire import PortRequest
from taskaction.testing.clock import FakeClock

CALLS = 48
"""More than an agent makes for these runs, so that the last cases die when everything is told."""
Call = Callable[[], Awaitable[Any]]


class Guarded:
    """Passes calls of one agent on; ``guard`` may make them fail, or end the agent."""

    def __init__(self, target: Any, guard: Callable[[Call], Awaitable[Any]]) -> None:
        self._target = target
        self._guard = guard

    def __getattr__(self, verb: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            return self._guard(lambda: getattr(self._target, verb)(*given, **named))

        return call

    def list(self, *given: Any, **named: Any) -> Any:
        return self._target.list(*given, **named)


class Mortal:
    """Ends an agent at its ``last`` call: from then on nothing that it does has an effect."""

    def __init__(self, last: int, *, after: bool) -> None:
        self._left = last
        self._after = after

    async def __call__(self, call: Call) -> Any:
        self._left -= 1
        if self._left == 0 and self._after:
            await call()
        if self._left <= 0:
            raise asyncio.CancelledError  # passes every `except Exception`, as a kill does
        return await call()


class Unlucky:
    """Delays calls by chance, and loses some of them or their answers."""

    def __init__(self, luck: random.Random, clock: FakeClock, *, port: bool) -> None:
        self._luck = luck
        self._clock = clock
        self._error = PortUnavailableError("lost") if port else UnavailableError("lost")

    async def __call__(self, call: Call) -> Any:
        await self._dawdle()
        chance = self._luck.random()
        if chance < 0.1:
            raise self._error
        answer = await call()
        await self._dawdle()
        if chance > 0.9:
            raise self._error
        return answer

    async def _dawdle(self) -> None:
        """Let the other agent go ahead, now and then for so long that it takes this one for dead."""
        for _ in range(self._luck.randrange(6)):
            await asyncio.sleep(0)
        if self._luck.random() < 0.2:
            self._clock._pass(2.5)
            await asyncio.sleep(self._luck.choice([0.001, 0.005]))  # so that the other one's requests are answered


def guarded(world: Agents, identity: str, cluster: Any, port: Any) -> AgentComponents:
    """Give an agent all of whose calls pass through guards."""
    sound = world.cluster
    world.cluster = Guarded(sound, cluster)  # type: ignore[assignment]
    agent = world.agent(identity=identity, lease_duration="15s", visibility_timeout_ms=2000)
    world.cluster = sound
    send = agent.port.send

    async def guarded_send(request: PortRequest) -> Any:
        return await port(lambda: send(request))

    agent.port.send = guarded_send  # type: ignore[method-assign]
    return agent


class Operator:
    """Does what the operator does to actions that may run, and counts what each one did outside."""

    def __init__(self, world: Agents) -> None:
        self._world = world
        self.effects: Counter[str] = Counter()

    def work(self) -> None:
        for (plural, _, _), body in list(self._world.cluster.objects.items()):
            if plural != TASK_ACTIONS.plural or body.get("status", {}).get("phase") == "Succeeded":
                continue
            if "deletionTimestamp" in body["metadata"]:
                self._become(body, "Aborted", finishedAt="2026-01-01T12:00:00Z", reason="Deleted")
            elif body["status"]["phase"] != "Queued":
                self._become(body, "Succeeded", finishedAt="2026-01-01T12:00:00Z")
            elif not body["spec"]["suspend"]:
                self.effects[body["metadata"]["annotations"]["taskaction.dev/port-run"]] += 1
                history = [{"phase": "Running", "at": "2026-01-01T12:00:00Z", "reason": "Executing"}]
                self._become(body, "Running", history=history, externalId="x")

    def _become(self, body: Any, phase: str, **status: Any) -> None:
        self._world.cluster.store(TASK_ACTIONS, body | {"status": {**body.get("status", {}), "phase": phase, **status}})


async def turn(agent: AgentComponents) -> None:
    """Do once what the agent's loops do."""
    await agent.leadership.acquire_or_renew()
    if agent.leadership.is_leader:
        await agent.outbox.sync()
        await agent.claiming.claim_all()


def assert_all_is_well(world: Agents, operator: Operator, runs: set[str]) -> None:
    server = world.server
    assert operator.effects == dict.fromkeys(runs, 1)
    for run in server.runs.values():
        assert run.ends == ["SUCCESS"], run
        assert run.acknowledged == 1
        assert run.external_id == "x"
    assert server.violations == []
    actions = [body for (plural, _, _), body in world.cluster.objects.items() if plural == TASK_ACTIONS.plural]
    assert {body["metadata"]["annotations"]["taskaction.dev/port-run"] for body in actions} == runs
    assert len(actions) == len(runs)
    for body in actions:
        assert body["metadata"]["finalizers"] == []
        assert "taskaction.dev/port-unreported" not in body["metadata"]["labels"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("last", range(1, CALLS))
async def test_a_death_at_any_call_loses_and_repeats_nothing(last: int, after: bool) -> None:
    async with agents(PortServer()) as world:
        operator = Operator(world)
        world.server.add("r_1", "noop")
        world.server.add("r_2", "noop")
        world.server.add("n_1", "noop", kind=NODE)
        for life in range(60):
            mortal = Mortal(last if life < 3 else 10_000, after=after)
            agent = guarded(world, f"life-{life}", mortal, mortal)
            with suppress(asyncio.CancelledError):
                for _ in range(30):
                    await turn(agent)
                    operator.work()
                    await world.clock.advance(3)
            operator.work()
            await world.clock.advance(20)  # its Lease and its claims expire
            if life >= 3 and all(run.over for run in world.server.runs.values()):
                break
        assert_all_is_well(world, operator, {"r_1", "r_2", "n_1"})


@pytest.mark.parametrize("seed", range(30))
async def test_two_agents_that_work_at_once_while_calls_fail_lose_and_repeat_nothing(seed: int) -> None:
    luck = random.Random(seed)
    async with agents(PortServer()) as world:
        operator = Operator(world)
        runs = {f"r_{number}" for number in range(6)}
        for run_id in sorted(runs):
            world.server.add(run_id, "noop", kind="action" if luck.random() < 0.7 else NODE)
        both = [
            guarded(world, name, Unlucky(luck, world.clock, port=False), Unlucky(luck, world.clock, port=True))
            for name in ("left", "right")
        ]
        for _ in range(80):
            await asyncio.gather(*(at_once(agent) for agent in both))
            operator.work()
            await world.clock.advance(luck.choice([1, 3, 70]))
            if all(run.over for run in world.server.runs.values()):
                break
        for _ in range(3):  # what is left to do without Port
            for agent in both:
                agent.outbox._failures.clear()
                with suppress(UnavailableError):
                    await agent.outbox.sync()
        assert_all_is_well(world, operator, runs)


async def at_once(agent: AgentComponents) -> None:
    """Do what the loops do, without asking whether another agent works."""
    for result in await asyncio.gather(agent.outbox.sync(), agent.claiming.claim_all(), return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, UnavailableError | ConflictError):
            raise result


async def test_a_run_that_comes_again_while_port_is_being_asked_for_it_is_asked_for_once() -> None:
    async with agents(PortServer(honours_visibility=False)) as world:
        run = world.server.add("r_1", "noop")
        agent = world.agent(run_kinds="action")
        send = agent.port.send

        async def send_late(request: PortRequest) -> Any:
            if request.path.endswith("/ack"):
                agent.port.send = send  # type: ignore[method-assign]
                await agent.claiming.claim_all()
            return await send(request)

        agent.port.send = send_late  # type: ignore[method-assign]
        await agent.claiming.claim_all()

        assert (run.handed_out, run.acknowledged, run.conflicts) == (2, 1, 0)
        body = world.body("r_1")
        assert body is not None
        assert body["spec"]["suspend"] is False


async def test_runs_of_one_claim_are_created_and_released_in_ports_order() -> None:
    async with agents(PortServer()) as world:
        for number in range(40):
            world.server.add(f"r_{number:02}", "noop", bucket=f"b{number}")
        await world.agent(run_kinds="action").claiming.claim_all()
        order = [(verb, name.split("-")[2]) for verb, name in world.cluster.calls if name.startswith("port-")]
        for verb in ("create", "patch"):
            numbers = [number for called, number in order if called == verb]
            assert numbers == [f"{number:02}" for number in range(40)]
        assert all(namespace == NAMESPACE for _, namespace, _ in world.cluster.objects)
