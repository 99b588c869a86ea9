"""What no object needs is removed from the storage, and nothing else, whoever shares the folder and whatever fails."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.events import event_body
from support.fake_cluster import FakeCluster
from support.records import NAMESPACE, body, recorded
from taskaction.api.enums import Phase
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import ACTION_EVENTS, ACTION_FLOW_RUNS, LEASES, TASK_ACTIONS, Resource
from taskaction.control.flow_runs.tables import LiveRecords, RunTable
from taskaction.control.objects import storage_sweep
from taskaction.control.objects.storage_marks import SharedFolderError, StorageMarks
from taskaction.control.objects.storage_sweep import StorageSweeper
from taskaction.control.objects.tables import ActionTable
from taskaction.plugin.event_content import EventKey, address_of, former_address_of
from taskaction.plugin.storage import ProjectStorage
from taskaction.testing.clock import START, FakeClock

DIGEST = "a" * 64
OPS = "ops"
OUTPUT = f"1-{DIGEST}.json"
DAYS_AGO = START - timedelta(days=2)


class Tenures:
    """Shards of which this process owns all, or none."""

    owns = True

    def owns_key(self, key: str) -> bool:
        return self.owns


class Journal:
    """What sweeps report."""

    def __init__(self) -> None:
        self.removed: list[tuple[str, str, int]] = []
        self.shared: list[SharedFolderError | None] = []
        self.failures: list[str] = []

    def on_files_removed(self, kind: str, namespace: str, count: int) -> None:
        self.removed.append((kind, namespace, count))

    def on_storage_shared(self, error: SharedFolderError | None) -> None:
        self.shared.append(error)

    def on_task_failed(self, task: str, error: BaseException) -> None:
        self.failures.append(f"{task}: {error}")


class House:
    """A storage, the cluster whose objects have files in it, and a sweeper that has left its mark."""

    def __init__(self, folder: Path, namespaces: tuple[str, ...] = (), lease: str = "lease-1") -> None:
        self.root, self.folder = folder, f"file://{folder}/"
        self.cluster, self.clock, self.table = FakeCluster(), FakeClock(), ActionTable()
        self.tenures, self.journal = Tenures(), Journal()
        metadata = {"name": "taskaction-shard-0", "namespace": OPS, "uid": lease}
        self.cluster.store(LEASES, {"metadata": metadata, "spec": {}})
        storage = ProjectStorage(self.folder)
        self.marks = StorageMarks(self.cluster, storage, OPS)
        self.sweeper = StorageSweeper(
            cluster=self.cluster,
            clock=self.clock,
            storage=storage,
            marks=self.marks,
            members=LiveRecords(self.table, RunTable()),
            tenures=self.tenures,  # type: ignore[arg-type]  # a part of it
            recorder=self.journal,
            namespaces=namespaces,
        )

    def put(self, name: str) -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
        return name

    def files(self) -> set[str]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        names = {str(path.relative_to(self.root)) for path in found}
        return {name for name in names if not name.startswith(".operators/")}

    async def sweep(self, times: int = 3) -> None:
        for _ in range(times):
            await self.sweeper.sweep()


async def marked(folder: Path, **settings: Any) -> House:
    """Return a house whose operator has left its mark, as it does at its start."""
    house = House(folder, **settings)
    assert await house.marks.leave()
    return house


@pytest.fixture
async def house(tmp_path: Path) -> House:
    return await marked(tmp_path)


def new_uid() -> str:
    return str(uuid.uuid4())


# -- files of actions and runs -----------------------------------------------------------------------------------------


async def test_files_of_objects_that_are_gone_go_and_those_of_others_stay(house: House) -> None:
    action, run, live, gone = (new_uid() for _ in range(4))
    house.cluster.store(TASK_ACTIONS, body("done", action, {"phase": "Succeeded"}))
    house.cluster.store(ACTION_FLOW_RUNS, body("run", run) | {"kind": ACTION_FLOW_RUNS.kind})
    house.table.add(recorded(body("live", live)))
    kept = {house.put(f"{NAMESPACE}/{uid}/{OUTPUT}") for uid in (action, run, live)}
    house.put(f"{NAMESPACE}/{gone}/{OUTPUT}")
    house.put(f"{NAMESPACE}/{gone}/{DIGEST}.json")
    house.put(f"deleted-namespace/{new_uid()}/{OUTPUT}")
    await house.sweep()
    assert house.files() == kept
    assert not (house.root / NAMESPACE / gone).exists()
    assert sorted(house.journal.removed) == [("object", "deleted-namespace", 1), ("object", NAMESPACE, 2)]
    assert house.journal.failures == []


@pytest.mark.parametrize("field", ["outputUri", "stateUri"])
@pytest.mark.parametrize("resource", [TASK_ACTIONS, ACTION_FLOW_RUNS], ids=lambda one: one.kind)
async def test_files_that_a_restored_object_names_stay(house: House, resource: Resource, field: str) -> None:
    name = house.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    status = {"phase": "Succeeded", field: f"{house.folder}{name}"}
    house.cluster.store(resource, body("restored", new_uid(), status) | {"kind": resource.kind})
    await house.sweep()
    assert house.files() == {name}


FOREIGN = {
    "a Flyte task's": f"{NAMESPACE}/r1/a0/1/outputs.pb",
    "a Flyte task's, in a folder like a uid": f"{NAMESPACE}/{new_uid()}/a0/1/outputs.pb",
    "another name in a folder like a uid": f"{NAMESPACE}/{new_uid()}/report.json",
    "deeper in a folder like a uid": f"{NAMESPACE}/{new_uid()}/sub/{OUTPUT}",
    "a template's": f"mark/{NAMESPACE}/2020-01-01/{DIGEST}",
    "at the top": OUTPUT,
    "in no namespace": f"Not_A_Namespace/{new_uid()}/{OUTPUT}",
    "another name among webhooks": f"{NAMESPACE}/webhooks/2020-01-01/notes.txt",
    "another name directly among webhooks": f"{NAMESPACE}/webhooks/notes.txt",
    "webhooks of no day": f"{NAMESPACE}/webhooks/archive/000000000-event-{DIGEST}",
}


@pytest.mark.parametrize("name", FOREIGN.values(), ids=FOREIGN)
async def test_files_that_the_operator_does_not_write_stay(house: House, name: str) -> None:
    house.put(name)
    await house.sweep()
    assert house.files() == {name}
    assert house.journal.failures == []


@pytest.mark.parametrize(("name", "lists"), [("a0/1/outputs.pb", 2), (OUTPUT, 4)])
async def test_whole_objects_are_listed_only_for_files_that_the_operator_writes(
    house: House, name: str, lists: int
) -> None:
    house.put(f"{NAMESPACE}/{new_uid()}/{name}")
    await house.sweep(1)
    assert house.cluster.count("list") == lists  # actions and runs, by their metadata and as a whole


async def test_a_folder_must_be_without_an_object_twice(house: House) -> None:
    name = house.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    await house.sweep(1)
    assert house.files() == {name}
    house.tenures.owns = False
    await house.sweep()
    house.tenures.owns = True
    await house.sweep(1)
    assert house.files() == {name}
    await house.sweep(1)
    assert house.files() == set()


async def test_only_served_namespaces_are_swept(tmp_path: Path) -> None:
    house = await marked(tmp_path, namespaces=(NAMESPACE,))
    house.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    other = house.put(f"team-b/{new_uid()}/{OUTPUT}")
    await house.sweep()
    assert house.files() == {other}


async def test_a_sweep_is_bounded_and_the_next_one_continues(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_sweep, "MOST_REMOVED", 2)
    for _ in range(5):
        house.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    counts = []
    for _ in range(5):
        await house.sweep(1)
        counts.append(len(house.files()))
    assert counts == [5, 3, 1, 0, 0]


# -- several operators -------------------------------------------------------------------------------------------------


async def test_operators_that_share_a_folder_remove_nothing_and_say_so(tmp_path: Path) -> None:
    one, other = await marked(tmp_path), await marked(tmp_path, lease="x")
    name = one.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    await one.sweep(1)
    await other.sweep(3)
    await one.sweep(3)
    assert one.files() == {name}
    for house, its in (one, "x"), (other, "lease-1"):
        error = house.journal.shared[-1]
        assert error is not None
        assert its in str(error)
    (tmp_path / ".operators" / "x").unlink()
    await one.sweep(2)
    assert (one.files(), one.journal.shared[-1]) == (set(), None)


class StoppedError(Exception):
    """End of a loop that has come to its first pause."""


async def test_an_operator_that_starts_later_is_noticed_before_it_has_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop(seconds: float) -> None:
        raise StoppedError

    one = await marked(tmp_path)
    await one.sweep()
    other = House(tmp_path, lease="x")
    monkeypatch.setattr(other.clock, "sleep", stop)
    with pytest.raises(StoppedError):
        await other.sweeper.run(3600)
    assert (tmp_path / ".operators" / "x").exists()
    name = other.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    await one.sweep()
    assert one.files() == {name}
    assert one.journal.shared[-1] is not None


@pytest.mark.parametrize(
    "name", [f"team/{new_uid()}/{OUTPUT}", f"team/webhooks/event-{DIGEST}"], ids=["output", "webhook"]
)
async def test_files_of_a_former_release_stay_until_an_administrator_says_whose_they_are(
    tmp_path: Path, name: str
) -> None:
    """An operator of a former release, which leaves no mark, may still use the folder: its later files stay, too."""
    House(tmp_path).put(name)
    house = await marked(tmp_path)
    later = house.put(f"team/{new_uid()}/{OUTPUT}")
    await house.sweep()
    assert house.files() == {name, later}
    assert f"remove {house.folder}.operators/former-release" in str(house.journal.shared[-1])
    restarted = await marked(tmp_path)
    (tmp_path / ".operators" / "former-release").unlink()
    await restarted.sweep()
    assert later not in restarted.files()
    assert restarted.journal.shared[-1] is None


@pytest.mark.parametrize("name", ["team/r1/a0/1/outputs.pb", "mark/templates/2020-01-01/x"])
async def test_a_folder_with_files_of_others_only_is_swept(tmp_path: Path, name: str) -> None:
    house = House(tmp_path)
    house.put(name)
    assert await house.marks.leave()
    house.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    await house.sweep()
    assert house.files() == {name}


async def test_own_files_before_the_lease_are_not_those_of_a_former_release(tmp_path: Path) -> None:
    house = House(tmp_path)
    lease = house.cluster.objects.pop((LEASES.plural, OPS, "taskaction-shard-0"))
    assert not await house.marks.leave()
    house.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    house.cluster.store(LEASES, lease)
    await house.sweep(4)
    assert house.files() == set()


async def test_without_leases_or_an_api_server_nothing_is_removed(house: House) -> None:
    name = house.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    house.cluster.fail("get", UnavailableError("away"))
    assert not await house.sweeper.sweep()
    await house.sweep(1)
    house.cluster.fail("list", UnavailableError("away"))
    await house.sweep(1)
    assert house.files() == {name}
    assert len(house.journal.failures) == 2
    house.cluster.objects.clear()
    assert not await house.sweeper.sweep()


async def test_a_namespace_that_cannot_be_read_holds_up_no_other(house: House) -> None:
    (house.root / "aaa").mkdir()
    (house.root / "aaa" / "webhooks").symlink_to(house.root)
    house.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    await house.sweep()
    assert house.files() == set()
    assert all("aaa" in failure for failure in house.journal.failures)
    assert house.journal.failures


# -- bytes of webhook requests -----------------------------------------------------------------------------------------


def event(house: House, name: str, **content: Any) -> dict[str, Any]:
    made = event_body(name, receivedAt=DAYS_AGO.isoformat(), correlationKey="7", content=content)
    return house.cluster.store(ACTION_EVENTS, made)


def content_of(name: str, **key: Any) -> str:
    return address_of("", EventKey(**{"namespace": NAMESPACE, "name": name, "received_at": DAYS_AGO} | key), DIGEST)


async def test_bytes_without_an_event_go_and_those_of_an_event_stay(house: House) -> None:
    event(house, "webhook-1", size=2, sha256=DIGEST)
    kept = house.put(content_of("webhook-1"))
    house.put(content_of("webhook-2"))
    house.put(content_of("webhook-1", received_at=DAYS_AGO + timedelta(milliseconds=1)))  # of an earlier event
    event(house, "webhook-3", size=2, data="eJwDAAAAAAE=")
    house.put(content_of("webhook-3"))
    await house.sweep(2)
    assert house.files() == {kept}
    house.cluster.objects.pop((ACTION_EVENTS.plural, NAMESPACE, "webhook-1"))
    await house.sweep(1)
    assert (house.files(), house.journal.failures) == (set(), [])
    assert not list((house.root / NAMESPACE / "webhooks").iterdir())


async def test_bytes_that_an_earlier_release_stored_go_when_they_are_without_an_event_twice(house: House) -> None:
    def former(name: str) -> str:
        return former_address_of("", EventKey(NAMESPACE, name, DAYS_AGO), DIGEST)

    event(house, "webhook-1", size=2, sha256=DIGEST)
    event(house, "webhook-2", size=2, sha256="b" * 64)
    names = [house.put(former(name)) for name in ("webhook-1", "webhook-2", "webhook-3")]
    await house.sweep(1)
    assert house.files() == set(names)
    await house.sweep(1)
    assert (house.files(), house.journal.failures) == ({names[0]}, [])
    assert house.journal.removed == [("webhook", NAMESPACE, 2)]


@pytest.mark.parametrize(("age", "stays"), [(0, True), (1, True), (2, False)])
async def test_bytes_whose_event_may_be_on_its_way_stay(house: House, age: int, stays: bool) -> None:
    name = house.put(content_of("webhook-1", received_at=START - timedelta(days=age)))
    await house.sweep()
    assert house.files() == ({name} if stays else set())


async def test_an_event_that_cannot_be_read_keeps_its_bytes(house: House) -> None:
    found = event(house, "webhook-1", size=2, sha256=DIGEST)
    house.cluster.store(ACTION_EVENTS, found | {"spec": found["spec"] | {"type": 7}})
    name = house.put(content_of("webhook-1"))
    await house.sweep()
    assert house.files() == {name}


@pytest.mark.parametrize("step", range(8))
async def test_an_object_that_is_created_during_a_sweep_loses_nothing(house: House, step: int) -> None:
    """At each request of a sweep, an operator starts an action and stores its output."""
    uid = new_uid()
    house.put(f"{NAMESPACE}/{new_uid()}/{OUTPUT}")
    asked = iter(range(1000))

    def meanwhile(verb: str, name: str) -> None:
        if next(asked) == step:
            house.cluster.meanwhile = None
            house.cluster.store(TASK_ACTIONS, body("new", uid, {"phase": str(Phase.RUNNING)}))
            house.put(f"{NAMESPACE}/{uid}/{OUTPUT}")

    house.cluster.meanwhile = meanwhile
    await house.sweep(5)
    assert house.files() == {f"{NAMESPACE}/{uid}/{OUTPUT}"}
