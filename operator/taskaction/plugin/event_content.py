"""Bytes of a request in an ActionEvent: compressed in the object, or in the operator's storage if they are too large.

The inbox stores them before it creates the event, and the operator reads them. The address in the storage follows from
the event's namespace, name and time of receipt, and from the bytes: an event can name no file of another one, and a
repeated request replaces nothing. Two events of one name, one after the other, have different files, so the removal of
the first cannot remove that of the second.

Earlier releases named files without the time of receipt. Their files are still read and removed, because an event can
wait while operator and inbox are upgraded, one before the other.
"""

import base64
import binascii
import re
import zlib
from datetime import UTC, datetime
from typing import NamedTuple

from taskaction.api.action_event import CONTENT_LIMIT_BYTES, INLINE_CONTENT_BYTES, EventContent
from taskaction.core.errors import TaskActionError
from taskaction.plugin.storage import ProjectStorage, fingerprint

_TIME_DIGITS = 9
"""Hours to milliseconds, the precision of the event's `receivedAt`."""
_FILE = re.compile(r"[0-9]{9}-(?P<event>.{1,253})-[0-9a-f]{64}", re.ASCII)
_FORMER_FILE = re.compile(r"(?P<event>[a-z0-9][-a-z0-9.]{0,252})-[0-9a-f]{64}", re.ASCII)


class ContentLostError(TaskActionError):
    """The bytes of an event are missing or changed, which no retry can help; the message says which."""


class EventKey(NamedTuple):
    """Event whose bytes are in the storage.

    Attributes:
        received_at: when the inbox got the request, as the event says.
    """

    namespace: str
    name: str
    received_at: datetime


class EventContents:
    """Store of the bytes of requests."""

    def __init__(self, storage: ProjectStorage) -> None:
        self._storage = storage

    @property
    def has_storage(self) -> bool:
        """Whether bytes can be stored outside of objects."""
        return self._storage.is_configured

    async def write(self, key: EventKey, content: bytes) -> None:
        """Store the bytes for an event that is about to be created; raise ``StorageError``."""
        await self._storage.write(address_of(self._storage.folder, key, fingerprint(content)), content)

    async def read(self, key: EventKey, content: EventContent) -> bytes:
        """Return the bytes of an event.

        Raises:
            StorageError: the storage does not respond, refuses, or is not configured; a retry can help.
            ContentLostError: the bytes are missing or changed.
        """
        if content.data is not None:
            return _decompress(content.data)
        found = None
        for address in self._addresses(key, content.sha256 or ""):
            found = await self._storage.read(address, CONTENT_LIMIT_BYTES)
            if found is not None:
                break
        if found is None or fingerprint(found) != content.sha256:
            state = "missing" if found is None else "changed"
            raise ContentLostError(f"the stored body of ActionEvent {key.namespace}/{key.name} is {state}")
        return found

    async def remove(self, key: EventKey, content: EventContent) -> None:
        """Remove the stored bytes of an event that is deleted; raise ``StorageError``."""
        if self.has_storage and content.sha256 is not None:
            for address in self._addresses(key, content.sha256):
                await self._storage.remove(address)

    def _addresses(self, key: EventKey, sha256: str) -> tuple[str, str]:
        folder = self._storage.folder
        return address_of(folder, key, sha256), former_address_of(folder, key, sha256)


def folder_of(folder: str, namespace: str) -> str:
    """Return the folder of the bytes of a namespace's events in the folder of the storage."""
    return f"{folder}{namespace}/webhooks/"


def address_of(folder: str, key: EventKey, sha256: str) -> str:
    """Return the address of the bytes of an event: those of one day are in one folder, which is never written later."""
    received = key.received_at.astimezone(UTC)
    time = received.strftime("%H%M%S%f")[:_TIME_DIGITS]
    return f"{folder_of(folder, key.namespace)}{received.date().isoformat()}/{time}-{key.name}-{sha256}"


def former_address_of(folder: str, key: EventKey, sha256: str) -> str:
    """Return the address that earlier releases gave the bytes of an event."""
    return f"{folder_of(folder, key.namespace)}{key.name}-{sha256}"


def event_name_of(address: str) -> str | None:
    """Return the name of the event whose bytes a file has; None if it is another file."""
    folder, _, name = address.rpartition("/")
    names = _FORMER_FILE if folder.endswith("/webhooks") else _FILE
    found = names.fullmatch(name)
    return None if found is None else found["event"]


def pack_content(content: bytes) -> EventContent:
    """Return the part of an event for these bytes; without ``data``, they must be stored."""
    compressed = zlib.compress(content)
    if len(compressed) <= INLINE_CONTENT_BYTES:
        return EventContent(size=len(content), data=base64.b64encode(compressed).decode())
    return EventContent(size=len(content), sha256=fingerprint(content))


def _decompress(data: str) -> bytes:
    """Return the bytes; raise ``ContentLostError`` if they are invalid, or more than a request may have."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(base64.b64decode(data, validate=True), CONTENT_LIMIT_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ContentLostError(f"spec.content.data: invalid value: {error}") from None
    if len(content) > CONTENT_LIMIT_BYTES or not unpacker.eof:
        raise ContentLostError(f"spec.content.data: incomplete, or larger than {CONTENT_LIMIT_BYTES} bytes")
    return content
