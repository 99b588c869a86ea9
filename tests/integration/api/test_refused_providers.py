"""Providers and events that the API server refuses at once, each with a message that names the field and the mend."""

import pytest

from cluster.kubectl import Kubectl
from support.refusals import assert_says, manifest, refusal

NAMED = {"executor": "noop"}
EVENT = {"type": "Webhook", "target": {"name": "a"}}
ONE_PLACE = "require sharding Provider: use it, or remove these limits"
NO_PARTITIONS = "sharding Action has no partitions: use Partition or Provider, or remove"

BAD_PROVIDERS = {
    "nothing to execute": ({}, ("spec.executor", "Required value")),
    "a configuration that is a list": (NAMED | {"config": []}, ("spec.config", "must be of type object")),
    "a schema that is a word": (NAMED | {"inputSchema": "object"}, ("spec.inputSchema", "must be of type object")),
    "a partition path with a hole": (NAMED | {"partitionKeyPath": "a..b"}, ("spec.partitionKeyPath", "should match")),
    "a sharding of another word": (
        NAMED | {"sharding": "Namespace"},
        ("spec.sharding", '"Provider", "Partition", "Action"'),
    ),
    "an overlap policy of another word": (
        NAMED | {"overlapPolicy": "Skip"},
        ("spec.overlapPolicy", '"Queue", "Replace", "Drop"'),
    ),
    "no attempts at a time": (
        NAMED | {"limits": {"maxConcurrent": 0}},
        ("spec.limits.maxConcurrent", "greater than or equal to 1"),
    ),
    "more in a part than in the whole": (
        NAMED | {"limits": {"maxConcurrent": 1, "maxConcurrentPerPartition": 2}},
        ("spec.limits.maxConcurrentPerPartition", "lower it or raise maxConcurrent"),
    ),
    "full without a bound": (
        NAMED | {"limits": {"whenFull": "Refuse"}},
        ("spec.limits", "whenFull has no effect without maxQueued: set maxQueued too"),
    ),
    "a rate of nothing": (
        NAMED | {"limits": {"rate": {"requests": 0, "per": "1s"}}},
        ("spec.limits.rate.requests", "greater than or equal to 1"),
    ),
    "a rate without a time": (
        NAMED | {"limits": {"rate": {"requests": 1}}},
        ("spec.limits.rate.per", "Required value"),
    ),
    "a rate in no time": (
        NAMED | {"limits": {"rate": {"requests": 1, "per": "0s"}}},
        ("spec.limits.rate.per", "must be longer than 0s", "use e.g. 90s"),
    ),
    "a limit over all in partitions": (
        NAMED | {"sharding": "Partition", "limits": {"maxConcurrent": 1}},
        ("spec.limits", ONE_PLACE),
    ),
    "a rate over all in partitions": (
        NAMED | {"sharding": "Partition", "limits": {"rate": {"requests": 1, "per": "1s"}}},
        ("spec.limits", ONE_PLACE),
    ),
    "a queue over all without shards": (
        NAMED | {"sharding": "Action", "limits": {"maxQueued": 1}},
        ("spec.limits", ONE_PLACE),
    ),
    "partitions without shards": (
        NAMED | {"sharding": "Action", "partitionKeyPath": "a"},
        ("spec.sharding", NO_PARTITIONS),
    ),
    "overlaps without shards": (
        NAMED | {"sharding": "Action", "overlapPolicy": "Drop"},
        ("spec.sharding", NO_PARTITIONS),
    ),
    "a poll that shrinks": (
        NAMED | {"poll": {"initial": "10s", "max": "1s"}},
        ("spec.poll", "raise max or lower initial"),
    ),
    "a poll without a pause": (NAMED | {"poll": {"initial": "0s"}}, ("spec.poll.initial", "must be longer than 0s")),
    "a default that no action could have": (
        NAMED | {"defaults": {"timeouts": {"total": "0s"}}},
        ("spec.defaults.timeouts.total", "must be longer than 0s"),
    ),
}
BAD_NAMESPACES = {
    "in capitals": (["Team"], ("spec.allowedNamespaces[0]", "should match")),
    "by their end": (["*-team"], ("spec.allowedNamespaces[0]", "should match")),
    "named twice": (["a", "a"], ("spec.allowedNamespaces[1]", "Duplicate value")),
    "as a word": ("a", ("spec.allowedNamespaces", "must be of type array")),
}
BAD_EVENTS = {
    "nobody it happened to": ({"type": "Webhook"}, ("spec", "set target or correlationKey, or both")),
    "a target of nothing": ({"type": "Webhook", "target": {}}, ("spec.target", "set name or uid")),
    "an attempt before the first": (
        {"type": "Webhook", "target": {"uid": "1", "attempt": 0}},
        ("spec.target.attempt", "greater than or equal to 1"),
    ),
    "a scope without a key": (
        EVENT | {"scope": {"executor": "http"}},
        ("spec", "scope has no effect without correlationKey: set correlationKey too"),
    ),
    "a scope of nothing": (
        {"type": "Webhook", "correlationKey": "1", "scope": {}},
        ("spec.scope", "set exactly one of providerRef, executor and executors"),
    ),
    "an empty correlation key": (
        {"type": "Webhook", "correlationKey": ""},
        ("spec.correlationKey", "at least 1 chars long"),
    ),
    "no type": ({"target": {"name": "a"}}, ("spec.type", "Required value")),
    "a type in small letters": (EVENT | {"type": "webhook"}, ("spec.type", "should match '^[A-Z]")),
    "a payload that is a word": (EVENT | {"payload": "x"}, ("spec.payload", "must be of type object")),
    "a moment before computers": (
        EVENT | {"receivedAt": "1900-01-01T00:00:00Z"},
        ("spec.receivedAt", "between the years 1970 and 3000; use e.g. 2026-01-31T09:30:00Z"),
    ),
    "no time to live": (EVENT | {"ttlSeconds": 0}, ("spec.ttlSeconds", "greater than or equal to 1")),
    "more than a week to live": (EVENT | {"ttlSeconds": 604_801}, ("spec.ttlSeconds", "less than or equal to 604800")),
}
PROVIDERS = ("ActionProvider", "ClusterActionProvider")
KINDS_WITH_LABELS = ("TaskAction", *PROVIDERS)


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize(("spec", "parts"), BAD_PROVIDERS.values(), ids=BAD_PROVIDERS)
def test_a_bad_provider_is_refused(shared: Kubectl, kind: str, spec: dict, parts: tuple[str, ...]) -> None:
    assert_says(refusal(shared, manifest(kind, spec)), parts)


