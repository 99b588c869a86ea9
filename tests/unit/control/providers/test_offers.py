"""Providers come by notification or by looking them up, and their status is written by the one who answers for them."""

from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.runs import toolbox
from support.work_requests import OwnedShards, no_requests, taken
from taskaction.api.enums import ProviderKind
from taskaction.cluster.errors import InvalidError, UnavailableError
from taskaction.cluster.gateway import ACTION_PROVIDERS, Body
from taskaction.cluster.retry import Retrier
from taskaction.control.objects.background import Background
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.providers.providers import ProviderKey, ProviderTable
from taskaction.plugin.evaluation import Evaluator
from taskaction.plugin.json_schema import CHEAP_SCHEMA_PARTS
from taskaction.plugin.registry import Registry
from taskaction.testing.clock import START, FakeClock, settle

KIND = ProviderKind.ACTION_PROVIDER
KEY: ProviderKey = (KIND, "team-a", "offer")
COSTLY = {"inputSchema": {"properties": {f"field{one}": {"type": "string"} for one in range(CHEAP_SCHEMA_PARTS)}}}
"""A schema that the event loop must not compile."""
EVALUATED_SECONDS = 60.0


class Market:
    def __init__(self) -> None:
        self.cluster, self.clock = FakeCluster(), FakeClock()
        self.failures: list[str] = []
        self.background = Background(self.on_task_failed)
        self.tenures, self.requests = OwnedShards(), no_requests()
        self.providers = ProviderTable(Registry.load(toolbox()))
        self.offers = ProviderIntake(
            cluster=self.cluster,
            clock=self.clock,
            persistently=Retrier(self.clock, lambda: 0.0, lambda _: None),
            background=self.background,
            journal=self,
            providers=self.providers,
            evaluator=Evaluator(),
            tenures=self.tenures,
            requests=self.requests,
        )

    def on_task_failed(self, task: str, error: BaseException) -> None:
        self.failures.append(task)

    def store(self, **spec: Any) -> Body:
        metadata = {
            "name": "offer",
            "namespace": "team-a",
            "generation": 1,
            "creationTimestamp": START.isoformat(),
        }
        return self.cluster.store(ACTION_PROVIDERS, {"metadata": metadata, "spec": {"executor": "noop"} | spec})

    def status(self) -> Body:
        return self.cluster.objects[ACTION_PROVIDERS.plural, "team-a", "offer"].get("status", {})


@pytest.fixture
def market() -> Market:
    return Market()


async def test_a_noticed_provider_is_known_told_of_and_its_status_written(market) -> None:
    market.offers.on_notification(KIND, "ADDED", market.store())
    await settle()

    assert market.providers.get(KEY).ready
    assert taken(market.requests.providers) == [KEY]
    assert market.status()["conditions"][0]["reason"] == "Ready"


async def test_a_status_is_written_once_and_by_nobody_else(market) -> None:
    market.tenures.mine = set()
    body = market.store()
    market.offers.on_notification(KIND, "ADDED", body)
    await settle()
    assert market.status() == {}

    market.tenures.mine = {0}
    market.offers.publish_all()
    await settle()
    assert market.status()["conditions"][0]["status"] == "True"


async def test_a_provider_that_says_it_all_already_costs_no_request(market) -> None:
    market.offers.on_notification(KIND, "ADDED", market.store())
    await settle()
    stored = market.cluster.objects[ACTION_PROVIDERS.plural, "team-a", "offer"]
    successor = Market()
    successor.offers.on_notification(KIND, None, stored)
    await settle()

    assert successor.cluster.calls == []


async def test_a_wanted_provider_is_looked_up_once_and_nothing_is_said_of_it_meanwhile(market) -> None:
    market.store()
    market.offers.look_up(KEY)
    market.offers.look_up(KEY)
    assert market.offers.is_lookup_pending(KEY)
    await settle()

    assert not market.offers.is_lookup_pending(KEY)
    assert market.providers.get(KEY).ready
    assert market.cluster.count("get") == 1


async def test_a_provider_that_does_not_exist_is_told_of_and_not_looked_for_again(market) -> None:
    market.offers.look_up(KEY)
    await settle()
    market.offers.look_up(KEY)
    await settle()
    assert (taken(market.requests.providers), market.cluster.count("get")) == ([KEY], 1)
    assert not market.offers.is_lookup_pending(KEY)

    body = market.store()
    market.offers.on_notification(KIND, "ADDED", body)
    assert market.providers.get(KEY).ready

    market.offers.on_notification(KIND, "DELETED", body)
    market.offers.look_up(KEY)
    assert market.offers.is_lookup_pending(KEY), "what existed once is looked for again"
    await settle()


