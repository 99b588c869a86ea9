"""What the control layer relies on when it reads and writes, the same in memory and on a real API server."""

import pytest

from taskaction.cluster.errors import AlreadyExistsError, ConflictError, NotFoundError
from taskaction.cluster.gateway import JOBS, LEASES, NAMESPACES, PODS, TASK_ACTIONS, Body, Cluster, Resource
from taskaction.cluster.memory.cluster import DEPLOYMENTS
from taskaction.core.constants import API_VERSION

ENDED = "2026-01-31T09:30:00.000Z"
STATUS = {"phase": "Succeeded", "finishedAt": ENDED, "attempt": 1, "output": {"answer": 42, "nothing": None}}


def manifest(name: str, **labels: str) -> Body:
    return {
        "apiVersion": API_VERSION,
        "kind": "TaskAction",
        "metadata": {"name": name, "labels": labels},
        "spec": {"executor": "noop"},
    }


def lease(name: str) -> Body:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {"holderIdentity": "me"},
    }


def ended_in(phase: str) -> Body:
    return {"phase": phase} if phase == "Running" else {"phase": phase, "finishedAt": ENDED}


async def names(gateway: Cluster, where: str, **selectors: str) -> set[str]:
    return {body["metadata"]["name"] async for body in gateway.list(TASK_ACTIONS, where, **selectors)}


