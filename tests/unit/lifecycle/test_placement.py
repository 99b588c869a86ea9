"""Every replica gives the same shard for the same facts, and what must be counted together is owned together."""

from datetime import UTC, datetime
from typing import Any

import pytest

from taskaction.api.enums import Sharding
from taskaction.api.task_action import TaskAction
from taskaction.lifecycle.placement import shard_for, shard_key, source_of

PROVIDER = {"kind": "ActionProvider", "name": "builds"}
CLUSTER_PROVIDER = {"kind": "ClusterActionProvider", "name": "builds"}


def action(*, namespace: str = "team-a", uid: str = "u-1", **spec: Any) -> TaskAction:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    metadata = {"name": "one", "uid": uid, "namespace": namespace, "creationTimestamp": created}
    said = {"executor": "noop"} if "providerRef" not in spec else {}
    return TaskAction.model_validate({"metadata": metadata, "spec": {**said, **spec}})


@pytest.mark.parametrize(
    ("one", "key"),
    [
        (action(), "team-a/executor:noop"),
        (action(providerRef=PROVIDER), "team-a/ActionProvider:builds"),
        (action(providerRef=CLUSTER_PROVIDER), "/ClusterActionProvider:builds"),
    ],
    ids=["inline", "provider", "cluster-provider"],
)
def test_a_source_is_a_provider_or_an_executor_in_a_namespace(one: TaskAction, key: str) -> None:
    assert source_of(one).key == key


def test_a_cluster_provider_is_one_source_for_all_namespaces() -> None:
    assert source_of(action(providerRef=CLUSTER_PROVIDER)) == source_of(
        action(namespace="team-b", providerRef=CLUSTER_PROVIDER)
    )


@pytest.mark.parametrize(
    ("spec", "sharding", "partition", "key"),
    [
        ({"providerRef": PROVIDER}, Sharding.PROVIDER, "p", "team-a/ActionProvider:builds"),
        ({"providerRef": PROVIDER}, Sharding.PROVIDER, None, "team-a/ActionProvider:builds"),
        ({"providerRef": PROVIDER}, Sharding.PARTITION, "p", "team-a/ActionProvider:builds/p"),
        ({"providerRef": PROVIDER}, Sharding.PARTITION, None, "u-1"),
        ({"providerRef": PROVIDER}, Sharding.ACTION, "p", "u-1"),
        ({}, Sharding.PROVIDER, "p", "team-a/executor:noop/p"),
        ({}, Sharding.PROVIDER, None, "u-1"),
    ],
)
def test_a_shard_is_decided_by_what_must_stay_together(
    spec: dict[str, Any], sharding: Sharding, partition: str | None, key: str
) -> None:
    assert shard_key(action(**spec), sharding, partition) == key


def test_shards_stay_where_they_are_from_release_to_release() -> None:
    shards = [shard_for(action(uid=f"u-{number}"), Sharding.ACTION, None, shards=16) for number in range(8)]

    assert shards == [3, 9, 13, 3, 4, 13, 13, 4]


def test_every_shard_gets_its_part() -> None:
    owned = {shard_for(action(uid=f"u-{number}"), Sharding.ACTION, None, shards=16) for number in range(400)}

    assert owned == set(range(16))
