"""Providers come by notification or by looking them up, and their status is written by the one who answers for them."""

from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.runs import toolbox
from taskaction.api.enums import ProviderKind
from taskaction.cluster.errors import InvalidError, UnavailableError
from taskaction.cluster.gateway import ACTION_PROVIDERS, Body
from taskaction.cluster.retry import Persistence
from taskaction.control.objects.background import Background
from taskaction.control.providers.offers import Offers
from taskaction.control.providers.providers import ProviderKey, Providers
from taskaction.plugin.registry import Registry
from taskaction.testing.clock import START, FakeClock, settled

KIND = ProviderKind.ACTION_PROVIDER
KEY: ProviderKey = (KIND, "team-a", "offer")


class Market:
    def __init__(self) -> None:
        self.cluster, self.clock = FakeCluster(), FakeClock()
        self.changed: list[ProviderKey] = []
        self.failures: list[str] = []
        self.owned = True
        self.providers = Providers(Registry.load(toolbox()))
        self.offers = Offers(
            cluster=self.cluster,
            clock=self.clock,
            persistently=Persistence(self.clock, lambda: 0.0, lambda _: None),
            background=Background(self.failed),
            journal=self,
            providers=self.providers,
            owns=lambda _: self.owned,
            changed=self.changed.append,
        )

    def failed(self, task: str, error: BaseException) -> None:
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
    market.offers.notice(KIND, "ADDED", market.store())
    await settled()

    assert market.providers.get(KEY).ready
    assert market.changed == [KEY]
    assert market.status()["conditions"][0]["reason"] == "Ready"


async def test_a_status_is_written_once_and_by_nobody_else(market) -> None:
    market.owned = False
    body = market.store()
    market.offers.notice(KIND, "ADDED", body)
    await settled()
    assert market.status() == {}

    market.owned = True
    market.offers.publish_all()
    await settled()
    assert market.status()["conditions"][0]["status"] == "True"


async def test_a_provider_that_says_it_all_already_costs_no_request(market) -> None:
    market.offers.notice(KIND, "ADDED", market.store())
    await settled()
    stored = market.cluster.objects[ACTION_PROVIDERS.plural, "team-a", "offer"]
    successor = Market()
    successor.offers.notice(KIND, None, stored)
    await settled()

    assert successor.cluster.calls == []


async def test_a_wanted_provider_is_looked_up_once_and_nothing_is_said_of_it_meanwhile(market) -> None:
    market.store()
    market.offers.want(KEY)
    market.offers.want(KEY)
    assert market.offers.is_sought(KEY)
    await settled()

    assert not market.offers.is_sought(KEY)
    assert market.providers.get(KEY).ready
    assert market.cluster.count("get") == 1


async def test_a_provider_that_does_not_exist_is_told_of_and_not_looked_for_again(market) -> None:
    market.offers.want(KEY)
    await settled()
    market.offers.want(KEY)
    await settled()
    assert (market.changed, market.cluster.count("get")) == ([KEY], 1)
    assert not market.offers.is_sought(KEY)

    body = market.store()
    market.offers.notice(KIND, "ADDED", body)
    assert market.providers.get(KEY).ready

    market.offers.notice(KIND, "DELETED", body)
    market.offers.want(KEY)
    assert market.offers.is_sought(KEY), "what existed once is looked for again"
    await settled()


async def test_a_provider_is_sought_until_the_api_server_answers(market) -> None:
    market.store()
    market.cluster.fail("get", UnavailableError("away"), UnavailableError("away"))
    market.offers.want(KEY)
    await settled()
    assert market.offers.is_sought(KEY)

    await market.clock.advance(5)
    assert market.providers.get(KEY).ready


async def test_a_deleted_provider_is_known_no_more_and_may_be_sought_again(market) -> None:
    body = market.store()
    market.offers.notice(KIND, "ADDED", body)
    market.offers.notice(KIND, "DELETED", body)

    assert market.providers.get(KEY) is None
    assert market.changed == [KEY, KEY]
    market.offers.want(KEY)
    assert market.offers.is_sought(KEY)
    await settled()


async def test_an_object_that_cannot_be_read_is_told_and_costs_no_other(market) -> None:
    market.offers.notice(KIND, "ADDED", market.store(executor=7))

    assert market.failures == [f"read {KIND} offer"]
    assert market.changed == []


async def test_a_status_that_is_overtaken_is_written_anew_and_one_that_is_refused_is_told(market) -> None:
    body = market.store()
    market.store()  # somebody writes it meanwhile
    market.offers.notice(KIND, "ADDED", body)
    await settled()
    assert (market.status()["conditions"][0]["type"], market.failures) == ("Ready", [])

    market.cluster.fail("replace_status", InvalidError("no"))
    market.store(executor="fail")
    market.offers.notice(KIND, "MODIFIED", market.cluster.objects[ACTION_PROVIDERS.plural, "team-a", "offer"])
    await settled()
    assert market.failures == ["publish provider offer"]
