"""R25: clients get the answer of a condition wherever it is, and never a file of the operator as a task's folder."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_pb2 import WatchForUpdatesResponse
from flyteidl2.common.identifier_pb2 import RunIdentifier

from taskaction.core.constants import ORIGIN_ANNOTATION
from taskaction.integrations.flyte.service.action_cache import ActionCache
from taskaction.integrations.flyte.service.answers import AnswerReader
from taskaction.integrations.flyte.service.places import ActionKey
from taskaction.integrations.flyte.service.watches import UpdateWatchSettings, Watches
from taskaction.plugin.storage import ProjectStorage, fingerprint
from taskaction.plugin.stored_outputs import StoredOutput, StoredOutputs
from taskaction.testing.clock import FakeClock, settle

PARENT = ActionKey("flyte", "parent")
RUN = RunIdentifier(org="acme", project="shop", domain="test", name="run")
ANSWER = "y" * 100
SECONDS = 30
SENTINEL = ""
"""The name of no action: the present state is complete."""
CONTENT = orjson.dumps({"value": ANSWER, "by": "me"})


class Service:
    """The watches of a service with a storage in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache, self.failures = folder, ActionCache(), list[str]()
        self.is_complete = asyncio.Event()
        reader = AnswerReader(StoredOutputs(ProjectStorage(f"file://{folder}/")), self.on_failed)
        settings = UpdateWatchSettings(age=60.0, heartbeat=5.0, batch=10, limit=10)
        self.watches = Watches(self.cache, FakeClock(), settings, reader)

    def on_failed(self, task: str, error: BaseException) -> None:
        self.failures.append(f"{task}: {error}")

    def store(self, name: str, executor: str, *, version: int = 1, **status: Any) -> None:
        self.cache.store_object(
            {
                "metadata": {
                    "name": name,
                    "namespace": "flyte",
                    "uid": f"uid-{name}",
                    "resourceVersion": str(version),
                    "annotations": {ORIGIN_ANNOTATION: f"uid-parent/{name}"},
                },
                "spec": {
                    "executor": executor,
                    "parentRef": {"name": "parent", "uid": "uid-parent"},
                    "parameters": {"runOutputBase": "s3://out"}
                    | ({"type": "string"} if executor == "approval" else {}),
                },
                "status": {"phase": "Succeeded", "attempt": 1, **status},
            }
        )

    def file(self, name: str) -> Path:
        return self.folder / "flyte" / f"uid-{name}" / f"1-{fingerprint(CONTENT)}.json"

    def store_large(self, name: str, executor: str) -> Path:
        """Store an action whose output is a file; return the file."""
        file = self.file(name)
        file.parent.mkdir(parents=True)
        file.write_bytes(CONTENT)
        digest = f"sha256:{fingerprint(CONTENT)}"
        self.store(name, executor, outputUri=f"file://{file}", outputDigest=digest, outputSize=len(CONTENT))
        return file

    async def follow(self, sent: list[str]) -> None:
        """Add the name of each action that a new watch sends, until it ends."""
        async for response in self.watches.follow(PARENT, RUN):
            sent.append(response.action_update.action_id.name)
            if sent[-1] == SENTINEL:
                self.is_complete.set()

    async def snapshot(self) -> list[WatchForUpdatesResponse]:
        """Return what a new watch sends until its sentinel."""
        found: list[WatchForUpdatesResponse] = []
        async with aclosing(self.watches.follow(PARENT, RUN)) as stream:  # type: ignore[type-var]  # a generator
            async for response in stream:
                if not response.HasField("action_update"):
                    break
                found.append(response)
        return found


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


async def test_a_stored_answer_is_sent_as_a_value(service: Service) -> None:
    service.store_large("asked", "approval")
    (response,) = await service.snapshot()
    assert response.action_update.value.scalar.primitive.string_value == ANSWER


@pytest.mark.parametrize("executor", ["http", "approval"])
async def test_a_stored_output_is_not_the_folder_of_a_task(service: Service, executor: str) -> None:
    service.store_large("task", executor)
    (response,) = await service.snapshot()
    assert response.action_update.output_uri == "s3://out/task/1"


async def test_while_the_storage_is_away_the_others_are_sent_and_the_client_asks_again(service: Service) -> None:
    file = service.store_large("asked", "approval")
    for name in ("one", "two"):
        service.store(name, "noop")
    aside = file.rename(service.folder / "aside")
    file.mkdir()  # neither a file nor missing
    sent: list[str] = []
    with pytest.raises(ConnectError) as ended:
        await service.follow(sent)
    assert (ended.value.code, sent) == (Code.UNAVAILABLE, ["one", "two", SENTINEL])
    file.rmdir()
    aside.rename(file)
    assert [one.action_update.action_id.name for one in await service.snapshot()] == ["one", "two", "asked"]


async def test_answers_are_read_together_while_the_other_updates_are_sent(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["first", "second"]
    for name in names:
        service.store_large(name, "approval")
    for name in ("one", "two"):
        service.store(name, "noop")
    read, reading, may_end = StoredOutputs.read, list[str](), asyncio.Event()

    async def read_slowly(outputs: StoredOutputs, stored: StoredOutput) -> Any:
        reading.append(stored.uid)
        await may_end.wait()
        return await read(outputs, stored)

    monkeypatch.setattr(StoredOutputs, "read", read_slowly)
    sent: list[str] = []
    following = asyncio.create_task(service.follow(sent))
    await settle()
    assert (sent, reading) == (["one", "two"], ["uid-first", "uid-second"])

    service.store("late", "noop")
    may_end.set()
    async with asyncio.timeout(SECONDS):
        await service.is_complete.wait()
    service.watches.stop()
    with pytest.raises(ConnectError):
        await following
    assert sorted(sent) == sorted([*names, "one", "two", "late", SENTINEL])


async def test_a_lost_answer_is_reported_once_for_each_watch_and_ends_none(service: Service) -> None:
    service.store_large("asked", "approval").unlink()
    (response,) = await service.snapshot()
    assert not response.action_update.HasField("value")
    assert len(service.failures) == 1
    assert "answer of flyte/asked" in service.failures[0]