@pytest.mark.parametrize(("allowed", "parts"), BAD_NAMESPACES.values(), ids=BAD_NAMESPACES)
def test_namespaces_that_cannot_be_are_refused(shared: Kubectl, allowed: object, parts: tuple[str, ...]) -> None:
    body = manifest("ClusterActionProvider", NAMED | {"allowedNamespaces": allowed})
    assert_says(refusal(shared, body), parts)


def test_a_provider_of_one_namespace_cannot_allow_others(shared: Kubectl) -> None:
    body = manifest("ActionProvider", NAMED | {"allowedNamespaces": ["a"]})
    assert_says(refusal(shared, body), ("unknown field", "spec.allowedNamespaces"))


@pytest.mark.parametrize(("spec", "parts"), BAD_EVENTS.values(), ids=BAD_EVENTS)
def test_a_bad_event_is_refused(shared: Kubectl, spec: dict, parts: tuple[str, ...]) -> None:
    assert_says(refusal(shared, manifest("ActionEvent", spec)), parts)


@pytest.mark.parametrize("kind", KINDS_WITH_LABELS)
def test_a_name_that_no_label_holds_is_refused(shared: Kubectl, kind: str) -> None:
    message = refusal(shared, manifest(kind, NAMED, name="n" * 64))
    assert_says(message, ("metadata.name: must be at most 63 characters", "label"))
    assert "<nil>" not in message  # the rule names a field that the server can point at


def test_a_flow_s_name_that_no_label_holds_is_refused(shared: Kubectl) -> None:
    message = refusal(shared, manifest("ActionFlow", {"definition": {}}, name="n" * 64))
    assert_says(message, ("metadata.name: must be at most 63 characters", "label"))


@pytest.mark.parametrize("kind", KINDS_WITH_LABELS)
def test_a_name_in_capitals_is_refused(shared: Kubectl, kind: str) -> None:
    assert_says(refusal(shared, manifest(kind, NAMED, name="Name")), ("metadata.name", "lower case alphanumeric"))
