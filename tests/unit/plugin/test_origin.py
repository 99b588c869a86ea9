"""What counts as an object that was created for a visit or an attempt, and what does not."""

import copy
from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from taskaction.cluster.errors import ForbiddenError, UnavailableError
from taskaction.core.constants import ORIGIN_ANNOTATION
from taskaction.plugin.origin import OriginGuard, origin_problem, with_origin
from taskaction.testing.clock import FakeClock

INTENDED = with_origin(
    {
        "metadata": {"name": "one", "ownerReferences": [{"uid": "run"}]},
        "spec": {"executor": "approval", "parameters": {"a": [1, {"b": True}]}, "runAs": {"serviceAccountName": "x"}},
    },
    "run/v1",
)


def stored(**changes: Any) -> dict[str, Any]:
    body = copy.deepcopy(INTENDED)
    body["spec"] |= {name: value for name, value in changes.items() if name != "metadata"}
    body["metadata"] |= {"uid": "u", "labels": {"a": "b"}} | changes.get("metadata", {})
    return body


SAME = {
    "as it was created": {},
    "with what users may change": {"suspend": True, "abort": {}, "signal": {"value": 1}, "priority": 5},
    "with a number of another form": {"parameters": {"a": [1.0, {"b": True}]}},
    "with another owner besides": {"metadata": {"ownerReferences": [{"uid": "other"}, {"uid": "run"}]}},
}
OTHER = {
    "without an origin": ({"metadata": {"annotations": {}}}, ORIGIN_ANNOTATION),
    "of another visit": ({"metadata": {"annotations": {ORIGIN_ANNOTATION: "run/v2"}}}, ORIGIN_ANNOTATION),
    "of another owner": ({"metadata": {"ownerReferences": [{"uid": "other"}]}}, "ownerReferences"),
    "with other parameters": ({"parameters": {"a": [1, {"b": False}]}}, "spec.parameters"),
    "with a number for a boolean": ({"parameters": {"a": [1, {"b": 1}]}}, "spec.parameters"),
    "with a further parameter": ({"parameters": {"a": [1, {"b": True}], "c": 1}}, "spec.parameters"),
    "with another executor": ({"executor": "noop"}, "spec.executor"),
    "with a further field": ({"timeouts": {"total": "1s"}}, "spec.timeouts"),
}


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
def test_an_object_is_the_intended_one(changes: dict[str, Any]) -> None:
    assert origin_problem(INTENDED, stored(**changes)) is None


@pytest.mark.parametrize(("changes", "named"), OTHER.values(), ids=OTHER)
def test_an_object_is_not_the_intended_one(changes: dict[str, Any], named: str) -> None:
    assert named in str(origin_problem(INTENDED, stored(**changes)))


class Unguarded(FakeCluster):
    """A cluster whose policy can be switched."""

    acts = False
    asked = 0

    async def check_create(self, *_: Any, **__: Any) -> None:
        self.asked += 1
        if self.acts:
            raise ForbiddenError(f"{ORIGIN_ANNOTATION} 'probe' is refused to everybody")


async def test_only_that_the_policy_acts_is_remembered_for_ten_seconds() -> None:
    clock = FakeClock()
    cluster = Unguarded(clock)
    guard = OriginGuard(cluster, clock)
    assert not await guard.is_enforced("a")
    cluster.acts = True
    assert await guard.is_enforced("a")
    assert await guard.is_enforced("a")
    assert cluster.asked == 2
    assert await guard.is_enforced("b")
    cluster.acts = False
    await clock.advance(10.1)
    assert not await guard.is_enforced("a")


async def test_another_refusal_proves_nothing() -> None:
    cluster = FakeCluster()
    cluster.fail("create", ForbiddenError("taskactions is forbidden"))
    assert not await OriginGuard(cluster, FakeClock()).is_enforced("a")
    cluster.fail("create", UnavailableError("away"))
    with pytest.raises(UnavailableError):
        await OriginGuard(cluster, FakeClock()).is_enforced("a")
