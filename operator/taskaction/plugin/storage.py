"""Access to files outside the cluster, by fsspec, within the folders that the operator's settings name.

The address comes from a user and the credentials are the operator's, so nothing outside these folders is ever opened.
"""

import asyncio
import errno
import hashlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from taskaction.core.errors import ConfigurationError, TaskActionError

_SECONDS = 20.0
_THREADS = 8
"""Own threads: a storage that hangs must not block other users of threads, such as DNS lookups."""
_OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az")
_LOCAL = ("file", "local")

T = TypeVar("T")


class StorageError(TaskActionError):
    """The storage does not respond or refuses the request; whether the file exists is unknown."""


class StorageDeniedError(StorageError):
    """The storage does not permit the request; only somebody who changes its rights or the settings can help."""


STORAGE_SETTING = "TASKACTION_STORAGE"
"""Setting with the folder for what does not fit into objects."""
OBJECT_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
"""Uid of an object, which names the folder of its files."""


class Storage:
    """Store of files below some folders, each written as ``s3://bucket/folder/``."""

    def __init__(self, folders: Sequence[str]) -> None:
        """Raise ``ConfigurationError`` if the package for a folder's kind of storage is missing."""
        self._folders = tuple(folders)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage")
        schemes = {folder.partition("://")[0] for folder in folders}
        if schemes:
            self._fsspec = _import_package("fsspec", schemes)
        if schemes & set(_OBJECT_STORES):
            _import_package("obstore.fsspec", schemes).register(list(_OBJECT_STORES))

    def covers(self, address: str) -> bool:
        """Whether the address is in one of the folders."""
        odd = "::" in address or "/../" in f"{address}/" or "?" in address or "#" in address
        return not odd and any(address.startswith(folder) for folder in self._folders)

    async def read(self, address: str, limit: int) -> bytes | None:
        """Return a file of at most ``limit`` bytes, or None.

        Raises:
            StorageError: the storage does not answer, refuses, or is not one that may be read.
        """
        return await self._run_bounded(address, lambda: self._read(address, limit))

    async def exists(self, address: str) -> bool:
        """Whether the file exists; raises ``StorageError`` like ``read``."""
        return await self._run_bounded(address, lambda: self._exists(address))

    async def write(self, address: str, content: bytes) -> None:
        """Store a file; raises ``StorageError`` like ``read``."""
        await self._run_bounded(address, lambda: self._write(address, content))

    async def files(self, folder: str) -> list[str]:
        """Return the addresses of all files below a folder; raises ``StorageError`` like ``read``."""
        return await self._run_bounded(folder, lambda: self._files(folder))

    async def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder; raises ``StorageError`` like ``read``."""
        return await self._run_bounded(folder, lambda: self._list(folder, "directory"))

    async def direct_files(self, folder: str) -> list[str]:
        """Return the names of the files directly in a folder; raises ``StorageError`` like ``read``."""
        return await self._run_bounded(folder, lambda: self._list(folder, "file"))

    async def remove(self, address: str) -> None:
        """Remove a file, or a folder with its files, if it exists; raises ``StorageError`` like ``read``."""
        await self._run_bounded(address, lambda: self._remove(address))

    async def _run_bounded(self, address: str, work: Callable[[], T]) -> T:
        if not self.covers(address):
            raise StorageError(f"{address}: is in none of the folders that the settings allow")
        try:
            asked = asyncio.get_running_loop().run_in_executor(self._threads, work)
            return await asyncio.wait_for(asked, _SECONDS)
        except TimeoutError as error:
            raise StorageError(f"{address}: no response within {_SECONDS:g}s") from error
        except Exception as error:  # each kind of storage has errors of its own
            kind = StorageDeniedError if _is_denied(error) else StorageError
            raise kind(f"{address}: {type(error).__name__}: {error}") from error

    def _open(self, address: str) -> tuple[Any, str]:
        system, path = self._fsspec.core.url_to_fs(address)
        if address.partition("://")[0] in _LOCAL:
            self._stay_within(Path(path))
        return system, path

    def _stay_within(self, path: Path) -> None:
        """Raise if there is a link on the way from a folder of the settings to the path.

        Whoever may write there can create a link to a file that is not theirs, such as one of another namespace.
        """
        roots = (Path(folder.partition("://")[2]) for folder in self._folders if folder.startswith(_LOCAL))
        within = (root for root in roots if path.is_relative_to(root))
        if not any(path.resolve() == root.resolve() / path.relative_to(root) for root in within):
            raise PermissionError(f"{path} leads out of its folder: there is a link on the way")

    def _read(self, address: str, limit: int) -> bytes | None:
        system, path = self._open(address)
        try:
            size = system.info(path)["size"]
            if size > limit:
                return None
            content: bytes = system.cat_file(path) if size else b""
        except FileNotFoundError:
            return None
        if len(content) != size:
            raise OSError(f"{len(content)} of {size} bytes came")
        return content

    def _exists(self, address: str) -> bool:
        system, path = self._open(address)
        return bool(system.exists(path))

    def _write(self, address: str, content: bytes) -> None:
        system, path = self._open(address)
        if address.startswith(_LOCAL):
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
        system.pipe_file(path, content)

    def _files(self, folder: str) -> list[str]:
        system, path = self._open(folder)
        scheme = folder.partition("://")[0]
        try:
            return sorted(f"{scheme}://{found}" for found in system.find(path))
        except FileNotFoundError:
            return []

    def _list(self, folder: str, kind: str) -> list[str]:
        system, path = self._open(folder)
        try:
            found = system.ls(path, detail=True)
        except FileNotFoundError:
            return []
        return sorted(one["name"].rstrip("/").rpartition("/")[2] for one in found if one["type"] == kind)

    def _remove(self, address: str) -> None:
        system, path = self._open(address)
        with suppress(FileNotFoundError):
            if not address.endswith("/"):
                system.rm_file(path)
            elif address.startswith(_LOCAL):
                system.rm(path, recursive=True)
            else:  # object stores have no folders, only names of files
                for found in system.find(path):
                    system.rm_file(found)


class ProjectStorage(Storage):
    """Store of the files of one process below the folder that ``TASKACTION_STORAGE`` names, if it names one.

    Attributes:
        folder: address of the folder, with a slash at its end; empty if there is none.
    """

    def __init__(self, folder: str | None) -> None:
        """Raise ``ConfigurationError`` if the package for the folder's kind of storage is missing."""
        super().__init__((folder,) if folder is not None else ())
        self.folder = folder or ""

    @property
    def is_configured(self) -> bool:
        """Whether a folder is configured."""
        return bool(self.folder)


def validate_folder(value: str) -> str:
    """Validate a setting that names a folder; return it with a slash at the end."""
    if "://" not in value or "::" in value or "/../" in f"{value}/":
        raise ValueError("use a folder such as s3://bucket/folder")
    return value.rstrip("/") + "/"


def object_folder(folder: str, namespace: str, uid: str) -> str:
    """Return the folder of what belongs to one object: neither part is a text that a user chooses freely."""
    return f"{folder}{namespace}/{uid}/"


def fingerprint(content: bytes) -> str:
    """Return the SHA-256 that identifies stored content."""
    return hashlib.sha256(content).hexdigest()


def _is_denied(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.EROFS or isinstance(error, PermissionError)
    return type(error).__name__ == "PermissionDeniedError"  # obstore's own: a process without a bucket does not load it


def _import_package(name: str, schemes: set[str]) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        kinds = ", ".join(sorted(schemes))
        raise ConfigurationError(
            f"storage of {kinds} requires the package {name.partition('.')[0]}: install taskaction-operator[actions]"
        ) from error
