"""Providers as they can be used: which are ready, which are not and why, and who may use them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.runs import toolbox
from taskaction.api.enums import ConditionStatus, ProviderKind
from taskaction.api.reasons import Reason
from taskaction.cluster.gateway import Body
from taskaction.control.providers.providers import (
    Offer,
    ProviderTable,
    compile_cheap_schemas,
    is_allowed_in,
    provider_status,
    read_provider,
)
from taskaction.plugin.registry import Registry
from taskaction.testing.clock import START

OWN, WIDE = ProviderKind.ACTION_PROVIDER, ProviderKind.CLUSTER_ACTION_PROVIDER
KEY = (OWN, "team-a", "offer")


@pytest.fixture
def providers() -> ProviderTable:
    return ProviderTable(Registry.load(toolbox()))


def body(kind: ProviderKind = OWN, *, generation: int = 1, uid: str = "u1", status: Any = None, **spec: Any) -> Body:
    namespace = {"namespace": "team-a"} if kind is OWN else {}
    metadata = {
        "name": "offer",
        "uid": uid,
        "generation": generation,
        "resourceVersion": "1",
        "creationTimestamp": START.isoformat(),
    }
    return {"metadata": metadata | namespace, "spec": {"executor": "noop"} | spec, "status": status or {}}


def put(providers: ProviderTable, *args: Any, **changes: Any) -> Offer:
    one = body(*args, **changes)
    provider = read_provider(args[0] if args else OWN, one)
    schemas = compile_cheap_schemas(provider.spec)
    assert schemas is not None
    return providers.put(provider, schemas)


def secret_in(namespace):
    return {"bearerSecretKeyRef": {"name": "s", "key": "k", "namespace": namespace}}


TOKEN_ELSEWHERE = {"secretKeyRef": {"name": "s", "key": "k", "namespace": "team-b"}}
SCOPES_ELSEWHERE = {"all": {"name": "s", "key": "k", "namespace": "team-b"}}
VERDICTS = [
    pytest.param({}, Reason.READY, "", id="nothing wrong"),
    pytest.param({"inputSchema": {"type": "object"}, "outputSchema": {}}, Reason.READY, "", id="good schemas"),
    pytest.param({"executor": "nop"}, Reason.UNKNOWN_EXECUTOR, "did you mean 'noop'?", id="an unknown executor"),
    pytest.param({"config": {"x": 1}}, Reason.INVALID_CONFIG, "spec.config: noop takes no", id="a needless config"),
    pytest.param(
        {"executor": "http", "config": {"url": "https://x", "body": "x" * 300_000}},
        Reason.INVALID_CONFIG,
        "spec.config: 300029 bytes, more than the maximum of 262144",
        id="a large config",
    ),
    pytest.param(
        {"executor": "http", "config": {"unheardOf": 1}}, Reason.INVALID_CONFIG, "spec.config", id="a wrong config"
    ),
    pytest.param(
        {"executor": "http", "config": {"url": "https://x", "auth": secret_in("team-b")}},
        Reason.SECRET_NOT_ALLOWED,
        "spec.config.auth.bearerSecretKeyRef.namespace",
        id="a Secret of another namespace",
    ),
    pytest.param(
        {"executor": "http", "config": {"url": "https://x", "auth": secret_in("team-a")}},
        Reason.READY,
        "",
        id="a Secret of the own namespace",
    ),
    pytest.param(
        {"webhook": {"externalIdPath": "id", "authentication": {"token": TOKEN_ELSEWHERE}}},
        Reason.SECRET_NOT_ALLOWED,
        "spec.webhook.authentication.token.secretKeyRef.namespace",
        id="a webhook's Secret of another namespace",
    ),
    pytest.param(
        {"executor": "globus", "config": {"url": "https://x", "tokens": {"User": {"scopes": SCOPES_ELSEWHERE}}}},
        Reason.SECRET_NOT_ALLOWED,
        "spec.config.tokens.User.scopes.all.namespace",
        id="a token of another namespace",
    ),
    pytest.param({"inputSchema": {"type": 7}}, Reason.INVALID_SCHEMA, "spec.inputSchema", id="a bad input schema"),
    pytest.param({"outputSchema": {"type": 7}}, Reason.INVALID_SCHEMA, "spec.outputSchema", id="a bad output schema"),
]


@pytest.mark.parametrize(("spec", "reason", "message"), VERDICTS)
def test_a_provider_is_judged_by_its_spec(providers, spec, reason, message) -> None:
    offer = put(providers, **spec)

    assert offer.reason is reason
    assert message in offer.message
    assert offer.ready == (reason is Reason.READY)


def test_a_cluster_provider_may_name_a_namespace(providers) -> None:
    assert put(providers, WIDE, executor="http", config={"url": "https://x", "auth": secret_in("team-b")}).ready


def test_a_provider_is_found_by_kind_namespace_and_name(providers) -> None:
    own, wide = put(providers), put(providers, WIDE)

    assert providers.get(KEY) is own
    assert providers.get((WIDE, "", "offer")) is wide
    assert providers.get((OWN, "team-b", "offer")) is None
    assert {offer.key for offer in providers.list_offers()} == {KEY, (WIDE, "", "offer")}


def test_only_a_new_generation_or_object_is_judged_anew(providers) -> None:
    put(providers)
    assert not providers.is_new(read_provider(OWN, body()))
    assert providers.is_new(read_provider(OWN, body(generation=2, executor="nop")))
    assert providers.is_new(read_provider(OWN, body(generation=1, uid="u2")))


def test_a_provider_that_is_deleted_is_forgotten_but_not_its_successor(providers) -> None:
    put(providers, uid="before")
    put(providers, uid="after")
    providers.drop(KEY, "before")
    assert providers.get(KEY) is not None

    providers.drop(KEY, "after")
    providers.drop(KEY, "after")
    assert providers.get(KEY) is None


def test_a_provider_of_a_namespace_serves_that_namespace_only(providers) -> None:
    provider = put(providers).provider

    assert [is_allowed_in(provider, namespace) for namespace in ("team-a", "team-ab", "")] == [True, False, False]


@pytest.mark.parametrize(
    ("allowed", "namespace", "expected"),
    [
        (None, "anyone", True),
        ([], "anyone", False),
        (["team-a"], "team-a", True),
        (["team-a"], "team-ab", False),
        (["team-*"], "team-b", True),
        (["team-*"], "tea", False),
        (["other", "team-*"], "team-b", True),
        (["*"], "anyone", True),
    ],
)
def test_a_cluster_provider_serves_the_namespaces_that_it_names(providers, allowed, namespace, expected) -> None:
    spec = {} if allowed is None else {"allowedNamespaces": allowed}

    assert is_allowed_in(put(providers, WIDE, **spec).provider, namespace) is expected


def test_the_status_says_what_was_found_and_since_when(providers) -> None:
    (ready,) = provider_status(put(providers), START).conditions
    assert (ready.type, ready.status, ready.reason) == ("Ready", ConditionStatus.TRUE, Reason.READY)
    assert (ready.last_transition_time, ready.observed_generation) == (START, 1)

    (broken,) = provider_status(put(providers, generation=2, executor="nop"), START).conditions
    assert (broken.status, broken.reason) == (ConditionStatus.FALSE, Reason.UNKNOWN_EXECUTOR)


def test_a_status_that_says_it_already_stays_equal(providers) -> None:
    status = provider_status(put(providers), START).to_json()
    offer = put(providers, uid="read again", status=status)

    assert provider_status(offer, START + timedelta(hours=1)) == offer.provider.status


def test_the_transition_time_moves_only_when_readiness_flips(providers) -> None:
    later = START + timedelta(hours=1)
    broken = provider_status(put(providers, executor="nop"), START).to_json()
    still = put(providers, generation=2, status=broken, inputSchema={"type": 7})
    mended = put(providers, generation=3, status=broken)

    assert provider_status(still, later).conditions[0].last_transition_time == START
    assert provider_status(still, later).conditions[0].reason == Reason.INVALID_SCHEMA
    assert provider_status(mended, later).conditions[0].last_transition_time == later


def test_a_long_message_is_cut_to_what_a_condition_takes(providers) -> None:
    (ready,) = provider_status(replace(put(providers), message="x" * 2000), START).conditions

    assert len(ready.message) == 1024
