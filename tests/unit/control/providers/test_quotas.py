"""Limits of providers in the whole engine, in memory: exact, also when owners change at any moment."""

from datetime import datetime
from itertools import combinations
from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.memory_operator import MemoryOperator, actions
from taskaction.api.provider import ActionProvider
from taskaction.cluster.gateway import ACTION_PROVIDERS
from taskaction.control.providers import quotas
from taskaction.core.constants import API_VERSION
from taskaction.testing.clock import START, FakeClock

REF = {"kind": "ActionProvider", "name": "offer"}


def offered(*names: str, **spec: Any) -> list[dict[str, Any]]:
    bodies = actions(names, "noop", providerRef=REF, **spec)
    for one in bodies:
        del one["spec"]["executor"]
    return bodies


def offer(cluster: FakeCluster, **spec: Any) -> None:
    metadata = {
        "name": "offer",
        "namespace": "team-a",
        "uid": "uid-of-offer",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": START.isoformat(),
    }
    cluster.store(
        ACTION_PROVIDERS,
        {
            "apiVersion": API_VERSION,
            "kind": "ActionProvider",
            "metadata": metadata,
            "spec": {"executor": "noop", "sharding": "Provider", **spec},
        },
    )


def status(cluster: FakeCluster) -> Any:
    return ActionProvider.from_body(cluster.objects[ACTION_PROVIDERS.plural, "team-a", "offer"]).status


def starts(operator: MemoryOperator) -> list[float]:
    found = [found["status"].get("startedAt") for found in operator.of_kind("taskactions")]
    return sorted(datetime.fromisoformat(text).timestamp() for text in found if text)


def assert_kept(moments: list[float], *, burst: int, interval: float) -> None:
    for first, last in combinations(range(len(moments)), 2):
        assert last - first + 1 <= burst + (moments[last] - moments[first]) / interval + 0.01


async def test_a_rate_is_on_record_before_anything_starts_by_it() -> None:
    cluster = FakeCluster()
    offer(cluster, limits={"rate": {"requests": 2, "per": "60s"}})
    async with MemoryOperator(cluster=cluster) as operator:
        await operator.create(*offered("a", "b", "c"))
        assert [operator.phase(name) for name in "abc"] == ["Succeeded", "Succeeded", "Queued"]
        used = status(cluster).rate_used_until
        assert (used - START).total_seconds() == 62.0  # two tokens, and the time that the record may take
        await operator.pass_time(3)
        waiting = operator.action("c").status
        assert (str(waiting.phase), waiting.reason) == ("WaitingForResources", "RateLimited")
        assert waiting.next_attempt_at is not None
        assert (waiting.next_attempt_at - START).total_seconds() == 30.0
        await operator.pass_time(28)
        assert operator.phase("c") == "Succeeded"


async def test_an_owner_that_is_gone_leaves_no_token_to_be_given_twice() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    offer(cluster, limits={"rate": {"requests": 2, "per": "60s"}})
    names = [f"a{number}" for number in range(6)]
    crashed = MemoryOperator(cluster=cluster, clock=clock, identity="first")
    async with crashed:
        await crashed.create(*offered(*names))
        await crashed.pass_time(10)
    async with MemoryOperator(cluster=cluster, clock=clock, identity="second") as operator:
        for _ in range(30):
            await operator.pass_time(10)
        assert {operator.phase(name) for name in names} == {"Succeeded"}
        moments = starts(operator)
    assert_kept(moments, burst=2, interval=30.0)
    assert moments[-1] - moments[0] <= 4 * 30.0 + 2, "the wait for the lease does not cost tokens"


async def test_a_record_that_somebody_else_wrote_meanwhile_is_respected() -> None:
    cluster = FakeCluster()
    offer(cluster, limits={"rate": {"requests": 1, "per": "60s"}})
    async with MemoryOperator(cluster=cluster) as operator:
        await operator.create(*offered("a"))
        assert operator.phase("a") == "Succeeded"
        stored = cluster.objects[ACTION_PROVIDERS.plural, "team-a", "offer"]
        cluster.store(
            ACTION_PROVIDERS, stored | {"status": stored["status"] | {"rateUsedUntil": "2026-01-01T12:10:00Z"}}
        )
        await operator.create(*offered("b"))
        await operator.pass_time(300)
        assert operator.phase("b") == "WaitingForResources"
        await operator.pass_time(310)
        assert operator.phase("b") == "Succeeded"


