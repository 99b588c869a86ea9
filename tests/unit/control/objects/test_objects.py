"""Edits of the object itself: each adds or removes just its own, whatever else is there and whoever else writes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.records import NAMESPACE, body, recorded
from support.work_requests import no_requests, taken
from support.write_slots import write_slots
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.records import ActionRecord
from taskaction.core.constants import FINALIZER, HELD_LABEL, PARENT_ANNOTATION

PARENT = recorded(body("parent")).action
OTHER_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "other"}


class Bench:
    """An editor before a ``FakeCluster``."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.requests = no_requests()
        self.editor: ObjectEditor[ActionRecord] = ObjectEditor(self.cluster, once, self.requests, write_slots(2))

    def live(self, name: str = "one", **metadata: Any) -> ActionRecord:
        one = body(name)
        return recorded(self.cluster.store(TASK_ACTIONS, one | {"metadata": one["metadata"] | metadata}))

    def metadata(self, name: str = "one") -> Body:
        return self.cluster.objects[TASK_ACTIONS.plural, NAMESPACE, name]["metadata"]

    def change(self, name: str = "one", **metadata: Any) -> None:
        """Let somebody else write."""
        stored = self.cluster.objects[TASK_ACTIONS.plural, NAMESPACE, name]
        self.cluster.store(TASK_ACTIONS, stored | {"metadata": stored["metadata"] | metadata})


async def once(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    "metadata",
    [{}, {"finalizers": ["theirs"]}, {"labels": {"app": "x"}}, {"finalizers": ["theirs"], "labels": {"app": "x"}}],
    ids=["bare", "with a finalizer", "with a label", "with both"],
)
async def test_holding_and_releasing_leaves_what_others_have_put_there(bench, metadata) -> None:
    record = bench.live(**metadata)
    await bench.editor.add_finalizer(record)
    held = bench.metadata()
    assert held["finalizers"] == [*metadata.get("finalizers", []), FINALIZER]
    assert held["labels"] == metadata.get("labels", {}) | {HELD_LABEL: "true"}
    assert FINALIZER in record.action.metadata.finalizers
    assert record.version == held["resourceVersion"]

    await bench.editor.remove_finalizer(record)

    released = bench.metadata()
    assert released["finalizers"] == metadata.get("finalizers", [])
    assert released["labels"] == metadata.get("labels", {})


async def test_releasing_removes_only_this_project_s_finalizer_wherever_it_stands(bench) -> None:
    record = bench.live(finalizers=["first", FINALIZER, "last"], labels={HELD_LABEL: "true"})
    await bench.editor.remove_finalizer(record)

    assert bench.metadata()["finalizers"] == ["first", "last"]


async def test_a_finalizer_without_its_label_is_released_as_well(bench) -> None:
    record = bench.live(finalizers=[FINALIZER])
    await bench.editor.remove_finalizer(record)

    assert bench.metadata()["finalizers"] == []


@pytest.mark.parametrize(
    "metadata",
    [{}, {"ownerReferences": [OTHER_OWNER]}, {"annotations": {"note": "x"}}],
    ids=["bare", "with an owner", "with an annotation"],
)
async def test_adopting_adds_an_owner_that_neither_controls_nor_blocks(bench, metadata) -> None:
    record = bench.live(**metadata)
    await bench.editor.add_owner(record, PARENT)

    *others, owner = bench.metadata()["ownerReferences"]
    assert others == metadata.get("ownerReferences", [])
    assert (owner["kind"], owner["name"], owner["uid"]) == ("TaskAction", "parent", "uid-of-parent")
    assert owner.keys() == {"apiVersion", "kind", "name", "uid"}
    assert bench.metadata()["annotations"] == metadata.get("annotations", {}) | {
        PARENT_ANNOTATION: f"uid-of-parent,child={bench.metadata()['uid']}"
    }


async def test_an_edit_that_is_there_already_costs_no_request(bench) -> None:
    record = bench.live()
    await bench.editor.remove_finalizer(record)
    assert bench.cluster.calls == []

    await bench.editor.add_finalizer(record)
    await bench.editor.add_owner(record, PARENT)
    before = len(bench.cluster.calls)
    await bench.editor.add_finalizer(record)
    await bench.editor.add_owner(record, PARENT)

    assert len(bench.cluster.calls) == before


async def test_an_edit_of_a_stale_object_is_made_on_the_current_one(bench) -> None:
    record = bench.live(finalizers=["gone by now", FINALIZER])
    bench.change(finalizers=[FINALIZER, "new"])
    await bench.editor.remove_finalizer(record)

    assert bench.metadata()["finalizers"] == ["new"]
    assert bench.cluster.calls == [("patch", "one"), ("get", "one"), ("patch", "one")]
    assert taken(bench.requests.actions) == [record.uid]


async def test_an_edit_that_somebody_else_has_made_meanwhile_is_not_repeated(bench) -> None:
    record = bench.live()
    bench.change(finalizers=[FINALIZER])
    await bench.editor.add_finalizer(record)

    assert bench.metadata()["finalizers"] == [FINALIZER]
    assert bench.cluster.count("patch") == 1


@pytest.mark.parametrize("successor", [False, True], ids=["gone", "a namesake"])
async def test_an_object_that_is_gone_is_not_edited(bench, successor) -> None:
    record = bench.live()
    bench.cluster.drop(TASK_ACTIONS, "one", NAMESPACE)
    if successor:
        bench.cluster.store(TASK_ACTIONS, body("one", uid="another"))
    await bench.editor.add_finalizer(record)

    assert record.is_gone
    assert not successor or "finalizers" not in bench.metadata()
    before = len(bench.cluster.calls)
    await bench.editor.add_finalizer(record)
    assert len(bench.cluster.calls) == before


async def test_an_edit_leaves_the_status_to_the_writer(bench) -> None:
    record = bench.live()
    status = record.status
    await bench.editor.add_finalizer(record)

    assert record.status is record.stored is status


async def test_a_namesake_is_not_deleted(bench) -> None:
    record = bench.live()

    assert not await bench.editor.delete(TASK_ACTIONS, record.name, NAMESPACE, "another uid")
    assert await bench.editor.delete(TASK_ACTIONS, record.name, NAMESPACE, record.uid)
    assert not await bench.editor.delete(TASK_ACTIONS, record.name, NAMESPACE, record.uid)
