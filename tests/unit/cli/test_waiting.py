"""What a queued action waits for, by the objects that its author may read."""

from typing import Any

import pytest

from taskaction.cli.waiting import explain_partition, explain_provider, explain_queue, partition_key_of


def one(name: str, phase: str = "Queued", *, key: str | None = "k", second: int = 0, **spec: Any) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": "team",
        "uid": name,
        "resourceVersion": str(100 + second),
        "creationTimestamp": f"2026-01-01T12:00:0{second}Z",
    }
    own = {"partitionKey": key} if key is not None else {}
    return {"kind": "TaskAction", "metadata": metadata, "spec": {**own, **spec}, "status": {"phase": phase}}


RUNNING, QUEUED = one("a", "Running"), one("b", second=1)
LAST = one("c", second=2)


@pytest.mark.parametrize(
    ("rivals", "said"),
    [
        ([RUNNING, QUEUED, LAST], "a (Running), b (Queued) in partition 'k'; position 2 of 2 in the queue"),
        ([LAST, RUNNING], "a (Running) in partition 'k'; position 1 of 1 in the queue"),
        ([LAST, one("x", "Running", key="other")], None),
        ([LAST], None),
        (
            [*(one(f"r{number}", "Running") for number in range(4)), LAST],
            "r0 (Running), r1 (Running), r2 (Running) and 1 more in partition 'k'; position 1 of 1 in the queue",
        ),
    ],
)
def test_those_before_an_action_in_its_partition_are_named(rivals: list[dict[str, Any]], said: str | None) -> None:
    assert explain_partition(LAST, rivals, None) == said


def test_a_partition_with_room_is_no_reason() -> None:
    provider = {"spec": {"executor": "noop", "limits": {"maxConcurrentPerPartition": 2}}}
    assert explain_partition(LAST, [RUNNING, LAST], provider) is None


@pytest.mark.parametrize(
    ("limit", "running", "said"), [(2, 2, "2 of 2 concurrent attempts"), (2, 1, None), (None, 5, None)]
)
def test_a_limit_of_the_provider_is_named_when_it_is_reached(limit: int | None, running: int, said: str | None) -> None:
    limits = {} if limit is None else {"limits": {"maxConcurrent": limit}}
    provider = {
        "kind": "ActionProvider",
        "metadata": {"name": "p"},
        "spec": limits,
        "status": {"running": running},
    }
    found = explain_provider(provider)
    assert (said in found) if said and found else found is said


def test_the_position_in_the_queue_follows_priority_and_creation() -> None:
    queued = [one("a", second=1), one("b", second=2, priority=5), one("c", second=3)]
    assert "position 3 of 3 in the queue of namespace team" in explain_queue(queued[2], queued)
    assert "position 1 of 3" in explain_queue(queued[1], queued)


@pytest.mark.parametrize(
    ("body", "provider", "key"),
    [
        (one("a"), None, "k"),
        (one("a", key=None, parameters={"a": {"b": 7}}), {"spec": {"executor": "x", "partitionKeyPath": "a.b"}}, "7"),
        (one("a", key=None), None, None),
        (one("a", key=None) | {"status": {"partitionKey": "computed"}}, None, "computed"),
    ],
)
def test_the_key_is_found_wherever_it_comes_from(body: dict[str, Any], provider: Any, key: str | None) -> None:
    assert partition_key_of(body, provider) == key
