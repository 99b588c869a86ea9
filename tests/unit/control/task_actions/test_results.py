"""An output that the storage does not take is kept and tried again; one that it must not take fails after a while."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.records import body, recorded
from taskaction.api.reasons import Reason
from taskaction.control.objects.outputs import OutputStore
from taskaction.control.objects.records import ActionRecord
from taskaction.control.task_actions.results import ResultKeeper
from taskaction.lifecycle.outcomes import Failed, Outcome, OutputReference, Succeeded
from taskaction.plugin.storage import ProjectStorage, StorageDeniedError, StorageError
from taskaction.testing.clock import FakeClock

OUTPUT = "x" * 2000
DENIED, AWAY = PermissionError("read only"), TimeoutError("away")


class PoorStorage(ProjectStorage):
    """Storage that fails with errors of its kind, while there is one."""

    error: Exception | None = None

    def _write(self, address: str, content: bytes) -> None:
        if self.error is not None:
            raise self.error
        super()._write(address, content)


class Nobody:
    """Owners of nothing: no status is shown."""

    def current(self, record: Any) -> None:
        return None


class House:
    """A keeper that keeps one outcome."""

    def __init__(self, folder: Path, outcome: Outcome) -> None:
        self.clock, self.storage, self.delays = FakeClock(), PoorStorage(f"file://{folder}/"), 0
        self.errors: list[StorageError] = []
        self.record = recorded(body("a", "uid-1", {"phase": "Running", "externalId": "job-7"}))
        keeper = ResultKeeper(
            store=OutputStore(self.storage, max_bytes=1024),
            clock=self.clock,
            jitter=lambda: 0.0,
            observer=None,  # type: ignore[arg-type]  # not needed without an owner
            owners=Nobody(),  # type: ignore[arg-type]  # a part of it
            timers=None,  # type: ignore[arg-type]  # not needed without an owner
            journal=self,  # type: ignore[arg-type]  # a part of it
        )
        self.kept = asyncio.ensure_future(keeper.keep(self.record, outcome, self._on_delay))

    def on_storage_failed(self, record: ActionRecord, error: StorageError) -> None:
        self.errors.append(error)

    def _on_delay(self) -> None:
        self.delays += 1

    async def play(self, error: Exception | None, seconds: float) -> None:
        """Let each write end like this for a while: each runs in a thread, so the keeper is given time to ask again."""
        self.storage.error, end = error, self.clock.monotonic() + seconds
        while self.clock.monotonic() < end and not self.kept.done():
            await self._until_it_waits()
            await self.clock.advance(60)
        await self._until_it_waits()

    async def _until_it_waits(self) -> None:
        before = self.delays
        async with asyncio.timeout(10):
            while not self.kept.done() and not self.clock.sleepers and before == self.delays:
                await asyncio.wait({self.kept}, timeout=0.001)


async def test_an_output_is_kept_as_long_as_the_storage_is_away(tmp_path: Path) -> None:
    house = House(tmp_path, Succeeded(output=OUTPUT))
    await house.play(AWAY, 86_400)
    assert not house.kept.done()
    assert house.record.is_storing
    await house.play(DENIED, 300)  # rights that are being set up
    await house.play(AWAY, 300)
    await house.play(DENIED, 300)
    assert not house.kept.done()
    await house.play(None, 300)
    kept = await house.kept
    assert isinstance(kept, Succeeded)
    assert kept.output_at is not None
    assert kept.output_at.uri is not None
    assert not house.record.is_storing


@pytest.mark.parametrize("outcome", [Succeeded(output=OUTPUT), Failed(code="Bad", message="bad", output=OUTPUT)])
async def test_an_output_that_the_storage_does_not_permit_fails_as_without_a_storage(
    tmp_path: Path, outcome: Succeeded | Failed
) -> None:
    house = House(tmp_path, outcome)
    await house.play(DENIED, 540)
    assert not house.kept.done()
    await house.play(DENIED, 300)
    kept = await house.kept
    assert isinstance(kept, Failed)
    assert kept.code == (Reason.OUTPUT_TOO_LARGE if isinstance(outcome, Succeeded) else "Bad")
    assert kept.output_at == OutputReference(size=len(OUTPUT) + 2)
    for part in ("read only", "permit writing to TASKACTION_STORAGE", "'job-7'"):
        assert part in kept.message
    assert not house.record.is_storing


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DENIED, StorageDeniedError),
        (OSError(30, "read-only file system"), StorageDeniedError),
        (type("PermissionDeniedError", (Exception,), {})("403"), StorageDeniedError),
        (type("UnauthenticatedError", (Exception,), {})("401: expired"), StorageError),
        (OSError(28, "no space left"), StorageError),
    ],
    ids=repr,
)
async def test_missing_rights_are_told_from_failures_that_pass(
    tmp_path: Path, error: Exception, kind: type[StorageError]
) -> None:
    storage = PoorStorage(f"file://{tmp_path}/")
    storage.error = error
    with pytest.raises(StorageError) as found:
        await storage.write(f"file://{tmp_path}/a", b"")
    assert type(found.value) is kind
