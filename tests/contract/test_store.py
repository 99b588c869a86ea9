"""What follows from a change of an object, the same in memory and on a real API server."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from taskaction.cluster.errors import ConflictError
from taskaction.cluster.gateway import CONFIG_MAPS, TASK_ACTIONS, Body, Cluster
from taskaction.core.constants import API_VERSION

BOUND = 20
COLLECTED = 90
"""Seconds until an owner's end has reached what it owns: the garbage collector finds new kinds every 30 s only."""


def action(name: str = "", **more: Body) -> Body:
    metadata = {"name": name} if name else {"generateName": "made-"}
    return {
        "apiVersion": API_VERSION,
        "kind": "TaskAction",
        "metadata": metadata | more.get("metadata", {}),
        "spec": {"executor": "noop"},
    }


def config(name: str, *owners: Body) -> Body:
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        for owner in owners
    ]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": references}}


async def until(gateway: Cluster, name: str, where: str, check: Callable[[Body | None], bool]) -> None:
    """Look at a ConfigMap until it is as a controller makes it in the end."""
    async with asyncio.timeout(COLLECTED):
        while not check(await gateway.get(CONFIG_MAPS, name, where)):  # noqa: ASYNC110 - the API server has no Event
            await asyncio.sleep(0.05)


def gone(body: Body | None) -> bool:
    return body is None


def orphaned(body: Body | None) -> bool:
    assert body is not None
    return not body["metadata"].get("ownerReferences")


async def test_a_new_object_has_what_the_server_gives(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, action("a"), where)
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["creationTimestamp"].endswith("Z")
    assert made["metadata"]["namespace"] == where
    assert made["status"] == {"phase": "Queued"}


async def test_a_name_can_be_made_of_a_prefix(gateway: Cluster, where: str) -> None:
    first = await gateway.create(TASK_ACTIONS, action(), where)
    second = await gateway.create(TASK_ACTIONS, action(), where)
    names = {first["metadata"]["name"], second["metadata"]["name"]}
    assert len(names) == 2
    assert all(len(name) == len("made-") + 5 for name in names)


async def test_a_status_that_is_sent_along_is_ignored(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, action("a") | {"status": {"phase": "Running"}}, where)
    assert made["status"]["phase"] == "Queued"
    written = await gateway.replace(TASK_ACTIONS, made | {"status": {"phase": "Running"}})
    assert written["status"]["phase"] == "Queued"


async def test_only_a_change_of_the_spec_makes_a_generation(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, action("a"), where)
    labelled = await gateway.replace(TASK_ACTIONS, made | {"metadata": made["metadata"] | {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    suspend = [{"op": "add", "path": "/spec/suspend", "value": True}]
    changed = await gateway.patch(TASK_ACTIONS, "a", where, suspend)
    assert changed["metadata"]["generation"] == 2


async def test_a_finalizer_keeps_what_is_deleted_until_it_is_removed(gateway: Cluster, where: str) -> None:
    await gateway.create(TASK_ACTIONS, action("a", metadata={"finalizers": ["example.com/held"]}), where)
    assert await gateway.delete(TASK_ACTIONS, "a", where)
    held = await gateway.get(TASK_ACTIONS, "a", where)
    assert held is not None
    assert held["metadata"]["deletionTimestamp"]
    await gateway.patch(TASK_ACTIONS, "a", where, [{"op": "remove", "path": "/metadata/finalizers"}])
    assert await gateway.get(TASK_ACTIONS, "a", where) is None


async def test_children_go_with_their_last_owner(gateway: Cluster, where: str) -> None:
    first = await gateway.create(TASK_ACTIONS, action("first"), where)
    second = await gateway.create(TASK_ACTIONS, action("second"), where)
    await gateway.create(CONFIG_MAPS, config("ones", first), where)
    await gateway.create(CONFIG_MAPS, config("both", first, second), where)
    await gateway.delete(TASK_ACTIONS, "first", where)
    await until(gateway, "ones", where, gone)
    assert await gateway.get(CONFIG_MAPS, "both", where) is not None
    await gateway.delete(TASK_ACTIONS, "second", where)
    await until(gateway, "both", where, gone)


async def test_orphans_stay(gateway: Cluster, where: str) -> None:
    owner = await gateway.create(TASK_ACTIONS, action("owner"), where)
    await gateway.create(CONFIG_MAPS, config("child", owner), where)
    await gateway.delete(TASK_ACTIONS, "owner", where, propagation="Orphan")
    await until(gateway, "child", where, orphaned)


async def test_a_patch_that_means_nothing_is_refused(gateway: Cluster, where: str) -> None:
    await gateway.create(TASK_ACTIONS, action("a"), where)
    with pytest.raises(ConflictError):
        await gateway.patch(TASK_ACTIONS, "a", where, [{"op": "remove", "path": "/spec/abort"}])
    with pytest.raises(ConflictError):
        await gateway.patch(TASK_ACTIONS, "a", where, [{"op": "replace", "path": "/spec/nothing/at", "value": 1}])


async def test_labels_are_selected_by_their_absence_too(gateway: Cluster, where: str) -> None:
    await gateway.create(TASK_ACTIONS, action("a", metadata={"labels": {"kept": "yes"}}), where)
    await gateway.create(TASK_ACTIONS, action("b"), where)

    async def names(selector: str) -> set[str]:
        return {one["metadata"]["name"] async for one in gateway.list(TASK_ACTIONS, where, label_selector=selector)}

    assert await names("kept") == {"a"}
    assert await names("!kept") == {"b"}
    assert await names("kept!=yes") == {"b"}


async def seen(events: AsyncIterator[tuple[str, Body]], count: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(BOUND):
        async for kind, body in events:
            if kind != "BOOKMARK":
                found.append((kind, body["metadata"]["name"]))
            if len(found) == count:
                break
    return found


async def test_a_watch_tells_what_happens_after_a_list(gateway, where: str) -> None:
    await gateway.create(TASK_ACTIONS, action("before"), where)
    page = await gateway.page(TASK_ACTIONS, where)
    assert [one["metadata"]["name"] for one in page.items] == ["before"]
    await gateway.create(TASK_ACTIONS, action("after"), where)
    await gateway.patch(TASK_ACTIONS, "after", where, [{"op": "add", "path": "/spec/priority", "value": 1}])
    await gateway.delete(TASK_ACTIONS, "before", where)
    events = gateway.watch(TASK_ACTIONS, where, since=page.resource_version, silence=BOUND)
    assert await seen(events, 3) == [("ADDED", "after"), ("MODIFIED", "after"), ("DELETED", "before")]
    await events.aclose()


async def test_a_watch_tells_what_happens_while_it_lasts(gateway, where: str) -> None:
    page = await gateway.page(TASK_ACTIONS, where)
    events = gateway.watch(TASK_ACTIONS, where, label_selector="kept=yes", since=page.resource_version, silence=BOUND)
    watching = asyncio.create_task(seen(events, 1))
    await gateway.create(TASK_ACTIONS, action("other"), where)
    await gateway.create(TASK_ACTIONS, action("meant", metadata={"labels": {"kept": "yes"}}), where)
    assert await watching == [("ADDED", "meant")]
    await events.aclose()