async def test_a_provider_is_sought_until_the_api_server_answers(market) -> None:
    market.store()
    market.cluster.fail("get", UnavailableError("away"), UnavailableError("away"))
    market.offers.look_up(KEY)
    await settle()
    assert market.offers.is_lookup_pending(KEY)

    await market.clock.advance(5)
    assert market.providers.get(KEY).ready


async def test_a_deleted_provider_is_known_no_more_and_may_be_sought_again(market) -> None:
    body = market.store()
    market.offers.on_notification(KIND, "ADDED", body)
    market.offers.on_notification(KIND, "DELETED", body)

    assert market.providers.get(KEY) is None
    assert taken(market.requests.providers) == [KEY]
    market.offers.look_up(KEY)
    assert market.offers.is_lookup_pending(KEY)
    await settle()


async def test_an_object_that_cannot_be_read_is_told_and_costs_no_other(market) -> None:
    market.offers.on_notification(KIND, "ADDED", market.store(executor=7))

    assert market.failures == [f"read {KIND} offer"]
    assert taken(market.requests.providers) == []


async def test_a_status_that_is_overtaken_is_written_anew_and_one_that_is_refused_is_told(market) -> None:
    body = market.store()
    market.store()  # somebody writes it meanwhile
    market.offers.on_notification(KIND, "ADDED", body)
    await settle()
    assert (market.status()["conditions"][0]["type"], market.failures) == ("Ready", [])

    market.cluster.fail("replace_status", InvalidError("no"))
    market.store(executor="fail")
    market.offers.on_notification(KIND, "MODIFIED", market.cluster.objects[ACTION_PROVIDERS.plural, "team-a", "offer"])
    await settle()
    assert market.failures == ["publish provider offer"]


async def test_actions_that_wait_for_a_lookup_are_looked_at_when_it_ends_although_the_watch_was_faster(market) -> None:
    body = market.store()
    market.cluster.fail("get", UnavailableError("away"))
    market.offers.look_up(KEY)
    await settle()
    market.offers.on_notification(KIND, "ADDED", body)
    assert taken(market.requests.providers) == [KEY]
    assert market.offers.is_lookup_pending(KEY), "nothing can be decided yet"

    await market.clock.advance(5)
    assert not market.offers.is_lookup_pending(KEY)
    assert taken(market.requests.providers) == [KEY]


async def test_e09_a_sweep_finds_a_provider_whose_deletion_was_missed_and_leaves_the_others(market) -> None:
    market.offers.on_notification(KIND, "ADDED", market.store())
    await settle()
    await market.offers.sweep(KIND)
    assert market.providers.get(KEY) is not None

    market.cluster.drop(ACTION_PROVIDERS, "offer", "team-a")
    taken(market.requests.providers)
    await market.offers.sweep(KIND)
    assert market.providers.get(KEY) is None
    assert taken(market.requests.providers) == [KEY]


async def test_e09_a_provider_that_is_created_again_in_a_gap_is_evaluated_in_spite_of_the_sweep(market) -> None:
    market.offers.on_notification(KIND, "ADDED", market.store())
    market.cluster.drop(ACTION_PROVIDERS, "offer", "team-a")
    again = market.store(**COSTLY)
    market.offers.on_notification(KIND, None, again)

    await market.offers.sweep(KIND)

    assert market.offers.is_lookup_pending(KEY), "its schemas are still evaluated"
    await market.background.finish(EVALUATED_SECONDS)
    assert market.providers.get(KEY).provider.metadata.uid == again["metadata"]["uid"]
    assert market.status()["conditions"][0]["reason"] == "Ready"


async def test_e09_a_provider_that_is_deleted_in_a_gap_while_its_schemas_are_evaluated_is_forgotten(market) -> None:
    market.offers.on_notification(KIND, "ADDED", market.store(**COSTLY))
    market.cluster.drop(ACTION_PROVIDERS, "offer", "team-a")

    await market.offers.sweep(KIND)

    assert not market.offers.is_lookup_pending(KEY)
    await market.background.finish(EVALUATED_SECONDS)
    assert market.providers.get(KEY) is None
