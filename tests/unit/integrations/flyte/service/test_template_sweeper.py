"""Stored templates go when no action names them any more, and never while one could."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from taskaction.integrations.flyte.service.template_sweeper import EVERY_SECONDS, TemplateSweeper, day_of
from taskaction.plugin.storage import Storage, StorageError
from taskaction.testing.clock import FakeClock

OLD, YESTERDAY, TODAY = 3, 1, 0


class Folder:
    """A folder of templates, and what actions name of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.named: set[str] = set()
        self.is_sure = True
        storage = Storage((f"file://{path}/",))
        self.sweep = TemplateSweeper(
            storage,
            [f"file://{path}/here/"],
            self.clock,
            named=lambda: frozenset(self.named),
            is_sure=lambda: self.is_sure,
        )

    def store(self, days_ago: int, name: str, namespace: str = "here") -> str:
        """Store a template so many days ago."""
        day = (self.clock.now().date() - timedelta(days=days_ago)).isoformat()
        path = self.path / namespace / day / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        return f"file://{path}"

    @property
    def left(self) -> set[str]:
        """What is there."""
        return {f"file://{path}" for path in self.path.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


async def test_what_no_action_names_goes_once_it_is_old(folder):
    named, _, yesterday, today = (
        folder.store(OLD, "named"),
        folder.store(OLD, "forgotten"),
        folder.store(YESTERDAY, "young"),
        folder.store(TODAY, "new"),
    )
    folder.named = {named}
    await folder.sweep.sweep_once()
    assert folder.left == {named, yesterday, today}
    folder.named = set()
    await folder.sweep.sweep_once()
    assert folder.left == {yesterday, today}


async def test_what_is_not_its_own_is_left_alone(folder):
    kept = {folder.store(OLD, "other", namespace="elsewhere")}
    (folder.path / "here").mkdir()
    (folder.path / "here" / "notes").write_bytes(b"x")
    await folder.sweep.sweep_once()
    assert folder.left == {*kept, f"file://{folder.path}/here/notes"}


async def test_nothing_goes_while_it_is_not_sure_what_there_is(folder):
    kept = folder.store(OLD, "forgotten")
    folder.is_sure = False
    await folder.sweep.sweep_once()
    assert folder.left == {kept}


async def test_a_folder_that_is_not_there_yet_is_an_empty_one(folder):
    await folder.sweep.sweep_once()


async def test_it_is_done_from_time_to_time_and_tried_again_after_a_failure(folder, monkeypatch):
    told: list[str] = []
    running = asyncio.create_task(folder.sweep.run(lambda what, error: told.append(f"{what}: {error}")))
    kept = folder.store(OLD, "forgotten")

    async def refuse() -> None:
        raise StorageError("no answer")

    with monkeypatch.context() as broken:
        broken.setattr(folder.sweep, "sweep_once", refuse)
        await folder.clock.advance(EVERY_SECONDS)
    assert (told, folder.left) == (["sweep of templates: no answer"], {kept})
    swept = asyncio.Event()

    async def sweep() -> None:
        swept.set()

    monkeypatch.setattr(folder.sweep, "sweep_once", sweep)
    await folder.clock.advance(EVERY_SECONDS)
    assert swept.is_set()
    running.cancel()


def test_days_are_named_so_that_they_are_read_back():
    clock = FakeClock()
    assert day_of(clock) == clock.now().date().isoformat()
