"""The order of a partition under every event that can befall an action: created first, served first."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from support.stage import Stage
from taskaction.execution.limits import SourceLimits
from taskaction.execution.runs import QueuedRun
from taskaction.testing.clock import settle

T = TypeVar("T")
KEYS = ["k", "l"]


@dataclass
class Member:
    """An action of a partition."""

    number: int
    key: str
    state: str = "gated"
    """gated (Lease, adoption, lookup), suspended, queued, parked, resting (back-off, poll), or ended."""
    attempts: int = 0
    under_way: bool = False

    @property
    def name(self) -> str:
        return f"{self.key}{self.number:03}"

    @property
    def run(self) -> QueuedRun:
        order = (0 if self.attempts else 1, float(self.number // 3), self.number, self.name)
        return QueuedRun(
            id=self.name, namespace="a", source="x", partition=self.key, order=order, under_way=self.under_way
        )


class PartitionMachine(RuleBasedStateMachine):
    """One replica with few workers and a short queue, which may lose its shard."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stage = Stage()
        self.members: list[Member] = []
        self.owned = True
        self.seen = 0
        self.manager = self.do(lambda: self.stage.manager(workers=3, runs_buffer_high_watermark=2))
        self.do(lambda: self.manager.set_limits("x", SourceLimits(queued=2), None))

    def do(self, act: Callable[[], T]) -> T:
        """Act in the loop, and look at what was given to workers since."""

        async def acted() -> T:
            result = act()
            await settle()
            return result

        result = self.loop.run_until_complete(acted())
        for name in self.stage.started[self.seen :]:
            self.seen += 1
            if self.owned:  # otherwise the turn starts nothing
                self.check_turn(name)
        return result

    def check_turn(self, name: str) -> None:
        mine = next(one for one in self.members if one.name == name)
        for other in self.members:
            if other.key != mine.key or other is mine or other.state == "ended":
                continue
            assert not other.attempts or mine.under_way, "two at a time"
            assert other.number > mine.number or mine.attempts or other.state == "suspended", "out of order"

    def some(self, *states: str) -> list[Member]:
        return [one for one in self.members if one.state in states and one.name not in self.stage.cues]

    def pick(self, data: st.DataObject, *states: str) -> Member | None:
        found = self.some(*states)
        return found[data.draw(st.integers(0, len(found) - 1))] if found else None

    @precondition(lambda self: len(self.members) < 12)
    @rule(key=st.sampled_from(KEYS), suspended=st.booleans())
    def create(self, key, suspended) -> None:
        member = Member(len(self.members), key, "suspended" if suspended else "gated")
        self.members.append(member)
        if self.owned and not suspended:
            self.do(lambda: self.manager.expect(member.run))

    @precondition(lambda self: self.owned and self.some("gated", "resting"))
    @rule(data=st.data())
    def may_start(self, data) -> None:
        member = self.pick(data, "gated", "resting")
        member.state = "queued"
        self.do(lambda: self.manager.submit(member.run))

    @precondition(lambda self: self.owned and self.some("queued", "parked"))
    @rule(data=st.data())
    def may_start_no_more(self, data) -> None:
        member = self.pick(data, "queued", "parked")
        member.state = "resting" if member.attempts else "gated"
        self.do(lambda: self.manager.expect(member.run))

    @precondition(lambda self: self.some("gated", "queued", "parked"))
    @rule(data=st.data())
    def suspend(self, data) -> None:
        member = self.pick(data, "gated", "queued", "parked")
        if not member.attempts:
            member.state = "suspended"
            self.do(lambda: self.manager.forget(member.name))

    @precondition(lambda self: self.some("suspended"))
    @rule(data=st.data())
    def resume(self, data) -> None:
        member = self.pick(data, "suspended")
        member.state = "gated"
        if self.owned:
            self.do(lambda: self.manager.expect(member.run))

    @precondition(lambda self: self.stage.cues)
    @rule(
        data=st.data(),
        end=st.sampled_from(["ended", "retry", "poll", "waits", "gated", "parked"]),
    )
    def turn_ends(self, data, end) -> None:
        name = data.draw(st.sampled_from(sorted(self.stage.cues)))
        member = next(one for one in self.members if one.name == name)
        self.do(lambda: self.end_turn(member, end if self.owned else "waits"))

    def end_turn(self, member: Member, end: str) -> None:
        if end in {"ended", "retry", "poll"}:
            member.attempts += 1
            member.under_way = end == "poll"
        match end:
            case "ended":
                member.state = "ended"
                self.manager.forget(member.name)
            case "retry" | "poll":
                member.state = "resting"
                self.manager.hold(member.run)
            case "gated" | "parked" if member.attempts:
                member.state = "resting"
                self.manager.hold(member.run)
            case "gated":
                member.state = "gated"
                self.manager.expect(member.run)
            case "parked":
                member.state = "parked"
                self.manager.park(member.run, "quota", 1000.0)
            case _:
                member.state = "resting" if member.attempts else "gated"
        self.stage.cues.pop(member.name).set_result(None)

    @precondition(lambda self: self.owned)
    @rule()
    def lose_the_shard(self) -> None:
        self.owned = False
        self.do(self.release_all)

    def release_all(self) -> None:
        for member in self.members:
            self.manager.forget(member.name)
            if member.state in {"queued", "parked"}:
                member.state = "resting" if member.attempts else "gated"

    @precondition(lambda self: not self.owned and not self.stage.cues)
    @rule()
    def take_the_shard(self) -> None:
        self.owned = True
        self.do(self.expect_all)

    def expect_all(self) -> None:
        for member in self.members:
            if member.state in {"gated", "resting"}:
                self.manager.expect(member.run)

    def teardown(self) -> None:
        """Whatever has happened, everything ends, and nothing is left."""
        while self.stage.cues:
            name = next(iter(self.stage.cues))
            self.do(lambda: self.end_turn(next(one for one in self.members if one.name == name), "waits"))  # noqa: B023
        if not self.owned:
            self.take_the_shard()
        for member in self.some("suspended"):
            member.state = "gated"
            self.do(lambda: self.manager.expect(member.run))  # noqa: B023
        for member in self.some("parked"):
            member.state = "gated"
            self.do(lambda: self.manager.expect(member.run))  # noqa: B023
        for member in reversed(self.some("gated", "resting")):  # the newest first
            member.state = "queued"
            self.do(lambda: self.manager.submit(member.run))  # noqa: B023
        while self.stage.cues:
            name = next(iter(self.stage.cues))
            self.do(lambda: self.end_turn(next(one for one in self.members if one.name == name), "ended"))  # noqa: B023
        assert [one for one in self.members if one.state != "ended"] == []
        assert (self.manager.queued_count, self.manager.backlog_count, self.manager.lane_count) == (0, 0, 0)
        self.loop.close()


TestPartitionOrder = PartitionMachine.TestCase
TestPartitionOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