async def test_what_is_created_can_be_read(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, manifest("a"), where)
    read = await gateway.get(TASK_ACTIONS, "a", where)
    assert read is not None
    assert read["metadata"]["uid"] == made["metadata"]["uid"]
    assert read["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert "managedFields" not in read["metadata"]


async def test_a_name_can_be_taken_once(gateway: Cluster, where: str) -> None:
    await gateway.create(TASK_ACTIONS, manifest("a"), where)
    with pytest.raises(AlreadyExistsError):
        await gateway.create(TASK_ACTIONS, manifest("a"), where)


async def test_what_does_not_exist_is_none(gateway: Cluster, where: str) -> None:
    assert await gateway.get(TASK_ACTIONS, "nobody", where) is None
    assert not await gateway.delete(TASK_ACTIONS, "nobody", where)


async def test_a_status_is_written_whole_and_touches_nothing_else(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, manifest("a", kept="yes"), where)
    written = await gateway.replace_status(TASK_ACTIONS, made | {"spec": {"executor": "sleep"}, "status": STATUS})
    assert written["status"]["output"] == STATUS["output"]
    assert written["spec"] == made["spec"]
    assert written["metadata"]["labels"] == {"kept": "yes"}
    assert written["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


async def test_a_status_write_can_return_the_metadata_alone(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, manifest("a"), where)
    written = await gateway.replace_status(TASK_ACTIONS, made | {"status": STATUS}, metadata_only=True)
    assert written["metadata"]["uid"] == made["metadata"]["uid"]
    assert "spec" not in written
    stored = await gateway.get(TASK_ACTIONS, "a", where)
    assert stored is not None
    assert stored["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]
    assert stored["status"]["output"] == STATUS["output"]


async def test_a_status_on_an_old_version_is_a_conflict(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, manifest("a"), where)
    await gateway.replace_status(TASK_ACTIONS, made | {"status": {"phase": "Running"}})
    with pytest.raises(ConflictError):
        await gateway.replace_status(TASK_ACTIONS, made | {"status": STATUS})


async def test_a_status_for_a_namesake_is_a_conflict(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, manifest("a"), where)
    other = {**made, "metadata": {**made["metadata"], "uid": "another"}, "status": STATUS}
    with pytest.raises(ConflictError):
        await gateway.replace_status(TASK_ACTIONS, other)


async def test_a_status_for_nobody_is_not_found(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, manifest("a"), where)
    assert await gateway.delete(TASK_ACTIONS, "a", where)
    with pytest.raises(NotFoundError):
        await gateway.replace_status(TASK_ACTIONS, made | {"status": STATUS})


async def test_a_patch_adds_and_removes_under_its_tests(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, manifest("a", old="1"), where)
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": made["metadata"]["resourceVersion"]}
    finalizer = {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/held"]}
    label = {"op": "add", "path": "/metadata/labels/example.com~1new", "value": "2"}
    patched = await gateway.patch(TASK_ACTIONS, "a", where, [version, finalizer, label])
    assert patched["metadata"]["finalizers"] == ["example.com/held"]
    assert patched["metadata"]["labels"] == {"old": "1", "example.com/new": "2"}
    with pytest.raises(ConflictError):
        await gateway.patch(TASK_ACTIONS, "a", where, [version, label])
    freed = await gateway.patch(TASK_ACTIONS, "a", where, [{"op": "remove", "path": "/metadata/finalizers/0"}])
    assert not freed["metadata"].get("finalizers")


async def test_a_patch_for_nobody_is_not_found(gateway: Cluster, where: str) -> None:
    with pytest.raises(NotFoundError):
        await gateway.patch(TASK_ACTIONS, "nobody", where, [{"op": "add", "path": "/metadata/labels", "value": {}}])


async def test_a_delete_for_a_namesake_does_nothing(gateway: Cluster, where: str) -> None:
    made = await gateway.create(TASK_ACTIONS, manifest("a"), where)
    assert not await gateway.delete(TASK_ACTIONS, "a", where, uid="another")
    assert await gateway.get(TASK_ACTIONS, "a", where) is not None
    assert await gateway.delete(TASK_ACTIONS, "a", where, uid=made["metadata"]["uid"])
    assert await gateway.get(TASK_ACTIONS, "a", where) is None


async def test_lists_are_selected_by_phase_and_label(gateway: Cluster, where: str) -> None:
    for name, phase in {"a": "Running", "b": "Succeeded", "c": "Failed"}.items():
        made = await gateway.create(TASK_ACTIONS, manifest(name, odd="yes" if name != "b" else "no"), where)
        await gateway.replace_status(TASK_ACTIONS, made | {"status": ended_in(phase)})
    assert await names(gateway, where) == {"a", "b", "c"}
    assert await names(gateway, where, field_selector="status.phase=Failed") == {"c"}
    assert await names(gateway, where, field_selector="status.phase!=Failed,status.phase!=Succeeded") == {"a"}
    assert await names(gateway, where, label_selector="odd=yes") == {"a", "c"}


async def test_a_lease_is_replaced_only_by_who_has_read_it(gateway: Cluster, where: str) -> None:
    made = await gateway.create(LEASES, lease("shard"), where)
    mine = await gateway.replace(LEASES, made | {"spec": {"holderIdentity": "you"}})
    assert mine["spec"]["holderIdentity"] == "you"
    with pytest.raises(ConflictError):
        await gateway.replace(LEASES, made | {"spec": {"holderIdentity": "me"}})
    assert await gateway.delete(LEASES, "shard", where)
    with pytest.raises((NotFoundError, ConflictError)):
        await gateway.replace(LEASES, mine | {"spec": {"holderIdentity": "me"}})


SERVED = {"pods": PODS, "jobs": JOBS, "taskactions": TASK_ACTIONS, "deployments": DEPLOYMENTS}


@pytest.mark.parametrize("resource", SERVED.values(), ids=SERVED)
async def test_the_kinds_of_a_version_are_told_with_their_places(gateway: Cluster, resource: Resource) -> None:
    assert resource in await gateway.kinds(resource.api_version)


async def test_a_kind_of_the_whole_cluster_is_told_as_such(gateway: Cluster) -> None:
    kinds = {one.kind: one for one in await gateway.kinds("v1")}
    assert kinds["Namespace"] == NAMESPACES
    assert kinds["ConfigMap"].namespaced


@pytest.mark.parametrize("api_version", ["v1", "apps/v1", "batch/v1"])
async def test_each_kind_is_told_once_and_without_its_subresources(gateway: Cluster, api_version: str) -> None:
    kinds = await gateway.kinds(api_version)
    assert len({one.kind for one in kinds}) == len(kinds)
    assert not [one.plural for one in kinds if "/" in one.plural]
    assert {one.api_version for one in kinds} == {api_version}


@pytest.mark.parametrize("api_version", ["none.example/v1", "apps/v0", "v0"])
async def test_what_the_api_server_does_not_know_has_no_kinds(gateway: Cluster, api_version: str) -> None:
    assert not await gateway.kinds(api_version)
