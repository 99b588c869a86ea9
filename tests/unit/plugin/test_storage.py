"""Files of runs where they are in real life, in a bucket: read, looked for and written by the operator itself."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from support.bucket import Bucket
from taskaction.plugin import storage as storages
from taskaction.plugin.storage import Storage, StorageError

FILE = "s3://runs/flyte/r1/a1/1/error.pb"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with Bucket() as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def storage() -> Storage:
    return Storage(("s3://runs/flyte/",))


@pytest.mark.parametrize(("content", "found"), [(b"no such thing", b"no such thing"), (b"", b""), (b"x" * 101, None)])
async def test_a_file_is_read_up_to_a_size(
    bucket: Bucket, storage: Storage, content: bytes, found: bytes | None
) -> None:
    bucket.files["/runs/flyte/r1/a1/1/error.pb"] = content

    assert await storage.read(FILE, 100) == found
    assert await storage.exists(FILE)


async def test_one_that_is_not_there_is_no_error(bucket: Bucket, storage: Storage) -> None:
    assert bucket.files == {}
    assert await storage.read(FILE, 100) is None
    assert not await storage.exists(FILE)


async def test_what_is_written_is_there(bucket: Bucket, storage: Storage) -> None:
    await storage.write("s3://runs/flyte/templates/ab", b"template")

    assert bucket.files == {"/runs/flyte/templates/ab": b"template"}


async def test_a_file_and_a_folder_are_removed_and_nothing_beside_them(bucket: Bucket, storage: Storage) -> None:
    names = ["a/1/x", "a/1/y/z", "a/2", "a/11/x"]
    bucket.files |= {f"/runs/flyte/{name}": b"x" for name in names}

    await storage.remove("s3://runs/flyte/a/2")
    await storage.remove("s3://runs/flyte/a/1/")
    await storage.remove("s3://runs/flyte/not/there/")
    await storage.remove("s3://runs/flyte/neither")

    assert bucket.files == {"/runs/flyte/a/11/x": b"x"}


async def test_files_are_told_by_the_addresses_that_they_are_opened_by(bucket: Bucket, storage: Storage) -> None:
    bucket.files |= {f"/runs/flyte/{name}": b"x" for name in ("a/1/x", "a/2", "b")}

    assert await storage.files("s3://runs/flyte/a/") == ["s3://runs/flyte/a/1/x", "s3://runs/flyte/a/2"]
    assert await storage.files("s3://runs/flyte/not/there/") == []
    for address in await storage.files("s3://runs/flyte/a/"):
        await storage.remove(address)
    assert bucket.files == {"/runs/flyte/b": b"x"}


async def test_folders_are_listed_one_level_deep_in_a_bucket_and_on_a_disk(
    bucket: Bucket, storage: Storage, tmp_path: Path
) -> None:
    names = ["a/1/x", "a/2/y/z", "b/x", "file"]
    bucket.files |= {f"/runs/flyte/{name}": b"x" for name in names}
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    root = f"file://{tmp_path}/"
    for found, folder in (storage, "s3://runs/flyte/"), (Storage((root,)), root):
        assert await found.folders(folder) == ["a", "b"]
        assert await found.folders(f"{folder}a/") == ["1", "2"]
        assert await found.folders(f"{folder}a/1/") == []
        assert await found.folders(f"{folder}not/there/") == []


async def test_an_answer_that_is_cut_off_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_bytes(b"whole")
    monkeypatch.setattr(LocalFileSystem, "cat_file", lambda *_: b"who")
    with pytest.raises(StorageError, match="3 of 5 bytes came"):
        await Storage((f"file://{tmp_path}/",)).read(f"file://{tmp_path}/state", 100)


async def test_a_storage_that_hangs_holds_up_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads that wait for it are its own; those that look hosts up are not."""
    monkeypatch.setattr(storages, "_SECONDS", 0.05)
    os.mkfifo(tmp_path / "hangs")
    storage = Storage((f"file://{tmp_path}/",))
    writes = [storage.write(f"file://{tmp_path}/hangs", b"x") for _ in range(40)]
    found = await asyncio.gather(*writes, return_exceptions=True)
    try:
        assert {type(one) for one in found} == {StorageError}
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: "done") == "done"
    finally:
        os.close(os.open(tmp_path / "hangs", os.O_RDONLY | os.O_NONBLOCK))


@pytest.mark.parametrize(
    "address",
    [
        "s3://runs/other/error.pb",
        "s3://runs/flyte2/error.pb",
        "s3://runs/flyte/../other/error.pb",
        "zip://x::s3://runs/flyte/a.zip",
        "file:///etc/passwd",
    ],
)
async def test_what_is_outside_is_refused_before_anything_is_asked(storage: Storage, address: str) -> None:
    assert not storage.covers(address)
    with pytest.raises(StorageError, match="in none of the folders"):
        await storage.read(address, 100)