async def test_who_was_accepted_is_not_refused_by_the_next_owner() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    offer(cluster, executor="sleep", limits={"maxConcurrent": 1, "maxQueued": 3, "whenFull": "Refuse"})
    sleep = {"parameters": {"duration": "1s"}}
    async with MemoryOperator(cluster=cluster, clock=clock, identity="first") as first:
        await first.create(*offered("a", "b", "c", "d", **sleep))
        await first.create(*offered("e", **sleep))
        assert [first.phase(name) for name in "abcde"] == ["Queued", "Queued", "Queued", "Queued", "Failed"]
        stored = cluster.objects[ACTION_PROVIDERS.plural, "team-a", "offer"]
        limits = stored["spec"]["limits"] | {"maxQueued": 1}
        cluster.store(ACTION_PROVIDERS, stored | {"spec": stored["spec"] | {"limits": limits}})
    async with MemoryOperator(cluster=cluster, clock=clock, identity="second") as operator:
        await operator.pass_time(60)
        assert [operator.phase(name) for name in "abcde"] == ["Succeeded"] * 4 + ["Failed"]


async def test_people_see_how_much_waits_and_goes_on() -> None:
    cluster = FakeCluster()
    offer(cluster, executor="sleep", limits={"maxConcurrent": 2})
    async with MemoryOperator(cluster=cluster) as operator:
        await operator.create(*offered("a", "b", "c", parameters={"duration": "30s"}))
        await operator.pass_time(2)
        assert (status(cluster).queued, status(cluster).running) == (1, 2)
        await operator.pass_time(70)
        assert (status(cluster).queued, status(cluster).running) == (0, 0)


async def test_nothing_wakes_while_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 0

    def counted(self: quotas.ProviderQuotas, *words: Any) -> bool:
        nonlocal rounds
        rounds += 1
        return shown(self, *words)

    shown = quotas.ProviderQuotas._show_counts
    monkeypatch.setattr(quotas.ProviderQuotas, "_show_counts", counted)
    cluster = FakeCluster()
    offer(cluster, executor="sleep", limits={"maxConcurrent": 2})
    async with MemoryOperator(cluster=cluster) as operator:
        await operator.create(*offered("a", "b", "c", parameters={"duration": "2h"}))
        await operator.pass_time(60)
        before, rounds = rounds, 0
        await operator.pass_time(3600)
        assert (before > 0, rounds) == (True, 0)
        await operator.pass_time(3700)
        assert (status(cluster).queued, status(cluster).running) == (0, 1)


async def test_all_that_wait_for_a_rate_are_shown_why_in_the_end_and_few_are_looked_at_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quotas, "_SHOWN_A_ROUND", 2)
    monkeypatch.setattr(quotas, "_LOOKED_AT_A_ROUND", 5)
    cluster = FakeCluster()
    offer(cluster, limits={"rate": {"requests": 1, "per": "1h"}})
    names = [f"a{number:02}" for number in range(13)]
    async with MemoryOperator(cluster=cluster) as operator:
        looks: list[str] = []
        show = operator.control.providers.quotas._show_limit

        def counted(uid: str, until: datetime) -> bool:
            looks.append(uid)
            return show(uid, until)

        operator.control.providers.quotas._show_limit = counted
        await operator.create(*offered(*names))
        phases = []
        for _ in range(12):
            before = len(looks)
            await operator.pass_time(1)
            assert len(looks) - before <= 5
            phases = [operator.phase(name) for name in names]
        assert phases == ["Succeeded"] + ["WaitingForResources"] * 12


@pytest.mark.parametrize("rate", [{"requests": 1, "per": "2562000h"}, {"requests": 1, "per": "8760h", "burst": 40}])
async def test_a_rate_of_centuries_ends_nothing_and_others_are_shown_theirs(rate: dict[str, Any]) -> None:
    cluster = FakeCluster()
    offer(cluster, limits={"rate": rate})
    async with MemoryOperator(cluster=cluster) as operator:
        await operator.create(*offered(*(f"a{number:02}" for number in range(60))))
        for _ in range(8):
            await operator.pass_time(1)
        await operator.create(*actions(["other"], "noop"))
        await operator.until(lambda: operator.phase("other") == "Succeeded")
        assert status(cluster).queued >= 20
